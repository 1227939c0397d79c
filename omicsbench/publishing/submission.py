"""A contributor's records, looked at as data before they become part of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omicsbench.data.measured import fold_data
from omicsbench.data.setting import setting_of
from omicsbench.data.splits import split_of
from omicsbench.data.tasks import Task, pick
from omicsbench.errors import DataUnavailable, RecordError, RequestError
from omicsbench.plugins import Registry
from omicsbench.publishing.publication import publishable, publishable_speed
from omicsbench.publishing.verifier import (
    Verdict,
    copies,
    published_fold,
    setting_here,
    speed,
    verify,
)
from omicsbench.records import Record, find, load
from omicsbench.records.speeds import SpeedRecord, superseded_speeds, write_speeds
from omicsbench.records.speeds import find as find_speed
from omicsbench.records.speeds import load as load_speed
from omicsbench.records.store import read_cells, superseded, write_cells


@dataclass
class Submission:
    """What may be published of a folder of records, what a store has already, and what is wrong with the rest."""

    records: list[Record] = field(default_factory=list)
    known: list[Record] = field(default_factory=list)
    speed: list[SpeedRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(folder: Path, to: Path, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None) -> Submission:
    """The records below ``folder``, verified and made fit to be published; ``known`` are those that ``to`` has.

    Raises ``DataUnavailable`` where a measured task's data cannot be had: without them nobody can tell whether a
    prediction repeats them. Raises ``RecordError`` where the store in ``to`` cannot be read.
    """
    found = Submission()
    there = {record.key for record in read_cells(to)} if to.is_dir() else set()
    seen: dict[str, Path] = {}
    for path in find(folder):
        where = path.relative_to(folder)
        try:
            record = load(path)
            if record.key in seen:
                raise RequestError(f"{where}: the same cell as {seen[record.key]}; send one")
            seen[record.key] = where
            if record.key in there:
                found.known.append(record)
                continue
            ready, problems = _prepared(record, registry, tasks, data_dir)
        except DataUnavailable:
            raise
        except RecordError as error:
            found.problems.append(str(error))
            continue
        except RequestError as error:
            found.problems.append(f"{where}: {error}")
            continue
        found.problems += [f"{where}: {problem}" for problem in problems]
        if not problems:
            found.records.append(ready)
    found.problems += copies(found.records)
    found.speed = _speed(folder, registry, tasks, data_dir, found.problems)
    return found


def deliver(found: Submission, to: Path) -> list[Path]:
    """Add what may be published to the store in ``to``: the files written, all of them new."""
    return write_cells(found.records, to) + write_speeds(found.speed, to)


def replaced(found: Submission, to: Path) -> list[Path]:
    """The files of the store whose every record is made anew by this submission: nothing stands on them any more."""
    if not to.is_dir():
        return []
    records = [*found.records, *found.known]
    cells = superseded(to, [r.key for r in records], [r.cell.axes for r in records]) if records else []
    return cells + superseded_speeds(to, found.speed)


def _prepared(
    record: Record, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None
) -> tuple[Record, list[str]]:
    """The record as it may be published, and what keeps it out."""
    cell = record.cell
    task = pick(tasks, cell.task)
    fold = published_fold(task, cell.fold)
    offer = registry.model(cell.model)
    setting = setting_of(task, cell.protocol, fold_data(task, fold, data_dir))
    split = split_of(task, fold, cell.protocol, data_dir)
    problems = _installed(record) + verify(record, registry, task, split, setting).problems
    if record.omitted:
        problems.append("lacks its prediction; send the record as it was made, submit takes out what may not be shown")
    return publishable(record, task, split, offer.spec.copies_data), problems


def _speed(
    folder: Path, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None, problems: list[str]
) -> list[SpeedRecord]:
    """The speed records below ``folder`` that may be published; ``problems`` gets a line for each of the others."""
    found: dict[str, SpeedRecord] = {}
    for path in find_speed(folder):
        where = path.relative_to(folder)
        try:
            record = load_speed(path)
            offer, setting = registry.model(record.cell.model), setting_here(record, tasks, data_dir)
            wrong = _installed(record) + speed(record, offer, setting, Verdict())
        except (RecordError, RequestError) as error:
            problems.append(f"{where}: {error}")
            continue
        if record.key in found:
            wrong.append("the same measurement a second time; send one")
        if not wrong:
            found[record.key] = publishable_speed(record)
        problems += [f"{where}: {problem}" for problem in wrong]
    return list(found.values())


def _installed(record: Record | SpeedRecord) -> list[str]:
    cell = record.cell
    if cell.version.startswith("sha256:"):
        return [f"model {cell.model!r} is a one-file plugin; a leaderboard row needs an installed distribution"]
    return []
