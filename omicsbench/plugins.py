"""Discovery. A broken, misspelt or duplicate plugin is reported; the rest works."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from omicsbench import baselines, hookspecs
from omicsbench.digest import Code, code_of
from omicsbench.errors import RequestError, suggest
from omicsbench.guard import Overran, Raised, guarded
from omicsbench.known import Source, faults
from omicsbench.offers import fault_of_metric, fault_of_model
from omicsbench.parameters import split_factory
from omicsbench.spec import ModelSpec
from omicsbench.texts import say

if TYPE_CHECKING:
    from omicsbench.records import Record
    from omicsbench.scoring.metrics import Metric

GROUP = "omicsbench"
RESTRICT = "OMICSBENCH_PLUGINS"
HOOK_LIMIT = 5.0
"""Seconds that a hook may take."""


@dataclass(frozen=True)
class Offer:
    """A model on offer and where it comes from: the plugin's ``module``; ``file`` is set for a one-file plugin."""

    spec: ModelSpec
    plugin: str
    module: str
    distribution: str
    version: str
    file: Path | None = None

    @cached_property
    def code(self) -> Code:
        """The code that its answers come from. Raises ``RequestError`` where that cannot be read."""
        return code_of(self.module, split_factory(self.spec.factory)[0], self.file)


@dataclass(frozen=True)
class Problem:
    """A plugin, or something it offers, that does not work, and why."""

    plugin: str
    reason: str


@dataclass
class Registry:
    """What was found: models by name, folders of tasks, metrics, and the problems met on the way."""

    manager: pluggy.PluginManager
    models: dict[str, Offer] = field(default_factory=dict)
    task_folders: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    """Where each plugin but the core's own comes from, by its name."""
    overran: set[tuple[str, str]] = field(default_factory=set)
    """Plugin and hook that did not come back in time: it is not called again."""

    def model(self, name: str) -> Offer:
        """The model of that name. Raises ``RequestError`` with the nearest known name."""
        if name not in self.models:
            broken = next((p for p in self.problems if p.plugin == name), None)
            why = f" (its plugin is broken: {broken.reason})" if broken else ""
            raise RequestError(f"unknown model {name!r}{why}: {suggest(name, self.models)}")
        return self.models[name]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that plugins add to those of the core."""
        return [metric for _, metric in self.plugin_metrics]

    @cached_property
    def plugin_metrics(self) -> list[tuple[str, Metric]]:
        """Plugin and metric; one that is none, or takes a name, is reported."""
        from omicsbench.scoring.metrics import DERIVED, METRICS, Metric

        taken = {metric.name for metric in METRICS} | set(DERIVED)
        found = []
        for plugin, metric in self._offered("omicsbench_metrics"):
            if not isinstance(metric, Metric):
                reason = f"omicsbench_metrics must return Metrics, got {type(metric).__name__}"
            elif not (reason := fault_of_metric(metric)):
                if metric.name not in taken:
                    taken.add(metric.name)
                    found.append((plugin, metric))
                    continue
                reason = f"metric {metric.name!r} is there already; this one is ignored"
            self.problems.append(Problem(plugin, reason))
        return found

    def notify(self, record: Record) -> None:
        """Tell the plugins that a cell has finished."""
        self.call("omicsbench_cell_finished", record=record)

    def call(self, hook: str, of: ModuleType | None = None, **arguments: object) -> list[tuple[str, Any]]:
        """Every plugin's name and answer to a hook (or that of one); one that fails is reported and left out.

        A hook that does not come back within ``HOOK_LIMIT`` is reported, and not called again.
        """
        answers = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            plugin = implementation.plugin_name
            if (of is not None and implementation.plugin is not of) or (plugin, hook) in self.overran:
                continue
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                with redirect_stdout(sys.stderr):
                    answers.append((plugin, guarded(partial(implementation.function, **wanted), HOOK_LIMIT)))
            except Raised as error:
                self.problems.append(Problem(plugin, f"{hook} raised {error}"))
            except Overran as error:
                self.overran.add((plugin, hook))
                self.problems.append(Problem(plugin, f"{hook} {error}; it is not called again"))
        return answers

    def _offered(self, hook: str, of: ModuleType | None = None) -> list[tuple[str, Any]]:
        """What every plugin (or one) offers in its answer to a hook, with the plugin's name."""
        items = []
        for plugin, answer in self.call(hook, of):
            if isinstance(answer, list | tuple):
                items += [(plugin, item) for item in answer]
            else:
                self.problems.append(Problem(plugin, f"{hook} must return a list, got {type(answer).__name__}"))
        return items

    def _find_task_folders(self) -> None:
        for plugin, folder in self._offered("omicsbench_tasks"):
            if isinstance(folder, str | Path) and Path(folder).is_dir():
                self.task_folders.append(Path(folder))
            else:
                self.problems.append(Problem(plugin, f"omicsbench_tasks names no folder: {folder!r}"))


def discover(plugin_dirs: Iterable[Path] = ()) -> Registry:
    """All plugins: the core's, the installed distributions', and the one-file plugins in ``plugin_dirs``.

    The environment variable OMICSBENCH_PLUGINS restricts the installed ones to a comma-separated list. A plugin that
    was not met before is tried out in a process of its own first (``omicsbench.known``).
    Raises ``RequestError`` where a folder of ``plugin_dirs`` does not exist.
    """
    registry = _registry()
    _register(registry, "baselines", baselines, "omicsbench", version("omicsbench"))
    found = _restricted(registry, sorted(entry_points(group=GROUP), key=lambda point: point.name))
    sources = [Source(point.name, point.value) for point in found]
    for folder in plugin_dirs:
        if not folder.is_dir():
            raise RequestError(f"--plugins-dir {folder}: no such folder")
        sources += [Source(file.stem, file.stem, file.resolve()) for file in sorted(folder.glob("*.py"))]
    broken = faults([source for source in sources if not source.hidden])
    distributions = {point.name: point.dist for point in found}
    for source in sources:
        if source.name in broken:
            registry.problems.append(Problem(source.name, broken[source.name]))
        elif source.file is not None:
            load_file(registry, source.file)
        elif (module := _load(registry, source)) is not None:
            distribution = distributions[source.name]
            named = (source.name, "0") if distribution is None else (distribution.name, distribution.version)
            _register(registry, source.name, module, *named)
            registry.sources[source.name] = source
    registry._find_task_folders()
    return registry


def _registry() -> Registry:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    return Registry(manager)


def try_out(source: Source) -> str:
    """Import a plugin and call its hooks as ``discover`` does, and those of commands and metrics too.

    Why it may not be in the harness's own process, or nothing if it may. For a process that may be lost.
    """
    import click

    registry = _registry()
    try:
        module = source.load()
    except KeyboardInterrupt as error:
        return f"its import raises {say(error)}"
    except BaseException:
        return ""  # it will be reported where it is imported
    _register(registry, source.name, module, "", "")
    registry._find_task_folders()
    registry.call("omicsbench_metrics")
    registry.call("omicsbench_commands", cli=click.Group())
    return next((problem.reason for problem in registry.problems if registry.overran), "")


def metrics_of(source: Source) -> list[Metric]:
    """The metrics of a plugin. For a process that may be lost; raises what its import raises."""
    registry = _registry()
    _register(registry, source.name, source.load(), "", "")
    return registry.metrics


def _load(registry: Registry, source: Source) -> ModuleType | None:
    """The plugin, imported; None where that fails, which is reported."""
    try:
        with redirect_stdout(sys.stderr):  # where results go, nothing else is printed
            return source.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        at = "" if source.file is None else f"{source.file}: "
        registry.problems.append(Problem(source.name, f"{at}import failed: {say(error)}"))
        return None


def _restricted(registry: Registry, found: list[EntryPoint]) -> list[EntryPoint]:
    wanted = os.environ.get(RESTRICT)
    if wanted is None:
        return found
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {point.name for point in found}
    registry.problems += [
        Problem(name, f"named in {RESTRICT} but not installed: {suggest(name, known)}")
        for name in names
        if name not in known
    ]
    return [point for point in found if point.name in names]


def load_file(registry: Registry, file: Path) -> None:
    """Register a one-file plugin under its file's stem; its version is the hash of its text."""
    path = file.resolve()
    source = Source(file.stem, file.stem, path)
    if reason := source.hidden:
        registry.problems.append(Problem(source.name, reason))
    elif (module := _load(registry, source)) is not None:
        try:
            digest = code_of(source.name, source.name, path).digest[:12]
        except RequestError as error:
            registry.problems.append(Problem(source.name, str(error)))
            return
        _register(registry, source.name, module, file.name, f"sha256:{digest}", path)
        registry.sources[source.name] = source


def _register(
    registry: Registry, name: str, module: ModuleType, distribution: str, version: str, file: Path | None = None
) -> None:
    manager = registry.manager
    try:
        manager.register(module, name)
        manager.check_pending()
    except Exception as error:
        if manager.is_registered(module):
            manager.unregister(module)
        registry.problems.append(Problem(name, _misspelt(error)))
        return
    for _, spec in registry._offered("omicsbench_models", module):
        if isinstance(spec, ModelSpec):
            _offer(registry, Offer(spec, name, module.__name__, distribution, version, file))
        else:
            reason = f"omicsbench_models must return ModelSpecs, got {type(spec).__name__}"
            registry.problems.append(Problem(name, reason))
    if not manager.get_hookcallers(module):
        registry.problems.append(Problem(name, "has no hook of omicsbench; decorate it with omicsbench.hookimpl"))


def _misspelt(error: Exception) -> str:
    unknown = re.search(r"unknown hook '(\w+)'", str(error))
    if unknown is None:
        return say(error)
    known = [hook for hook in vars(hookspecs) if hook.startswith("omicsbench_")]
    return f"unknown hook {unknown[1]!r}: {suggest(unknown[1], known)}"


def _offer(registry: Registry, offer: Offer) -> None:
    spec = offer.spec
    reason = fault_of_model(spec)
    if not reason and spec.name in registry.models:
        first = registry.models[spec.name].plugin
        reason = f"model {spec.name!r} is already offered by plugin {first!r}; this one is ignored"
    if reason:
        registry.problems.append(Problem(offer.plugin, reason))
    else:
        registry.models[spec.name] = offer
