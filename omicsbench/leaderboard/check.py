"""Do records keep their word, and are tables and pages what the records give?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omicsbench.data import fold_data
from omicsbench.errors import DataUnavailable, RecordError, RequestError
from omicsbench.leaderboard.build import fill, stale
from omicsbench.leaderboard.publication import LARGEST_TOTAL, LICENCE, repeats, restored
from omicsbench.planning import split_of
from omicsbench.protocols import Split, protocol_of
from omicsbench.records import Environment, Record, TargetScores, find, load, path_of
from omicsbench.scoring import rescore
from omicsbench.speed_records import SpeedRecord
from omicsbench.speed_records import find as find_speed
from omicsbench.speed_records import load as load_speed
from omicsbench.speed_records import path_of as speed_path_of
from omicsbench.tasks import Task, pick

CLOSE = 1e-5
"""Relative difference up to which a score counts as the same: truth of a simulated task differs in its last digits."""


@dataclass
class Findings:
    """What is wrong, and what could not be looked at and why, with how many records that holds for."""

    problems: list[str] = field(default_factory=list)
    unchecked: Counter[str] = field(default_factory=Counter)
    records: list[Record] = field(default_factory=list)
    speed: list[SpeedRecord] = field(default_factory=list)
    rescored: int = 0
    copies: list[Record] = field(default_factory=list)


def check_records(folder: Path, tasks: Mapping[str, Task], data_dir: Path | None) -> Findings:
    """Look at every record below ``folder``: as a file, as an experiment, and score its prediction again.

    ``Findings.copies`` are those whose prediction the licence keeps out: they are to be run again.
    """
    findings = Findings()
    seen: dict[str, Path] = {}
    without: set[str] = set()
    total = 0
    for path in find(folder):
        total += path.stat().st_size
        where = path.relative_to(folder)
        try:
            record = load(path)
        except RecordError as error:
            findings.problems.append(str(error))
            continue
        findings.records.append(record)
        if record.key in seen:
            findings.problems.append(f"{where}: the same cell as {seen[record.key]}")
        seen[record.key] = where
        wanted = path_of(record.cell, Path())
        if where != wanted:
            findings.problems.append(f"{where}: belongs at {wanted}")
        findings.problems += [f"{where}: {problem}" for problem in _provenance(record)]
        try:
            if record.cell.task not in without:
                _content(record, tasks, data_dir, findings, f"{where}: {{}}".format)
        except DataUnavailable:
            without.add(record.cell.task)
        except RequestError as error:
            findings.problems.append(f"{where}: {error}")
        if record.cell.task in without:
            findings.unchecked[f"data of task {record.cell.task!r} cannot be had: hash and scores"] += 1
    total += _speed(folder, tasks, findings)
    if total > LARGEST_TOTAL:
        findings.problems.append(f"{folder}: {total / 1e6:.1f} MB of records, more than {LARGEST_TOTAL / 1e6:.0f} MB")
    return findings


def _speed(folder: Path, tasks: Mapping[str, Task], findings: Findings) -> int:
    """Look at every speed record below ``folder``; the bytes they take."""
    total = 0
    for path in find_speed(folder):
        total += path.stat().st_size
        where = path.relative_to(folder)
        try:
            record = load_speed(path)
            pick(tasks, record.cell.task).fold(record.cell.fold)
        except RecordError as error:
            findings.problems.append(str(error))
            continue
        except RequestError as error:
            findings.problems.append(f"{where}: {error}")
            continue
        findings.speed.append(record)
        if where != (wanted := speed_path_of(record, Path())):
            findings.problems.append(f"{where}: belongs at {wanted}")
        findings.problems += [f"{where}: {problem}" for problem in _origin(record.environment)]
        if (record.timing is None) != (record.error is not None or record.role == "oracle"):
            findings.problems.append(f"{where}: must hold either times or an error")
    return total


def _origin(place: Environment | None) -> list[str]:
    if place is None:
        return ["says nothing of where it ran"]
    if place.git_dirty:
        return [f"comes from a dirty commit ({place.git_commit[:12]}); commit, then run it again"]
    return []


def _provenance(record: Record) -> list[str]:
    problems = _origin(record.environment)
    if (record.status == "ok") != (bool(record.scores) and record.diverged_strains == 0):
        problems.append(f"status {record.status!r} does not fit its scores")
    if record.status in ("failed", "timeout") and record.error is None:
        problems.append(f"status {record.status!r} without an error")
    return problems


def _content(
    record: Record,
    tasks: Mapping[str, Task],
    data_dir: Path | None,
    findings: Findings,
    say: Callable[[str], str],
) -> None:
    cell = record.cell
    task = pick(tasks, cell.task)
    fold = task.fold(cell.fold)
    protocol_of(cell.protocol)
    if tuple(record.states) != task.info.states:
        findings.problems.append(say("its states are not those of its task"))
        return
    data = fold_data(task, fold, data_dir)
    if data.sha256 != cell.data_sha256:
        findings.problems.append(say(f"made from other data (sha256 {cell.data_sha256[:12]}…)"))
        return
    split = split_of(task, fold, cell.protocol, data_dir)
    if task.virtual is None and (record.inputs_sha256, record.truth_sha256) != (
        split.inputs.sha256,
        split.truth_sha256,
    ):
        findings.problems.append(say("its inputs or its truth are not those of its fold"))
        return
    findings.problems += [say(problem) for problem in _licence(record, task, split)]
    _rescore(record, task, split, findings, say)
    if record.derived:
        findings.unchecked["scores that need the fitted model (dx/dt, doubled proteins): verify makes them again"] += 1


def _licence(record: Record, task: Task, split: Split) -> list[str]:
    if task.redistributable:
        return []
    problems = ["its prediction repeats measured values; submit leaves it out"] if repeats(record, split) else []
    for scores in record.scores.values():
        prediction = scores.prediction
        if prediction is not None and prediction.t[0] == 0 and any(v is not None for s in prediction.x for v in s[0]):
            problems.append("its prediction holds the measured x(0); submit leaves it out")
    return problems


def _rescore(record: Record, task: Task, split: Split, findings: Findings, say: Callable[[str], str]) -> None:
    for target in split.targets:
        if not record.scores:
            return
        stored = record.scores.get(target.name)
        if stored is None:
            findings.problems.append(say(f"no scores at {target.name!r}"))
            continue
        if stored.prediction is None:
            if stored.omitted == LICENCE:
                findings.copies.append(record)
            else:
                findings.unchecked[f"prediction left out ({stored.omitted}): scores, which verify makes again"] += 1
            continue
        try:
            again = rescore(restored(stored, split), target, split.scale, task.counted)
        except ValueError as error:
            findings.problems.append(say(f"its prediction at {target.name!r} does not fit its fold: {error}"))
            continue
        assert again is not None
        different = _different(stored, again, record.states)
        if different:
            findings.problems.append(say(f"scores at {target.name!r} do not follow from its prediction: {different}"))
        findings.rescored += 1


def _different(stored: TargetScores, again: TargetScores, states: Sequence[str]) -> str:
    """What of the scores that a prediction alone gives is not as stored; empty where all is."""
    for name, values in again.per_state.items():
        for state, old, new in zip(states, stored.per_state.get(name, []), values, strict=False):
            # Scores of samples need the samples, which no record holds.
            if new is not None and not _close(old, new):
                return f"{name} of {state} is {new:.6g}, stored {old}"
        if len(stored.per_state.get(name, [])) != len(states):
            return f"{name} has not one value a state"
    for name, new in again.mean.items():
        if new is not None and not _close(stored.mean.get(name), new):
            return f"mean {name} is {new:.6g}, stored {stored.mean.get(name)}"
    return ""


def _close(old: float | None, new: float) -> bool:
    return old is not None and math.isclose(old, new, rel_tol=CLOSE, abs_tol=1e-7)


def check_made(files: Mapping[str, str], out: Path) -> list[str]:
    """What below ``out``, and in the README beside it, is not what the records give."""
    problems = []
    for name, text in files.items():
        path = out / name
        if not path.is_file():
            problems.append(f"{path}: is missing; run `omicsbench leaderboard build`")
        elif (there := path.read_text(encoding="utf-8")) != text:
            problems.append(f"{path}: does not match its records{_first_difference(there, text)}")
    problems += [f"{path}: no record asks for it; run `omicsbench leaderboard build`" for path in stale(files, out)]
    readme = out.parent / "README.md"
    if readme.is_file():
        there = readme.read_text(encoding="utf-8")
        if there != fill(there, files):
            problems.append(f"{readme}: a table does not match its records; run `omicsbench leaderboard build`")
    return problems


def _first_difference(there: str, wanted: str) -> str:
    for n, (old, new) in enumerate(zip(there.splitlines(), wanted.splitlines(), strict=False), start=1):
        if old != new:
            at = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            start = max(0, at - 20)
            return f", line {n}: {old[start : at + 40]!r}, the records give {new[start : at + 40]!r}"
    return ": another number of lines"
