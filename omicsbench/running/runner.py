"""Run planned cells: skip finished ones, hand the rest to an executor, leave a record of each."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from omicsbench.model import Status
from omicsbench.plugins import Registry
from omicsbench.records import SCHEMA, Cell, Failure, Record, rounded_timing, rounded_tree, save
from omicsbench.records.environment import environment
from omicsbench.records.files import encode, parse, record_of
from omicsbench.running.machine import MACHINE
from omicsbench.running.planning import Planned
from omicsbench.running.plugin_metrics import PluginMetrics
from omicsbench.running.supervisor import OnProgress, WorkerProcess
from omicsbench.running.truth_scores import score_truth
from omicsbench.running.worker import Job, Outcome
from omicsbench.scoring.cell import score_simulation, scored_targets
from omicsbench.texts import message_of, type_of


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
            fit = [worker for worker in self._idle if worker.kind == (model, device, threads) and worker.reusable]
            for other in self._idle:
                if other not in fit:
                    other.stop()
            worker = fit.pop() if fit else WorkerProcess(model, device, threads)
            self._idle = fit
            self._busy.append(worker)
            return worker

    def release(self, worker: WorkerProcess) -> None:
        """Give a worker back; one that its last job left unfit for another is ended."""
        with self._lock:
            fit = worker in self._busy and worker.reusable
            self._busy = [other for other in self._busy if other is not worker]
            if fit:
                self._idle.append(worker)
        if not fit:
            worker.stop()

    def close(self) -> None:
        """End every worker; what a running one was doing is cancelled."""
        with self._lock:
            self._closed = True
            busy, idle = self._busy, self._idle
            self._busy, self._idle = [], []
        for worker in busy:
            worker.cancel()
        for worker in idle:
            worker.stop()


WORKERS = Workers()
NOT_ITS_OWN = ("WorkerDied", "WorkerFault", "MemoryError")
"""Failures of a cell that another one may have caused, if its process did other cells before."""


def supervise(job: Job, settings: Settings, on_progress: OnProgress | None = None) -> Outcome | Failure:
    """Run one job in a worker process of its own kind; whatever happens to it comes back.

    Picklable, so that any executor can run it, on this machine or another. Raises ``CancelledError`` only.
    """
    with MACHINE.shared() as share:
        while True:
            worker = WORKERS.acquire(job.model, job.device, settings.threads)
            used = worker.used
            try:
                result = worker.run(job, settings.timeout, share, on_progress or (lambda step, of, loss: None))
            finally:
                WORKERS.release(worker)
            # What ends a used process may be an earlier cell's doing: this one gets a process of its own.
            if not (used and isinstance(result, Failure) and result.type in NOT_ITS_OWN):
                return result


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
    extra = PluginMetrics(registry)
    running: dict[Future[Outcome | Failure], tuple[Planned, str]] = {}

    def keep(future: Future[Outcome | Failure]) -> Record:
        planned, started = running[future]
        try:
            result = future.result()
        except CancelledError:
            raise
        except Exception as error:
            result = Failure(type=type_of(error), message=message_of(error))
        record = to_record(planned, result, started, width, settings)
        if record.scores and isinstance(result, Outcome):
            scored = scored_targets(result.simulation, planned.split)
            record = replace(record, scores=extra.add(record.scores, scored, planned.task.counted))
        if reason := _unreadable(record):
            failure = Failure(type="RecordError", message=f"its record could not be read again: {reason}")
            record = to_record(planned, failure, started, width, settings)
        save(record, out)
        del running[future]
        registry.notify(record)
        return record

    try:
        while waiting or running:
            while waiting and len(running) < width:
                planned = waiting.pop()
                started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
                job = planned.job(settings.latency_budget)
                report = on_progress(planned.cell)
                watched = () if report is None else (report,)
                running[executor.submit(supervise, job, settings, *watched)] = planned, started
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield keep(future)
    finally:
        finished = [future for future in running if future.done() and not future.cancelled()]
        for future in running:
            future.cancel()
        WORKERS.close()
        try:
            for future in finished:
                with suppress(CancelledError):
                    keep(future)
        finally:
            extra.close()


def _unreadable(record: Record) -> str:
    """Why a later run could not read a record, but for its prediction, which is ours; nothing if it could."""
    try:
        record_of(parse(encode(replace(record, prediction=None)), record.cell.label), record.cell.label)
    except Exception as error:
        return message_of(error)
    return ""


def to_record(planned: Planned, result: Outcome | Failure, started: str, width: int, settings: Settings) -> Record:
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
        scores, prediction = score_simulation(result.simulation, split, planned.task.counted)
        derived = score_truth(result, split, planned.task)
    except Exception as error:
        failure = Failure(type=type_of(error), message=f"scoring failed: {message_of(error)}")
        return replace(record, error=failure)
    diverged = int((result.simulation.status != Status.OK).sum())
    nfe = result.simulation.nfe
    return replace(
        record,
        status="diverged" if diverged else "ok",
        scores=scores,
        derived=derived,
        diverged_strains=diverged,
        timing=result.timing and rounded_timing(replace(result.timing, fit_alone=width == 1)),
        peak_memory_mb=round(result.peak_memory_mb, 1),
        nfe=None if nfe is None else float(nfe.mean()),
        details=rounded_tree(result.details),
        environment=environment(settings.threads, result.packages, result.gpu, planned.offer.code.home),
        prediction=prediction,
    )
