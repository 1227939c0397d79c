"""A contributor's records, looked at as data before they become part of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from omicsbench.errors import RecordError, RequestError
from omicsbench.leaderboard.publication import publishable, publishable_speed, within_budget
from omicsbench.planning import split_of
from omicsbench.plugins import Registry
from omicsbench.records import Record, encode, find, load, path_of, save
from omicsbench.speed_records import SpeedRecord
from omicsbench.speed_records import find as find_speed
from omicsbench.speed_records import load as load_speed
from omicsbench.speed_records import save as save_speed
from omicsbench.tasks import Task, pick

LARGEST_FILE = 5_000_000
"""Bytes of a record file; a longer one is not read."""
LARGEST_NUMBER = 1e15
"""Of a record's numbers: what is larger is no result."""


@dataclass
class Submission:
    """What may be published of a folder of records, and what is wrong with the rest."""

    records: list[Record] = field(default_factory=list)
    known: list[Record] = field(default_factory=list)
    speed: list[SpeedRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(folder: Path, to: Path, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None) -> Submission:
    """The records below ``folder``, checked and made fit to be published; ``known`` are those ``to`` has already.

    Raises ``DataUnavailable`` where a measured task's data cannot be had: without them nobody can tell whether a
    prediction repeats them.
    """
    found = Submission()
    seen: dict[str, Path] = {}
    for path in small(find(folder), folder, found.problems):
        where = path.relative_to(folder)
        try:
            record = load(path)
        except RecordError as error:
            found.problems.append(str(error))
            continue
        if record.key in seen:
            found.problems.append(f"{where}: the same cell as {seen[record.key]}; send one")
            continue
        seen[record.key] = where
        try:
            problems = _problems(record, registry, tasks)
        except RequestError as error:
            problems = [str(error)]
        if problems:
            found.problems += [f"{where}: {problem}" for problem in problems]
        elif path_of(record.cell, to).exists():
            found.known.append(record)
        else:
            task = tasks[record.cell.task]
            split = split_of(task, task.fold(record.cell.fold), record.cell.protocol, data_dir)
            copies = registry.model(record.cell.model).spec.copies_data
            found.records.append(publishable(record, task, split, copies))
    already = sum(path.stat().st_size for path in (*find(to), *find_speed(to))) if to.is_dir() else 0
    found.speed = _speed(folder, registry, tasks, found.problems)
    already += sum(len(encode(measured)) for measured in found.speed)
    found.records = within_budget(found.records, already)
    return found


def _speed(folder: Path, registry: Registry, tasks: Mapping[str, Task], problems: list[str]) -> list[SpeedRecord]:
    """The speed records below ``folder`` that may be published; ``problems`` gets a line for each of the others."""
    found: dict[str, SpeedRecord] = {}
    for path in small(find_speed(folder), folder, problems):
        where = path.relative_to(folder)
        try:
            record = load_speed(path)
            wrong = _shared_problems(record, registry, tasks)
        except (RecordError, RequestError) as error:
            wrong = [str(error)]
        else:
            if (record.timing is None) != (record.error is not None or record.role == "oracle"):
                wrong.append("must hold either times or an error")
            if record.key in found:
                wrong.append("the same measurement a second time; send one")
            if not wrong:
                found[record.key] = publishable_speed(record)
        problems += [f"{where}: {problem}" for problem in wrong]
    return list(found.values())


def small(paths: Iterable[Path], folder: Path, problems: list[str]) -> Iterator[Path]:
    """The files that may be read; ``problems`` gets a line for each of the others."""
    for path in paths:
        if path.stat().st_size <= LARGEST_FILE:
            yield path
        else:
            size = path.stat().st_size / 1e6
            problems.append(f"{path.relative_to(folder)}: {size:.1f} MB, more than {LARGEST_FILE / 1e6:.0f} MB")


def _problems(record: Record, registry: Registry, tasks: Mapping[str, Task]) -> list[str]:
    """What keeps a record out. Raises ``RequestError`` where its task, fold or model is not known."""
    problems = _shared_problems(record, registry, tasks)
    if tuple(record.states) != tasks[record.cell.task].info.states:
        problems.append("its states are not those of its task")
    return problems


def _shared_problems(record: Record | SpeedRecord, registry: Registry, tasks: Mapping[str, Task]) -> list[str]:
    cell = record.cell
    pick(tasks, cell.task).fold(cell.fold)
    offer = registry.model(cell.model)
    problems = []
    if offer.file is not None or cell.version.startswith("sha256:"):
        problems.append(f"model {cell.model!r} is a one-file plugin; a leaderboard row needs an installed distribution")
    if record.environment is None:
        problems.append("says nothing of where it ran")
    elif record.environment.git_dirty:
        problems.append("comes from a dirty commit; commit, then run it again")
    if not _sane(record):
        problems.append(f"holds a number beyond {LARGEST_NUMBER:g}")
    return problems


def _sane(record: Record | SpeedRecord) -> bool:
    """Whether every number of a record could be a result. JSON has no NaN, but it has 1e300."""

    def sane(value: object) -> bool:
        if isinstance(value, Mapping):
            return all(map(sane, value.values()))
        if isinstance(value, list | tuple):
            return all(map(sane, value))
        return not isinstance(value, int | float) or abs(value) <= LARGEST_NUMBER

    return sane(msgspec.to_builtins(record))


def deliver(found: Submission, to: Path) -> int:
    """Write what may be published below ``to``; the bytes written.

    A speed measured anew takes the place of all earlier rounds and versions of the same model on the same hardware.
    """
    for record in found.records:
        save(record, to)
    anew = {measured.subject for measured in found.speed}
    for path in list(find_speed(to)):
        if load_speed(path).subject in anew:
            path.unlink()
    for measured in found.speed:
        save_speed(measured, to)
    return sum(len(encode(record)) for record in (*found.records, *found.speed))
