"""Do records keep their word, and are tables what the records give?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omicsbench.data.measured import fold_data
from omicsbench.data.protocols import protocol_of
from omicsbench.data.setting import setting_of
from omicsbench.data.splits import split_of
from omicsbench.data.tasks import Task, pick
from omicsbench.errors import DataUnavailable, RecordError, RequestError
from omicsbench.files import read_text
from omicsbench.leaderboard.build import fill, stale
from omicsbench.plugins import Registry
from omicsbench.publishing.publication import LARGEST_TOTAL, holds_start, repeats
from omicsbench.publishing.verifier import (
    SAME,
    Verdict,
    copies,
    published_fold,
    same_predictions,
    setting_here,
    speed,
    verify,
)
from omicsbench.records import Record
from omicsbench.records.speeds import SpeedRecord, files_of_speeds, read_speeds
from omicsbench.records.store import BINARY, SPEEDS, SUFFIX, files_of_cells, name_of, read_file
from omicsbench.split import Split


@dataclass
class Findings:
    """What is wrong, and what could not be looked at and why, with how many records that holds for."""

    problems: list[str] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)
    records: list[Record] = field(default_factory=list)
    speed: list[SpeedRecord] = field(default_factory=list)
    rescored: int = 0
    copies: list[Record] = field(default_factory=list)


def check_records(folder: Path, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None) -> Findings:
    """Look at every record of the store in ``folder``: as a file, as an experiment, and score its prediction again.

    ``Findings.copies`` are those whose prediction the licence keeps out: they are to be run again.
    """
    findings = Findings()
    seen: dict[str, str] = {}
    without: set[str] = set()
    for path in files_of_cells(folder):
        where = path.relative_to(folder).as_posix()
        try:
            records = read_file(path)
        except RecordError as error:
            findings.problems.append(str(error))
            continue
        findings.problems += _place(where, [record.key for record in records], records)
        wrong: Counter[str] = Counter()
        for record in records:
            findings.records.append(record)
            if record.key in seen:
                wrong[f"the same cell as one in {seen[record.key]}"] += 1
            seen[record.key] = where
            try:
                if record.cell.task not in without:
                    wrong.update(_look(record, registry, tasks, data_dir, findings))
            except DataUnavailable:
                without.add(record.cell.task)
            except RequestError as error:
                wrong[str(error)] += 1
            if record.cell.task in without:
                findings.unchecked[f"data of task {record.cell.task!r} cannot be had: setting and scores"] += 1
        findings.problems += [f"{where}: {n} records: {problem}" for problem, n in wrong.items()]
    _speed(folder, registry, tasks, data_dir, findings)
    findings.problems += copies(findings.records)
    if again := same_predictions(findings.records):
        findings.unchecked[SAME] = again
    orphans = (path for path in sorted(folder.glob(f"*/*/*{BINARY}")) if not path.with_suffix(SUFFIX).exists())
    findings.problems += [f"{path.relative_to(folder)}: predictions without their scores" for path in orphans]
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if total > LARGEST_TOTAL:
        findings.problems.append(f"{folder}: {total / 1e6:.1f} MB of records, more than {LARGEST_TOTAL / 1e6:.0f} MB")
    return findings


def _place(where: str, keys: list[str], records: list[Record]) -> list[str]:
    cell = records[0].cell
    wanted = f"{cell.task}/{cell.protocol}/{name_of(keys, cell.model)}"
    apart = {(r.cell.task, r.cell.protocol, r.cell.model) for r in records}
    return [] if where == wanted and len(apart) == 1 else [f"{where}: its records belong at {wanted}"]


def _look(
    record: Record, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None, findings: Findings
) -> list[str]:
    """What is wrong with a record. Raises ``RequestError`` where its task, fold or protocol is not known or had."""
    cell = record.cell
    task = pick(tasks, cell.task)
    fold = published_fold(task, cell.fold)
    protocol_of(cell.protocol)
    data = fold_data(task, fold, data_dir)
    split = split_of(task, fold, cell.protocol, data_dir)
    found = verify(record, registry, task, split, setting_of(task, cell.protocol, data))
    findings.unchecked.update(found.unchecked)
    findings.rescored += found.rescored
    if record.omitted and not found.problems:
        findings.copies.append(record)
    return found.problems + _licence(record, task, split)


def _licence(record: Record, task: Task, split: Split) -> list[str]:
    if task.redistributable or record.prediction is None:
        return []
    problems = ["its prediction repeats measured values; submit leaves it out"] if repeats(record, split) else []
    if holds_start(record.prediction, split):
        problems.append("its prediction holds the measured x(0); submit leaves it out")
    return problems


def _speed(
    folder: Path, registry: Registry, tasks: Mapping[str, Task], data_dir: Path | None, findings: Findings
) -> None:
    """Look at every speed record of the store."""
    seen: dict[str, str] = {}
    for path in files_of_speeds(folder):
        where = path.relative_to(folder).as_posix()
        try:
            records = read_speeds(path)
            wrong: Counter[str] = Counter()
            cell = records[0].cell
            wanted = f"{cell.task}/{SPEEDS}/{name_of([record.key for record in records], cell.model)}"
            if where != wanted or len({(r.cell.task, r.cell.model) for r in records}) > 1:
                findings.problems.append(f"{where}: its records belong at {wanted}")
            for record in records:
                if record.key in seen:
                    wrong[f"the same measurement as one in {seen[record.key]}"] += 1
                seen[record.key] = where
                verdict = Verdict()
                setting = setting_here(record, tasks, data_dir)
                wrong.update(speed(record, registry.models.get(record.cell.model), setting, verdict))
                findings.unchecked.update(verdict.unchecked)
        except RequestError as error:
            findings.problems.append(str(error) if isinstance(error, RecordError) else f"{where}: {error}")
            continue
        findings.speed += records
        findings.problems += [f"{where}: {n} records: {problem}" for problem, n in wrong.items()]


def check_made(files: Mapping[str, str], out: Path) -> list[str]:
    """What below ``out``, and in the README beside it, is not what the records give."""
    problems = []
    for name, text in files.items():
        path = out / name
        if not path.is_file():
            problems.append(f"{path}: is missing; run `omicsbench leaderboard build`")
        elif not same_text(there := read_text(path), text):
            problems.append(f"{path}: does not match its records{_first_difference(there, text)}")
    problems += [f"{path}: no record asks for it; run `omicsbench leaderboard build`" for path in stale(files, out)]
    readme = out.parent / "README.md"
    if readme.is_file():
        there = read_text(readme)
        if not same_text(there, fill(there, files)):
            problems.append(f"{readme}: a table does not match its records; run `omicsbench leaderboard build`")
    return problems


_NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


def same_text(there: str, made: str) -> bool:
    """Whether two texts are the same but for the last digit shown of their numbers, which processors round apart."""
    if there == made:
        return True
    if _NUMBER.sub("#", there) != _NUMBER.sub("#", made):
        return False
    pairs = zip(_NUMBER.findall(there), _NUMBER.findall(made), strict=True)
    return all(old == new or abs(float(old) - float(new)) <= 1.5 * max(_unit(old), _unit(new)) for old, new in pairs)


def _unit(number: str) -> float:
    """One in the last digit that is shown; none of a whole number, which is counted and not rounded."""
    mantissa, _, exponent = number.partition("e")
    places = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - places) if places or exponent else 0.0


def _first_difference(there: str, wanted: str) -> str:
    for n, (old, new) in enumerate(zip(there.splitlines(), wanted.splitlines(), strict=False), start=1):
        if old != new:
            at = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            start = max(0, at - 20)
            return f", line {n}: {old[start : at + 40]!r}, the records give {new[start : at + 40]!r}"
    return ": another number of lines"
