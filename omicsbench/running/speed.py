"""How fast trained models are: each in a fresh worker of its own, one worker at a time.

Measured: import, fit, first simulate (compilation included), the steady latency of one strain, and the throughput
of batches of virtual strains.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from omicsbench.errors import ContractError, RequestError
from omicsbench.model import Model, Simulation, Status, check_simulation
from omicsbench.parameters import Value, resolve
from omicsbench.plugins import Registry
from omicsbench.records import Failure, Timing, rounded_timing, rounded_tree
from omicsbench.records.cells import Line, Name
from omicsbench.records.environment import environment, gpus
from omicsbench.records.speeds import SPEED_SCHEMA, SpeedRecord, Throughput, keyed, save
from omicsbench.running.clock import LATENCY_POINTS, PastLimit, latency, limited
from omicsbench.running.incoming import check_facts, check_latency, check_seconds, check_timing
from omicsbench.running.machine import MACHINE
from omicsbench.running.planning import ALL, Planned, Request, plan
from omicsbench.running.supervisor import OnProgress, WorkerProcess
from omicsbench.running.work import Quiet
from omicsbench.running.worker import Work, clock, details, fit, gpu, packages, peak_memory_mb
from omicsbench.split import Inputs
from omicsbench.texts import say
from omicsbench.trajectory import Array, Controls

BATCHES = (1, 10, 100, 1000, 10_000)
SPREAD = 0.3
"""SD of the natural logarithm of the factors that make virtual strains of one strain."""
TIMEOUT = 3600.0
"""Seconds after which a whole measurement is given up."""


@dataclass(frozen=True)
class Settings:
    """``threads`` of a worker, ``batches`` ascending, ``limit`` of each measurement in seconds, ``rounds`` of all."""

    threads: int = 1
    batches: tuple[int, ...] = BATCHES
    limit: float = 10.0
    rounds: int = 1


@dataclass(frozen=True)
class Variant:
    """A model beside itself with other ``parameters``."""

    model: str
    parameters: Mapping[str, Value | str]


@dataclass(frozen=True, eq=False)
class Speed:
    """What a worker found."""

    timing: Timing
    throughput: tuple[Throughput, ...]
    diverged: bool
    nfe: float | None
    details: dict[str, Any]
    packages: dict[Name, Line]
    gpu: Line
    peak_memory_mb: float
    peak_device_memory_mb: float | None


@dataclass(frozen=True)
class SpeedWork(Work[Speed]):
    """One measurement."""

    threads: int = 1
    batches: tuple[int, ...] = BATCHES

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Speed:
        _confine(self.threads)
        fitted = fit(self, progress)
        clocked = clock(self, fitted, quiet)
        with quiet():
            points = tuple(self._throughput(fitted.model, clocked.timing.first_simulate))
        status, nfe = clocked.single.status, clocked.single.nfe
        return Speed(
            timing=clocked.timing,
            throughput=points,
            diverged=bool(status[0] != Status.OK),
            nfe=None if nfe is None else float(nfe[0]),
            details=details(fitted.model, self.model),
            packages=packages(),
            gpu=gpu(),
            peak_memory_mb=peak_memory_mb(),
            peak_device_memory_mb=peak_device_memory_mb(),
        )

    def check(self, result: Speed) -> None:
        check_timing(result.timing)
        if [point.strains for point in result.throughput] != list(self.batches):
            raise ContractError("every batch, and no other, has its throughput")
        for point in result.throughput:
            check_seconds({"first call": point.first or 0.0})
            if point.seconds is not None:
                check_latency(point.seconds)
        check_seconds({"peak memory": result.peak_memory_mb, "GPU memory": result.peak_device_memory_mb or 0.0})
        reasons = [point.reason for point in result.throughput]
        check_facts(result.details, reasons, result.nfe)

    def _throughput(self, model: Model, compiling: float) -> Iterator[Throughput]:
        """One point after another. ``compiling``: seconds that a first call may take beyond the limit."""
        stopped = ""
        for strains in self.batches:
            point = Throughput(strains=strains, reason=stopped) if stopped else self._point(model, strains, compiling)
            if point.seconds is None and not stopped:
                stopped = f"not tried: {strains} strains were not reached"
            yield point

    def _point(self, model: Model, strains: int, compiling: float) -> Throughput:
        x0, controls = virtual_strains(self.inputs, strains)
        t = np.linspace(0.0, self.info.horizon, LATENCY_POINTS)
        limit = self.latency_budget

        def call() -> Simulation:
            return model.simulate(x0.copy(), t.copy(), controls)

        try:
            sim, first = limited(call, limit + compiling)
            check_simulation(sim, self.model, (strains, t.size, x0.shape[1]))
            steady = latency(call, limit)
        except PastLimit:
            return Throughput(strains=strains, reason=f"one call passes the limit of {limit:g} s")
        except ContractError:
            raise
        except Exception as error:  # out of memory, most likely: the smaller batches are measured all the same
            return Throughput(strains=strains, reason=say(error))
        if steady.median > limit:
            return Throughput(strains=strains, reason=f"one call passes the limit of {limit:g} s")
        diverged = int((sim.status != Status.OK).sum())
        return Throughput(strains=strains, first=first, seconds=steady, diverged=diverged)


def virtual_strains(inputs: Inputs, strains: int) -> tuple[Array, Controls]:
    """x0 (B, S) and controls of B strains: the first held-out strain with x(0) and every control times a factor.

    Factors are lognormal, constant in time and the same for every model; the strains of a batch begin a larger one.
    """
    x0, one = inputs.x0[:1], inputs.controls[:1]

    def factors(stream: int, size: int) -> Array:
        return np.exp(SPREAD * np.random.default_rng([stream, size]).standard_normal((strains, size)))

    u = one.u * factors(1, one.u.shape[2])[:, None, :]
    return x0 * factors(0, x0.shape[1]), Controls(one.t, u)


def _confine(threads: int) -> None:
    """Keep this process, whatever starts in it too, on as many processors; not every library obeys its variable."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def peak_device_memory_mb() -> float | None:
    """The most GPU memory that a loaded torch or jax has held; None where none is used."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return float(torch.cuda.max_memory_allocated() / 2**20)
    if jax is not None and jax.default_backend() == "gpu":
        return float(jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20)
    return None


def plan_bench(request: Request, variants: Sequence[Variant], registry: Registry, every_device: bool) -> list[Planned]:
    """What is to be measured: every requested model, and every variant beside it; no baselines unasked.

    ``every_device``: on the GPU too, where there is one and the model can. Raises as ``plan`` does.
    """
    names = tuple(dict.fromkeys((*request.models, *(variant.model for variant in variants))))
    devices: tuple[Literal["cpu", "cuda", "auto"], ...] = (
        ("cpu", "auto") if every_device and gpus() else ("cpu",) if every_device else (request.device,)
    )
    found: dict[str, Planned] = {}
    for device in devices:
        for planned in plan(replace(request, models=names, device=device), registry):
            name = planned.cell.model
            if planned.offer.spec.role == "oracle" and name in names:
                raise RequestError(f"model {name!r} is an oracle: it is shown the truth, and never timed")
            everyone = ALL in request.models and planned.offer.spec.role == "model"
            beside = [_varied(planned, v.parameters) for v in variants if v.model == name]
            for one in ([planned] if everyone or name in request.models else []) + beside:
                found[one.cell.key] = one
    return list(found.values())


def _varied(planned: Planned, parameters: Mapping[str, Value | str]) -> Planned:
    cell = planned.cell
    changed = resolve(cell.model, planned.offer.spec.factory, {**cell.parameters, **parameters})
    return replace(planned, cell=msgspec.structs.replace(cell, parameters=changed))


def run(
    planned: Sequence[Planned],
    out: Path,
    settings: Settings,
    on_progress: Callable[[Planned, int], OnProgress] = lambda planned, round: lambda step, of, loss: None,
) -> Iterator[SpeedRecord]:
    """A record of each measurement as it finishes, already on disk. Rounds go through all models in turn.

    What was measured before is measured again: a time is of the day.
    """
    for number in range(settings.rounds):
        for one in planned:
            record = _measure(one, number, settings, on_progress(one, number))
            save(record, out)
            yield record


def _measure(planned: Planned, number: int, settings: Settings, on_progress: OnProgress) -> SpeedRecord:
    job, home = planned.job(settings.limit), planned.offer.code.home
    same = {field.name: getattr(job, field.name) for field in fields(Work)}
    work = SpeedWork(**same, threads=settings.threads, batches=settings.batches)
    record = SpeedRecord(
        schema=SPEED_SCHEMA,
        key="",
        cell=planned.cell,
        threads=settings.threads,
        round=number,
        status="failed",
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        role=planned.offer.spec.role,
        # A GPU is named even where the model fails before it sees one.
        environment=environment(
            settings.threads, {}, gpus()[0][0] if planned.cell.device == "cuda" and gpus() else "", home
        ),
    )
    with MACHINE.shared() as share, WorkerProcess(job.model, job.device, settings.threads) as worker:
        found = worker.run(work, TIMEOUT, share, on_progress)
    if isinstance(found, Failure):
        status = "timeout" if found.type == "TimeoutError" else "failed"
        return keyed(msgspec.structs.replace(record, status=status, error=found))
    done = msgspec.structs.replace(
        record,
        status="diverged" if found.diverged else "ok",
        timing=rounded_timing(found.timing),
        throughput=found.throughput,
        nfe=found.nfe,
        details=rounded_tree(found.details),
        peak_memory_mb=round(found.peak_memory_mb, 1),
        peak_device_memory_mb=None if found.peak_device_memory_mb is None else round(found.peak_device_memory_mb, 1),
        environment=environment(settings.threads, found.packages, found.gpu, home),
    )
    return keyed(done)
