"""What a worker process does: load a model, fit, time and simulate it. Knows nothing of scores."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from omicsbench.errors import ContractError
from omicsbench.model import Model, Simulation, Status, TaskInfo, check_simulation
from omicsbench.parameters import split_factory
from omicsbench.probes import Answers, Probes, ask
from omicsbench.protocols import Inputs
from omicsbench.records import Failure, Timing
from omicsbench.reference import NoReference, integration_error, reference
from omicsbench.timing import LATENCY_POINTS, latency, timed
from omicsbench.trajectory import Array, Controls

PROGRESS_INTERVAL = 0.1
Result_co = TypeVar("Result_co", covariant=True)


class Quiet(Protocol):
    """A context within which nothing else of the suite runs."""

    def __call__(self) -> AbstractContextManager[object]: ...


@dataclass(frozen=True)
class Work(ABC, Generic[Result_co]):
    """What a worker is given to do with one model, whole: it reads no file but the model's source.

    ``file`` is set for a one-file plugin, ``reveal`` for an oracle. ``latency_budget`` in seconds.
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

    @abstractmethod
    def run(self, progress: Callable[..., None], quiet: Quiet) -> Result_co:
        """Do it, in the worker. Raises whatever the model raises."""


@dataclass(frozen=True)
class Job(Work["Outcome"]):
    """One cell. ``probes`` are asked on a simulated task."""

    probes: Probes | None = None

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Outcome:
        given = self.inputs
        fitted = fit(self, progress, quiet)
        simulation = simulate(fitted.model, self.model, given.x0, given.t, given.controls)
        return Outcome(
            simulation=simulation,
            timing=fitted.timing,
            details=details(fitted.model, self.model),
            packages=packages(),
            gpu=gpu(),
            peak_memory_mb=peak_memory_mb(),
            answers=None if self.probes is None else ask(fitted.model, self.model, self.probes),
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a cell, before any scoring."""

    simulation: Simulation
    timing: Timing
    details: dict[str, Any]
    packages: dict[str, str]
    gpu: str
    peak_memory_mb: float
    answers: Answers | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model after ``fit``, what it made of the held-out strain's horizon, and how long everything took."""

    model: Model
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


def construct(job: Work[object]) -> Model:
    """The model of a job, loaded and made."""
    made: Callable[..., Model] = load_class(job.factory, job.file)
    return made(seed=job.seed, device=job.device, **job.parameters)


def fit(job: Work[object], progress: Callable[..., None], quiet: Quiet) -> Fitted:
    """Load, fit and time the model of a job. Raises whatever the model raises."""
    given = job.inputs
    np.random.seed(job.seed)  # noqa: NPY002 - so that a model that forgot its own seed still repeats
    warm = split_factory(job.factory)[0] in sys.modules
    model, load_seconds = timed(lambda: construct(job))
    if job.reveal is not None:
        model.reveal(job.reveal)  # type: ignore[attr-defined]
    _, fit_seconds = timed(lambda: model.fit(list(given.train), job.info, progress))

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
        load=None if warm else load_seconds,
        fit=fit_seconds,
        first_simulate=first_seconds,
        latency=steady,
        warm=warm,
        fit_alone=True,
        integration_error=error,
        integration_note=note,
    )
    return Fitted(model, first, timing)


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
        return msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), dict[str, Any])
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ContractError(f"model {name!r}: describe must return JSON values by name: {error}") from None


def packages() -> dict[str, str]:
    """Versions of the numerical packages that this process has loaded."""
    names = {"sklearn": "scikit-learn"}
    found = {}
    for module in (
        "numpy",
        "scipy",
        "torch",
        "torchdiffeq",
        "jax",
        "jaxlib",
        "diffrax",
        "equinox",
        "optax",
        "sklearn",
        "pysindy",
    ):
        name = names.get(module, module)
        if module in sys.modules and (version := _version(name)) is not None:
            found[name] = version
    return found


@cache
def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


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


def serve(connection: Connection, log: str) -> None:
    """The life of a worker process: one job after another until told to stop.

    What models print goes to ``log``, so that nothing but results comes down the connection.
    """
    os.setsid()  # a process group of its own, so that all that a model starts can be ended with it
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _redirect(log)
    while True:
        try:
            job: Work[object] | None = connection.recv()
        except (EOFError, OSError):
            return
        if job is None:
            return
        try:
            result = job.run(_reporter(connection), lambda: _ask_for_quiet(connection))
            connection.send(("done", result))
        except (BrokenPipeError, EOFError):
            return
        except BaseException as error:
            failure = Failure(
                type=type(error).__name__, message=" ".join(str(error).split()), traceback=traceback.format_exc()
            )
            connection.send(("failed", failure))


def _die_with_parent() -> None:
    """A killed runner must not leave its workers fitting for hours."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)


def _redirect(log: str) -> None:
    import faulthandler

    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    # So that what a model said is there even if it takes the process with it.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()


def _reporter(connection: Connection) -> Callable[..., None]:
    last = 0.0

    def progress(step: int, of: int, loss: float | None = None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PROGRESS_INTERVAL or step >= of:
            last = now
            connection.send(("progress", int(step), int(of), None if loss is None else float(loss)))

    return progress


class _ask_for_quiet:
    """Tells the parent that timing begins, waits for its word, and tells it when timing is over."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.send(("quiet",))
        self.connection.recv()

    def __exit__(self, *error: object) -> None:
        self.connection.send(("noise",))
        self.connection.recv()
