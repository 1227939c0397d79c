"""Does a record keep its word? One verifier for what is submitted and for what is published.

What a record does not say is a refusal, not a pass: means are recomputed from states, states from the prediction, and
what it claims of its model is held against the plugin that it names.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from omicsbench.data.measured import fold_data
from omicsbench.data.protocols import protocol_of
from omicsbench.data.setting import setting_of
from omicsbench.data.tasks import Fold, Task, pick
from omicsbench.errors import DataUnavailable, RequestError
from omicsbench.parameters import resolve
from omicsbench.plugins import Offer, Registry
from omicsbench.publishing.publication import restored
from omicsbench.records import Latency, Record, Setting, TargetScores, Timing
from omicsbench.records.speeds import SpeedRecord
from omicsbench.running.planning import differences
from omicsbench.scoring.cell import mean_scores, rescore
from omicsbench.scoring.metrics import DERIVED_SCORES, METRICS, NEED_SAMPLES, Metric
from omicsbench.split import Split

CLOSE = 1e-4
"""Relative difference up to which a score counts as the same: it is stored with six digits, and its truth may be
interpolated and smoothed, which processors round differently."""
NOTHING = 2e-6
"""Differences up to this are none: a score of zero is zero on every processor only to rounding."""
LARGEST_NUMBER = 1e15
"""Of a record's numbers: what is larger is no result."""
MOST_SEEDS = 10_000
SHORTEST, LONGEST = 1e-7, 1e7
"""Seconds that a time may be."""
NOISE = 5.0
"""By how much a call may seem faster than one for fewer strains."""


SAME = "of a model with randomness, the prediction of another seed: it makes no difference, or is copied"


@dataclass
class Verdict:
    """What is wrong with a record, what could not be looked at, and whether its prediction was scored again."""

    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    rescored: bool = False


def published_fold(task: Task, name: str) -> Fold:
    """The fold of that name, if a leaderboard can hold it. Raises ``RequestError`` where it cannot."""
    fold = task.fold(name)
    if task.virtual is not None and len(fold.train) > max(task.virtual.strains):
        raise RequestError(
            f"fold {name!r} trains on {len(fold.train)} strains; a leaderboard of {task.name!r} has at most "
            f"{max(task.virtual.strains)}"
        )
    return fold


def verify(record: Record, registry: Registry, task: Task, split: Split, setting: Setting) -> Verdict:
    """Everything that can be verified of a record without running its cell again."""
    found = Verdict()
    found.problems += origin(record)
    found.problems += _content(record, setting, registry.models.get(record.cell.model), found)
    found.problems += _outcome(record, task, split)
    found.problems += _metrics(record, registry, task, found)
    if record.timing is not None:
        found.problems += times(record.timing)
    elif record.scores and record.role != "oracle":
        found.problems.append("has a result and no times")
    if not found.problems:
        found.problems += _scores(record, task, split, found)
    return found


def origin(record: Record | SpeedRecord) -> list[str]:
    """What is wrong with what a record says of when and where it was made."""
    place, problems = record.environment, []
    if place is None:
        return ["says nothing of where it ran"]
    if place.git_dirty:
        problems.append(f"comes from a dirty commit ({place.git_commit[:12]}); commit, then run it again")
    if not place.cpu or place.threads < 1 or place.cores < 1 or not place.packages:
        problems.append("does not say what hardware and packages it ran on")
    if (record.cell.device == "cuda") != bool(place.gpu) and not (record.error and not place.gpu):
        problems.append(f"ran on {record.cell.device} and names {place.gpu or 'no GPU'}")
    try:
        started = datetime.datetime.fromisoformat(record.started)
        late = started > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    except (ValueError, TypeError, OverflowError):
        return [*problems, f"started at {record.started!r}, which is no time with a time zone"]
    if started.utcoffset() or started.isoformat() != record.started:  # newer is found by comparing texts
        problems.append(f"started at {record.started!r}, which is not written as in {started:%Y-%m-%dT00:00:00+00:00}")
    if late:
        problems.append(f"started at {record.started}, which is yet to come")
    if not _is_sane(msgspec.to_builtins(record, enc_hook=lambda array: None)):
        problems.append(f"holds a number beyond {LARGEST_NUMBER:g}")
    return problems


def claims(record: Record | SpeedRecord, offer: Offer) -> list[str]:
    """What a record claims of its model that its plugin does not say."""
    cell, spec, problems = record.cell, offer.spec, []
    if record.role != spec.role:
        problems.append(f"says that {cell.model} is {_a(record.role)}; its plugin says {_a(spec.role)}")
    if isinstance(record, Record) and record.deterministic != spec.deterministic:
        problems.append(f"says deterministic: {str(record.deterministic).lower()}; its plugin says otherwise")
    if cell.device not in spec.devices:
        problems.append(f"says it ran on {cell.device}; {cell.model} runs on {', '.join(spec.devices)}")
    if cell.distribution != offer.distribution:
        problems.append(f"says it comes from {cell.distribution}; {cell.model} is of {offer.distribution}")
    if cell.seed >= (1 if spec.deterministic else MOST_SEEDS):
        problems.append(f"seed {cell.seed} is none that {cell.model} is run with")
    if cell.version == offer.version:
        try:
            if resolve(cell.model, spec.factory, dict(cell.parameters)) != dict(cell.parameters):
                problems.append("its parameters are not all that its model has")
        except RequestError as error:
            problems.append(str(error))
    return problems


def times(timing: Timing) -> list[str]:
    """What is wrong with times: none is negative, none is shorter than a clock can tell."""
    steady = timing.latency
    measured = [steady.median, steady.lower, steady.upper, timing.first_simulate]
    if not all(SHORTEST <= value <= LONGEST for value in measured) or not 0 <= timing.fit <= LONGEST:
        return ["holds a time that no clock gives"]
    if not steady.lower <= steady.median <= steady.upper or steady.repeats < 1:
        return ["its latency does not lie within its quartiles"]
    return []


def speed(record: SpeedRecord, offer: Offer | None, setting: Setting | None, found: Verdict) -> list[str]:
    """Everything that can be verified of a speed record without measuring again; ``setting`` is None where the data
    cannot be had."""
    claimed = record.cell.setting
    problems = origin(record) + _content(record, (setting if claimed.known else None) or claimed, offer, found)
    place, timing = record.environment, record.timing
    if place is not None and place.threads != record.threads:
        problems.append(f"says {record.threads} threads and ran with {place.threads}")
    if (record.status in ("ok", "diverged")) != (timing is not None):
        problems.append(f"status {record.status!r} does not fit its times")
    problems += [] if timing is None else times(timing)
    strains = [point.strains for point in record.throughput]
    if strains != sorted(set(strains)) or min(strains, default=1) < 1 or (strains and timing is None):
        problems.append("its batches are not numbers of strains, each once, in order")
    for point in record.throughput:
        steady = point.seconds
        if (steady is None) != bool(point.reason) or (steady is not None and point.first is None):
            problems.append(f"its call for {point.strains} strains has neither a time nor a reason, or both")
        elif point.diverged > point.strains:
            problems.append(f"says that {point.diverged} of {point.strains} strains diverged")
        elif steady is not None and timing is not None and not _is_possible(steady, point.first, timing.latency):
            problems.append(f"its time of a call for {point.strains} strains is none that goes with its latency of one")
    return problems


def setting_here(record: SpeedRecord, tasks: Mapping[str, Task], data_dir: Path | None) -> Setting | None:
    """What the fold of a speed record stands on here; None where the data cannot be had.

    Raises ``RequestError`` where task, fold or protocol are not known.
    """
    cell = record.cell
    task = pick(tasks, cell.task)
    fold = published_fold(task, cell.fold)
    protocol_of(cell.protocol)
    try:
        return setting_of(task, cell.protocol, fold_data(task, fold, data_dir))
    except DataUnavailable:
        return None


def _is_possible(steady: Latency, first: float | None, one: Latency) -> bool:
    """Many strains take no less than one, but for the noise of the clock."""
    measured = (steady.lower, steady.median, steady.upper, first or 0.0)
    fits = all(SHORTEST <= value <= LONGEST for value in measured) and steady.repeats > 0
    return fits and steady.lower <= steady.median <= steady.upper and steady.median >= one.median / NOISE


def copies(records: Sequence[Record]) -> list[str]:
    """A line for each record whose times are those of another cell, digit by digit: no clock repeats itself so."""
    first: dict[bytes, Record] = {}
    found = []
    for record in records:
        if record.timing is not None:
            times_of = msgspec.json.encode((record.started, record.timing, record.environment), order="sorted")
            other = first.setdefault(times_of, record)
            if other.key != record.key:
                found.append(f"{record.cell.label} holds the times of {other.cell.label}, digit by digit: it is a copy")
    return found


def same_predictions(records: Sequence[Record]) -> int:
    """How many records of models with randomness hold the prediction of another seed of the same cell."""
    first: dict[tuple[object, ...], Record] = {}
    again = 0
    for record in records:
        cell, prediction = record.cell, record.prediction
        if prediction is None or record.deterministic or np.isnan(prediction.x).all():
            continue
        apart = (cell.task, cell.protocol, cell.fold, cell.model, str(sorted(cell.parameters.items())), cell.device)
        content = (*apart, cell.version, prediction.t.tobytes(), prediction.x.tobytes())
        again += first.setdefault(content, record).cell.seed != cell.seed
    return again


def _content(record: Record | SpeedRecord, setting: Setting, offer: Offer | None, found: Verdict) -> list[str]:
    cell = record.cell
    if not (cell.setting.known and cell.code) and isinstance(record, SpeedRecord):
        found.unchecked.append("speeds measured before records knew what they stand on: their setting and code")
    elif not (cell.setting.known and cell.code):
        return ["made before records knew what they stand on; run it again"]
    parts = differences(cell, msgspec.structs.replace(cell, setting=setting))
    if parts:
        return [f"made in another setting than its fold has here: {'; '.join(parts)}"]
    if offer is None and record.role != "model":
        return [f"says that {cell.model} is {_a(record.role)}; its plugin, which is not installed here, must say so"]
    if offer is None:
        found.unchecked.append(f"model {cell.model!r} is not installed: its code and what is claimed of it")
        return []
    if cell.code and offer.code.digest != cell.code:
        here = f"{offer.distribution} {offer.version}"
        if offer.version == cell.version:
            return [f"comes from other code than {here} has here; raise its version, or run it again"]
        found.unchecked.append(f"made by {cell.distribution} {cell.version}, here is {offer.version}: its code")
    return claims(record, offer)


def _outcome(record: Record, task: Task, split: Split) -> list[str]:
    problems = []
    if tuple(record.states) != task.info.states:
        return ["its states are not those of its task"]
    if record.training_strains != len(split.inputs.train):
        problems.append(f"says it trained on {record.training_strains} strains; its fold has {len(split.inputs.train)}")
    if record.strains != len(split.held_out):
        problems.append(f"says it predicts {record.strains} strains; its fold holds out {len(split.held_out)}")
    if record.scores and list(record.scores) != [target.name for target in split.targets]:
        problems.append("its scores are not at the targets of its fold, in their order: the first is the headline")
    if record.omitted and (task.redistributable or record.prediction is not None or not record.scores):
        problems.append("says that the licence forbids its prediction, and nothing does")
    if record.scores and record.prediction is None and not record.omitted:
        problems.append("has scores and no prediction that they could follow from")
    if set(record.derived) - set(DERIVED_SCORES) or (record.derived and split.reality is None):
        problems.append("holds scores that its task does not have")
    if record.scores and split.reality is not None and not record.derived:
        problems.append("lacks the scores that only a simulated task has")
    return problems


def _metrics(record: Record, registry: Registry, task: Task, found: Verdict) -> list[str]:
    """Every score is one that a metric gives, and every mean follows from its states."""
    core, added = {metric.name for metric in METRICS}, {metric.name for metric in registry.metrics}
    for name, stored in record.scores.items():
        there = set(stored.per_state)
        if not core <= there:
            return [f"scores at {name!r} lack {', '.join(sorted(core - there))}"]
        if strange := sorted(there - core - added):
            found.unchecked.append(f"no metric here is called {strange[0]!r}: its scores")
        if there - core & added:
            found.unchecked.append("scores of metrics that plugins add: verify makes them again")
        if wrong := different_means(stored, task.counted, registry.metrics):
            return [f"means at {name!r} do not follow from its states: {wrong}"]
        sampled = [value for one in NEED_SAMPLES for value in stored.per_state[one] if value is not None]
        if min(sampled, default=0.0) < 0 or any((value or 0.0) > 1 for value in stored.per_state["coverage90"]):
            return [f"scores of samples at {name!r} are none that samples can have"]
        if sampled:
            found.unchecked.append("scores of samples, which no record holds: verify makes them again")
    return []


def different_means(stored: TargetScores, counted: Sequence[bool], added: Sequence[Metric] = ()) -> str:
    """What of the means of scores does not follow from the states; empty where all does."""
    known = {metric.name for metric in (*METRICS, *added)}
    again = mean_scores(stored.per_state, counted, (*METRICS, *added))
    for name in stored.mean:
        if name not in again and (name in known or name not in stored.per_state):
            return f"there is no mean {name[:60]}"
    for name, new in again.items():
        is_asked = name in stored.mean or any(metric.name == name for metric in METRICS)
        if is_asked and not _is_close(stored.mean.get(name), new):
            return f"mean {name} is {new}, stored {stored.mean.get(name)}"
    return ""


def _scores(record: Record, task: Task, split: Split, found: Verdict) -> list[str]:
    if record.prediction is None:
        return []
    whole = restored(record.prediction, split)
    lost = np.isnan(whole.x).any(axis=(1, 2))
    if int(lost.sum()) != record.diverged_strains or (record.status == "ok") != (not lost.any()):
        return [
            f"status {record.status!r} does not fit its prediction, which lacks values of {int(lost.sum())} strains"
        ]
    for target in split.targets:
        try:
            again = rescore(whole, target, split, task.counted)
        except ValueError as error:
            return [f"its prediction does not fit its fold at {target.name!r}: {error}"]
        if again is None:
            return [f"its prediction lacks times of {target.name!r}"]
        if wrong := _different(record.scores[target.name], again, record.states):
            return [f"scores at {target.name!r} do not follow from its prediction: {wrong}"]
    found.rescored = bool(record.scores)
    if record.derived:
        found.unchecked.append("scores that need the fitted model (dx/dt, doubled proteins): verify makes them again")
    return []


def _different(stored: TargetScores, again: TargetScores, states: Sequence[str]) -> str:
    """What of the scores that a prediction alone gives is not as stored; empty where all is."""
    for name, values in again.per_state.items():
        if name in NEED_SAMPLES:
            continue
        for state, old, new in zip(states, stored.per_state[name], values, strict=True):
            if not _is_close(old, new):
                return f"{name} of {state} is {new}, stored {old}"
    return ""


def _is_close(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=CLOSE, abs_tol=NOTHING)


def _is_sane(value: object) -> bool:
    """Whether every number could be a result. JSON has no NaN, but it has 1e300."""
    if isinstance(value, dict):
        return all(map(_is_sane, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_sane, value))
    return not isinstance(value, int | float) or abs(value) <= LARGEST_NUMBER


def _a(role: str) -> str:
    return {"model": "a model", "trivial": "a trivial baseline", "oracle": "an oracle"}[role]
