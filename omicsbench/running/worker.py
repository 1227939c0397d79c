"""What a worker process does: load a model, fit, time and simulate it. Knows nothing of scores."""

from __future__ import annotations

import importlib
import random
import resource
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic

import msgspec
import numpy as np

from omicsbench.digest import code_of
from omicsbench.errors import ContractError
from omicsbench.model import Model, Simulation, Status, TaskInfo, check_simulation
from omicsbench.parameters import split_factory
from omicsbench.records import Timing
from omicsbench.records.cells import Line, Name
from omicsbench.running.clock import LATENCY_POINTS, latency, timed
from omicsbench.running.incoming import check_answers, check_facts, check_seconds, check_timing
from omicsbench.running.reference import NoReference, integration_error, reference
from omicsbench.running.work import Quiet, Result_co
from omicsbench.scoring.probes import Answers, Probes, ask
from omicsbench.split import Inputs
from omicsbench.texts import one_line, plain_values
from omicsbench.trajectory import Array, Controls


@dataclass(frozen=True)
class Work(ABC, Generic[Result_co]):
    """What a worker is given to do with one model, whole: it reads no file but the model's source.

    ``file`` is set for a one-file plugin, ``reveal`` for an oracle. ``latency_budget`` in seconds. ``code`` is the
    digest of the code that the result is to come from, by the plugin's ``module``; empty where any will do.
    """

    factory: str
    file: Path | None
    model: str
    parameters: dict[str, Any]
    seed: int
    device: str
    info: TaskInfo
    inputs: Inputs
    reveal: Any = None
    latency_budget: float = 1.0
    module: str = ""
    code: str = ""

    @abstractmethod
    def run(self, progress: Callable[..., None], quiet: Quiet) -> Result_co:
        """Do it, in the worker. Raises whatever the model raises.

        Annotate the result with a dataclass or msgspec struct of arrays and JSON values: nothing else comes back.
        """

    def check(self, result: Any) -> None:
        """Raise ``ContractError`` where a result, of the type that ``run`` promises, cannot be that of this job.

        Called in the runner: what comes back from a worker is trusted in nothing.
        """


@dataclass(frozen=True)
class Job(Work["Outcome"]):
    """One cell. ``probes`` are asked on a simulated task."""

    probes: Probes | None = None

    @property
    def is_timed(self) -> bool:
        """An oracle's is not: its answer is looked up; nor one that is given no time for it."""
        return self.reveal is None and self.latency_budget > 0

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Outcome:
        given = self.inputs
        fitted = fit(self, progress)
        timing = clock(self, fitted, quiet).timing if self.is_timed else None
        simulation = simulate(fitted.model, self.model, given.x0, given.t, given.controls)
        return Outcome(
            simulation=simulation,
            timing=timing,
            details=details(fitted.model, self.model),
            packages=packages(),
            gpu=gpu(),
            peak_memory_mb=peak_memory_mb(),
            answers=None if self.probes is None else ask(fitted.model, self.model, self.probes),
        )

    def check(self, result: Outcome) -> None:
        given = self.inputs
        check_simulation(result.simulation, self.model, (len(given.x0), given.t.size, given.x0.shape[1]))
        if (result.timing is not None) != self.is_timed:
            raise ContractError("a cell is timed where that is asked for")
        if result.timing is not None:
            check_timing(result.timing)
        check_facts(result.details)
        check_seconds({"peak memory": result.peak_memory_mb})
        if (result.answers is None) != (self.probes is None):
            raise ContractError("the probes of the task, and only they, are answered")
        if self.probes is not None and result.answers is not None:
            check_answers(result.answers, self.probes)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a cell, before any scoring. An oracle's is not timed."""

    simulation: Simulation
    timing: Timing | None
    details: dict[str, Any]
    packages: dict[Name, Line]
    gpu: Line
    peak_memory_mb: float
    answers: Answers | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model after ``fit``, seconds of loading (None where it was loaded before) and of fitting."""

    model: Model
    load: float | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Timed:
    """What a fitted model made of the held-out strain's horizon, and how long everything took."""

    single: Simulation
    timing: Timing


def load_class(factory: str, file: Path | None) -> type[Model]:
    """The model class that a factory names. Raises ``ContractError`` where it is none."""
    module_name, name = split_factory(factory)
    if file is not None and module_name not in sys.modules:
        sys.path.append(str(file.parent))
    found = getattr(importlib.import_module(module_name), name, None)
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ContractError(f"factory {factory!r} names no subclass of omicsbench.Model")
    return found


@cache
def _code_here(module: str, factory: str, file: Path | None) -> str:
    """The digest of a plugin's code when this process first met it; what is edited later is not what it runs."""
    return code_of(module, factory, file).digest


def construct(job: Work[object]) -> Model:
    """The model of a job, loaded and made. Raises ``ContractError`` where its code is not what was asked for."""
    if job.code and _code_here(job.module, split_factory(job.factory)[0], job.file) != job.code:
        raise ContractError(f"the code of model {job.model!r} changed since this run began; run it again")
    made: Callable[..., Model] = load_class(job.factory, job.file)
    return made(seed=job.seed, device=job.device, **job.parameters)


def fit(job: Work[object], progress: Callable[..., None]) -> Fitted:
    """Load and fit the model of a job. Raises whatever the model raises."""
    # So that a model that forgot its own seed still repeats.
    np.random.seed(job.seed)  # noqa: NPY002
    random.seed(job.seed)
    warm = split_factory(job.factory)[0] in sys.modules
    model, load = timed(lambda: construct(job))
    if job.reveal is not None:
        model.reveal(job.reveal)  # type: ignore[attr-defined]
    _, seconds = timed(lambda: model.fit(list(job.inputs.train), job.info, progress))
    return Fitted(model, None if warm else load, seconds)


def clock(job: Work[object], fitted: Fitted, quiet: Quiet) -> Timed:
    """Time a fitted model on the horizon of the first held-out strain. Raises whatever the model raises."""
    given, model = job.inputs, fitted.model
    horizon = np.linspace(0.0, job.info.horizon, LATENCY_POINTS)
    one = given.controls[:1]

    def single() -> Simulation:
        return model.simulate(given.x0[:1].copy(), horizon.copy(), one)

    with quiet():
        first, first_seconds = timed(single)
        steady = latency(single, job.latency_budget)
    first = check_simulation(first, job.model, (1, horizon.size, given.x0.shape[1]))
    error, note = _integration_error(model, first, given, horizon)
    timing = Timing(
        load=fitted.load,
        fit=fitted.seconds,
        first_simulate=first_seconds,
        latency=steady,
        warm=fitted.load is None,
        fit_alone=True,
        integration_error=error,
        integration_note=one_line(note),
    )
    return Timed(first, timing)


def simulate(model: Model, name: str, x0: Array, t: Array, controls: Controls) -> Simulation:
    """``model.simulate``, checked at the border."""
    with np.errstate(all="ignore"):
        raw = model.simulate(x0.copy(), t.copy(), controls)
    return check_simulation(raw, name, (len(x0), t.size, x0.shape[1]))


def _integration_error(model: Model, first: Simulation, given: Inputs, t: Array) -> tuple[float | None, str]:
    if first.status[0] != Status.OK:
        return None, "the model diverged"
    try:
        return integration_error(first.x[0], reference(model, given.x0[0], t, given.controls[:1])), ""
    except NoReference as reason:
        return None, str(reason)


def details(model: Model, name: str) -> dict[str, Any]:
    """What a model says of itself, as JSON values. Raises ``ContractError`` where they are none."""
    found = model.describe()
    try:
        values = plain_values(msgspec.to_builtins(found, str_keys=True))
        converted = msgspec.convert(msgspec.json.decode(msgspec.json.encode(values)), dict[str, Any])
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ContractError(f"model {name!r}: describe must return JSON values by name: {error}") from None
    try:
        check_facts(converted)
    except ContractError as error:
        raise ContractError(f"model {name!r}: {error}") from None
    return converted


def packages() -> dict[str, str]:
    """Versions of the installed distributions that this process has loaded modules of, but for Python's own."""
    loaded = {name.partition(".")[0] for name in sys.modules} & _distributions().keys()
    return {name: version for top in sorted(loaded) for name, version in _distributions()[top]}


@cache
def _distributions() -> Mapping[str, Sequence[tuple[str, str]]]:
    """Names and versions of distributions by what they install at the top level."""
    from importlib.metadata import packages_distributions, version

    found = packages_distributions()
    return {
        top: [(name, version(name)) for name in dict.fromkeys(found[top])]
        for top in found.keys() - sys.stdlib_module_names
    }


def gpu() -> str:
    """The name of the GPU that a loaded torch or jax sees, or nothing."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    if jax is not None and jax.default_backend() == "gpu":
        return str(jax.devices()[0].device_kind)
    return ""


def peak_memory_mb() -> float:
    """The most host memory this process has held so far."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (2**20 if sys.platform == "darwin" else 2**10)
    # On Linux ru_maxrss starts at what the parent held.
    return int(text.split("VmHWM:")[1].split()[0]) / 1024
