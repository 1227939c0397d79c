"""Discovery. A broken, misspelt or duplicate plugin is reported; the rest works."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

import pluggy

from omicsbench import baselines, hookspecs
from omicsbench.digest import Code, code_of
from omicsbench.errors import ContractError, RequestError, suggest
from omicsbench.parameters import split_factory
from omicsbench.spec import Device, ModelSpec, Role

if TYPE_CHECKING:
    from omicsbench.metrics import Metric
    from omicsbench.records import Record

GROUP = "omicsbench"
RESTRICT = "OMICSBENCH_PLUGINS"


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

    def model(self, name: str) -> Offer:
        """The model of that name. Raises ``RequestError`` with the nearest known name."""
        if name not in self.models:
            broken = next((p for p in self.problems if p.plugin == name), None)
            why = f" (its plugin is broken: {broken.reason})" if broken else ""
            raise RequestError(f"unknown model {name!r}{why}: {suggest(name, self.models)}")
        return self.models[name]

    @cached_property
    def metrics(self) -> list[Metric]:
        """The metrics that plugins add to those of the core; one that is none, or takes a name, is reported."""
        from omicsbench.metrics import DERIVED, METRICS, Metric

        taken = {metric.name for metric in METRICS} | set(DERIVED)
        found = []
        for plugin, metric in self._offered("omicsbench_metrics"):
            if not isinstance(metric, Metric):
                reason = f"omicsbench_metrics must return Metrics, got {type(metric).__name__}"
            elif metric.name in taken:
                reason = f"metric {metric.name!r} is there already; this one is ignored"
            else:
                taken.add(metric.name)
                found.append(metric)
                continue
            self.problems.append(Problem(plugin, reason))
        return found

    def notify(self, record: Record) -> None:
        """Tell the plugins that a cell has finished."""
        self.call("omicsbench_cell_finished", record=record)

    def call(self, hook: str, of: ModuleType | None = None, **arguments: object) -> list[tuple[str, Any]]:
        """Every plugin's name and answer to a hook (or that of one); one that raises is reported and left out."""
        answers = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            if of is not None and implementation.plugin is not of:
                continue
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                answers.append((implementation.plugin_name, implementation.function(**wanted)))
            except (Exception, SystemExit) as error:
                self.problems.append(Problem(implementation.plugin_name, f"{hook} raised {_say(error)}"))
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


def _say(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def discover(plugin_dirs: Iterable[Path] = ()) -> Registry:
    """All plugins: the core's, the installed distributions', and the one-file plugins in ``plugin_dirs``.

    The environment variable OMICSBENCH_PLUGINS restricts the installed ones to a comma-separated list.
    Raises ``RequestError`` where a folder of ``plugin_dirs`` does not exist.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    _register(registry, "baselines", baselines, "omicsbench", version("omicsbench"))
    found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for point in _restricted(registry, found):
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            registry.problems.append(Problem(point.name, f"import failed: {_say(error)}"))
            continue
        distribution = point.dist
        _register(
            registry,
            point.name,
            module,
            distribution.name if distribution else point.name,
            distribution.version if distribution else "0",
        )
    for folder in plugin_dirs:
        if not folder.is_dir():
            raise RequestError(f"--plugins-dir {folder}: no such folder")
        for file in sorted(folder.glob("*.py")):
            load_file(registry, file)
    registry._find_task_folders()
    return registry


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
    stem, path = file.stem, file.resolve()
    try:
        if stem in sys.modules:
            module, origin = sys.modules[stem], getattr(sys.modules[stem], "__file__", None)
        else:
            found = importlib.util.find_spec(stem)
            module, origin = None, str(path) if found is None else found.origin
        if origin != str(path):
            registry.problems.append(Problem(stem, f"{file}: its name hides the module {stem!r}; rename the file"))
            return
        digest = code_of(stem, stem, path).digest[:12]
        module = module or _import_file(stem, path)
    except (Exception, SystemExit) as error:
        registry.problems.append(Problem(stem, f"{file}: import failed: {_say(error)}"))
        return
    _register(registry, stem, module, file.name, f"sha256:{digest}", path)


def _import_file(stem: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("not importable")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[stem]
        raise
    return module


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
        return _say(error)
    known = [hook for hook in vars(hookspecs) if hook.startswith("omicsbench_")]
    return f"unknown hook {unknown[1]!r}: {suggest(unknown[1], known)}"


def _offer(registry: Registry, offer: Offer) -> None:
    spec = offer.spec
    reason = _fault(spec)
    if not reason and spec.name in registry.models:
        first = registry.models[spec.name].plugin
        reason = f"model {spec.name!r} is already offered by plugin {first!r}; this one is ignored"
    if reason:
        registry.problems.append(Problem(offer.plugin, reason))
    else:
        registry.models[spec.name] = offer


def _fault(spec: ModelSpec) -> str:
    """What is wrong with a spec; plugins are not type-checked."""
    for name in ("name", "factory", "summary", "citation"):
        if not isinstance(getattr(spec, name), str):
            return f"model {spec.name!r}: {name} must be text, got {getattr(spec, name)!r}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", spec.name):
        return f"model name {spec.name!r} must be lower-case letters, digits, dots and dashes"
    if not isinstance(spec.devices, list | tuple) or not spec.devices or set(spec.devices) - set(get_args(Device)):
        return f"model {spec.name!r}: devices must be out of {', '.join(get_args(Device))}, got {spec.devices!r}"
    if spec.role not in get_args(Role):
        return f"model {spec.name!r}: role must be out of {', '.join(get_args(Role))}, got {spec.role!r}"
    try:
        split_factory(spec.factory)
    except ContractError as error:
        return f"model {spec.name!r}: {error}"
    return ""
