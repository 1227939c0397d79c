"""Run planned cells: skip finished ones, hand the rest to an executor, leave a record of each."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from omicsbench.environment import environment
from omicsbench.isolation import QUIETNESS, OnProgress, Turn, WorkerProcess
from omicsbench.model import Status
from omicsbench.planning import Planned
from omicsbench.plugins import Registry
from omicsbench.records import SCHEMA, Cell, Failure, Record, rounded_timing, rounded_tree, save
from omicsbench.scoring import score_simulation, score_truth
from omicsbench.worker import Job, Outcome


@dataclass(frozen=True)
class Settings:
    """How cells run: seconds a cell may take, threads a worker may use, seconds a latency may take."""

    timeout: float = 1800.0
    threads: int = 1
    latency_budget: float = 1.0


class Workers:
    """Worker processes of this process, kept for the next cell of their model and device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: list[WorkerProcess] = []
        self._closed = False

    def open(self) -> None:
        """Take cells again after ``close``."""
        with self._lock:
            self._closed = False

    def acquire(self, model: str, device: str, threads: int) -> WorkerProcess:
        """A worker of that kind. Idle ones of another kind are ended, so no more live than cells run."""
        with self._lock:
            if self._closed:
                raise CancelledError
            kind = (model, device, threads)
            match = next((worker for worker in self._idle if worker.kind == kind and worker.alive), None)
            for other in self._idle:
                if other is not match and other.kind != kind:
                    other.stop()
            self._idle = [worker for worker in self._idle if worker is not match and worker.alive]
            worker = match or WorkerProcess(model, device, threads)
            self._busy.append(worker)
            return worker

    def release(self, worker: WorkerProcess) -> None:
        """Give a worker back; a dead one is forgotten."""
        with self._lock:
            if worker in self._busy:
                self._busy.remove(worker)
                if worker.alive:
                    self._idle.append(worker)
                else:
                    worker.stop()

    def close(self) -> None:
        """End every worker; what a running one was doing is cancelled."""
        with self._lock:
            self._closed = True
            for worker in (*self._busy, *self._idle):
                worker.cancel()
            self._busy.clear()
            self._idle.clear()


WORKERS = Workers()


def supervise(job: Job, settings: Settings, on_progress: OnProgress | None = None) -> Outcome | Failure:
    """Run one job in a worker process of its own kind; whatever happens to it comes back.

    Picklable, so that any executor can run it, on this machine or another. Raises ``CancelledError`` only.
    """
    with Turn(QUIETNESS) as turn:
        worker = WORKERS.acquire(job.model, job.device, settings.threads)
        try:
            return worker.run(job, settings.timeout, turn, on_progress or (lambda step, of, loss: None))
        finally:
            WORKERS.release(worker)


def run(
    cells: Sequence[Planned],
    out: Path,
    executor: Executor,
    width: int,
    settings: Settings,
    registry: Registry,
    on_progress: Callable[[Cell], OnProgress | None] = lambda cell: None,
) -> Iterator[Record]:
    """Records as their cells finish, each already on disk. ``width`` cells are in the executor at a time.

    Stopping the iteration (Ctrl-C too) ends what is running and keeps what is finished.
    """
    WORKERS.open()
    waiting = list(reversed(cells))
    running: dict[Future[Outcome | Failure], tuple[Planned, str]] = {}

    def keep(future: Future[Outcome | Failure]) -> Record:
        planned, started = running.pop(future)
        try:
            result = future.result()
        except CancelledError:
            raise
        except Exception as error:
            result = Failure(type=type(error).__name__, message=" ".join(str(error).split()))
        record = to_record(planned, result, started, width, settings, registry)
        save(record, out)
        registry.notify(record)
        return record

    try:
        while waiting or running:
            while waiting and len(running) < width:
                planned = waiting.pop()
                started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
                job = planned.job(settings.latency_budget)
                report = on_progress(planned.cell)
                extra = () if report is None else (report,)
                running[executor.submit(supervise, job, settings, *extra)] = planned, started
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield keep(future)
    finally:
        finished = [future for future in running if future.done() and not future.cancelled()]
        for future in running:
            future.cancel()
        WORKERS.close()
        for future in finished:
            keep(future)


def to_record(
    planned: Planned, result: Outcome | Failure, started: str, width: int, settings: Settings, registry: Registry
) -> Record:
    """The record of a cell: scored where there is something to score."""
    split = planned.split
    record = Record(
        schema=SCHEMA,
        key=planned.cell.key,
        cell=planned.cell,
        status="failed",
        started=started,
        states=[state.name for state in planned.task.states],
        training_strains=len(split.inputs.train),
        role=planned.offer.spec.role,
        deterministic=planned.offer.spec.deterministic,
        strains=len(split.held_out),
        environment=environment(settings.threads, {}, "", planned.offer.code.home),
    )
    if isinstance(result, Failure):
        return replace(record, status="timeout" if result.type == "TimeoutError" else "failed", error=result)
    try:
        scores, prediction = score_simulation(result.simulation, split, planned.task.counted, registry.metrics)
        derived = score_truth(result, split, planned.task)
    except Exception as error:
        failure = Failure(type=type(error).__name__, message=f"scoring failed: {' '.join(str(error).split())}")
        return replace(record, error=failure)
    diverged = int((result.simulation.status != Status.OK).sum())
    nfe = result.simulation.nfe
    return replace(
        record,
        status="diverged" if diverged else "ok",
        scores=scores,
        derived=derived,
        diverged_strains=diverged,
        timing=rounded_timing(replace(result.timing, fit_alone=width == 1)),
        peak_memory_mb=round(result.peak_memory_mb, 1),
        nfe=None if nfe is None else float(nfe.mean()),
        details=rounded_tree(result.details),
        environment=environment(settings.threads, result.packages, result.gpu, planned.offer.code.home),
        prediction=prediction,
    )
