"""Run the cell of a record again and hold the two against each other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from omicsbench.data.measured import fold_data
from omicsbench.data.setting import setting_of
from omicsbench.data.tasks import Task, pick
from omicsbench.errors import RequestError
from omicsbench.plugins import Registry
from omicsbench.publishing.verifier import claims, different_means
from omicsbench.records import Record, from_json
from omicsbench.records.environment import gpus
from omicsbench.running.planning import Planned, differences
from omicsbench.running.runner import Settings, run
from omicsbench.trajectory import Array

TOLERANCE = 0.05
"""Largest relative difference of any state's NRMSE: training on another processor rounds differently."""
IDENTICAL = 1e-6
AT_ONCE = max(1, min(4, os.cpu_count() or 1))
"""Cells that are run at a time."""
NRMSE_FLOOR = 0.01
"""Errors smaller than this are compared as if they were this large: below it they are rounding."""
DERIVED_FLOOR = 0.1
"""Correlations and shares smaller than this are compared as if they were this large."""

Outcome = Literal["identical", "within", "differs", "not repeated"]


@dataclass(frozen=True)
class Repeat:
    """What came of running a record again. ``difference`` is the largest relative difference of a state's NRMSE."""

    record: Record
    outcome: Outcome
    difference: float
    reason: str
    again: Record | None = None


def planned_of(record: Record, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None) -> Planned:
    """The cell of a record, to be run here. Raises ``RequestError`` where it cannot be the same experiment."""
    cell = record.cell
    task = pick(tasks, cell.task)
    fold = task.fold(cell.fold)
    offer = registry.model(cell.model)
    if cell.device == "cuda" and not gpus():
        raise RequestError(
            f"{cell.label}: made on {record.environment.gpu if record.environment else 'a GPU'}, none here"
        )
    setting = setting_of(task, cell.protocol, fold_data(task, fold, data_dir))
    now = msgspec.structs.replace(cell, setting=setting, code=offer.code.digest, version=offer.version)
    if false := claims(record, offer):
        raise RequestError(f"{cell.label}: {'; '.join(false)}")
    if changed := differences(cell, now):
        made, here = f"{cell.distribution} {cell.version}", f"{offer.distribution} {offer.version}"
        raise RequestError(f"{cell.label}: {'; '.join(changed)} (made by {made}, here is {here})")
    return Planned(cell, task, fold, offer, data_dir)


def repeat(
    records: Sequence[Record],
    registry: Registry,
    tasks: Mapping[str, Task],
    data_dir: Path | None,
    timeout: float = 1800.0,
    tolerance: float = TOLERANCE,
) -> Iterator[Repeat]:
    """Each record's cell run again, a few at a time, as it is done; what cannot be repeated here comes first."""
    by_threads: dict[int, list[tuple[Record, Planned]]] = {}
    for record in records:
        try:
            planned = planned_of(record, registry, tasks, data_dir)
        except RequestError as reason:
            yield Repeat(record, "not repeated", float("nan"), str(reason))
            continue
        threads = min(record.environment.threads if record.environment else 1, os.cpu_count() or 1)
        by_threads.setdefault(threads, []).append((record, planned))
    for threads, cells in by_threads.items():
        before = {record.key: record for record, _ in cells}
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as executor:
            # A worker process serves one model: those of one model come together.
            todo = sorted((planned for _, planned in cells), key=lambda planned: planned.cell.model)
            # Times are not compared, so none is taken.
            settings = Settings(timeout=timeout, threads=threads, latency_budget=0.0)
            for again in run(todo, Path(folder), executor, AT_ONCE, settings, registry):
                record = before[again.key]
                found = compare(record, again, tolerance)
                if found.outcome != "differs" and (wrong := _false_means(record, tasks, registry)):
                    found = Repeat(record, "differs", float("inf"), wrong, again)
                yield found


def _false_means(record: Record, tasks: Mapping[str, Task], registry: Registry) -> str:
    """What of the means of a record does not follow from its states."""
    for name, scores in record.scores.items():
        if wrong := different_means(scores, tasks[record.cell.task].counted, registry.metrics):
            return f"means at {name!r} do not follow from its states: {wrong}"
    return ""


def _floor(metric: str, again: Record, target: str) -> Array:
    """What smaller errors are compared as, in the metric's unit: ``NRMSE_FLOOR`` of that of NRMSE."""
    nrmse, rmse = (from_json(again.scores[target].per_state[name]) for name in ("nrmse", "rmse"))
    unit = 1.0 if metric == "nrmse" else np.where(nrmse > 0, rmse / np.where(nrmse > 0, nrmse, 1.0), 1.0)
    return NRMSE_FLOOR * np.broadcast_to(unit, nrmse.shape)


def compare(record: Record, again: Record, tolerance: float = TOLERANCE) -> Repeat:
    """Two records of one cell: the same status, and NRMSE of every state at every target within ``tolerance``."""
    if again.status != record.status:
        why = f": {again.error.type}: {again.error.message}" if again.error else ""
        return Repeat(record, "differs", float("inf"), f"was {record.status}, is {again.status}{why}", again)
    if again.states != record.states:
        return Repeat(record, "differs", float("inf"), "its states are not those of its task", again)
    if not record.scores:
        return Repeat(record, "identical", 0.0, f"{record.status} again", again)
    worst, where = 0.0, ""
    for name, scores in record.scores.items():
        if name not in again.scores:
            return Repeat(record, "differs", float("inf"), f"no scores at {name!r} any more", again)
        for metric in ("nrmse", "rmse", "crps"):
            old, new = (from_json(s.per_state.get(metric, [])) for s in (scores, again.scores[name]))
            if old.shape != new.shape or (np.isnan(old) != np.isnan(new)).any():
                return Repeat(record, "differs", float("inf"), f"other states are defined at {name!r}", again)
            apart = np.abs(old - new) / np.maximum(np.maximum(np.abs(old), np.abs(new)), _floor(metric, again, name))
            if np.nan_to_num(apart).max(initial=0.0) > worst:
                worst = float(np.nan_to_num(apart).max())
                state = record.states[int(np.nanargmax(apart))]
                where = f"{metric.upper()} of {state} at {name!r} differs by {worst:.1e}"
    for name in record.derived:
        old_score, new_score = record.derived[name], again.derived.get(name)
        if old_score is None and new_score is None:
            continue
        change = float("inf")
        if old_score is not None and new_score is not None:
            change = abs(old_score - new_score) / max(abs(old_score), abs(new_score), DERIVED_FLOOR)
        if change > worst:
            worst, where = change, f"{name} was {old_score}, is {new_score}"
    outcome: Outcome = "identical" if worst <= IDENTICAL else "within" if worst <= tolerance else "differs"
    return Repeat(record, outcome, worst, where, again)
