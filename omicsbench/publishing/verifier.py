"""Does a record keep its word? One verifier for what is submitted and for what is published.

What a record does not say is a refusal, not a pass: means are recomputed from states, states from the prediction, and
what it claims of its model is held against the plugin that it names.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from omicsbench.data.tasks import Fold, Task
from omicsbench.errors import RequestError
from omicsbench.parameters import resolve
from omicsbench.plugins import Offer, Registry
from omicsbench.publishing.publication import restored
from omicsbench.records import Record, Setting, TargetScores, Timing
from omicsbench.records.speeds import SpeedRecord
from omicsbench.running.planning import differences
from omicsbench.scoring.cell import mean_scores, rescore
from omicsbench.scoring.metrics import DERIVED_SCORES, METRICS, NEED_SAMPLES
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
    except (ValueError, TypeError):
        return [*problems, f"started at {record.started!r}, which is no time with a time zone"]
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


def _content(record: Record, setting: Setting, offer: Offer | None, found: Verdict) -> list[str]:
    cell = record.cell
    if not (cell.setting.known and cell.code):
        return ["made before records knew what they stand on; run it again"]
    parts = differences(cell, msgspec.structs.replace(cell, setting=setting))
    if parts:
        return [f"made in another setting than its fold has here: {'; '.join(parts)}"]
    if offer is None:
        found.unchecked.append(f"model {cell.model!r} is not installed: its code and what is claimed of it")
        return []
    if offer.code.digest != cell.code:
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
    if record.scores and set(record.scores) != {target.name for target in split.targets}:
        problems.append("its scores are not at the targets of its fold")
    if record.omitted and (task.redistributable or record.prediction is not None or not record.scores):
        problems.append("says that the licence forbids its prediction, and nothing does")
    if record.scores and record.prediction is None and not record.omitted:
        problems.append("has scores and no prediction that they could follow from")
    if set(record.derived) - set(DERIVED_SCORES) or (record.derived and split.reality is None):
        problems.append("holds scores that its task does not have")
    if record.scores and split.reality is not None and not record.derived:
        problems.append("lacks the scores that only a simulated task has")
    return problems


def _scores(record: Record, task: Task, split: Split, found: Verdict) -> list[str]:
    names = {metric.name for metric in METRICS}
    for name, stored in record.scores.items():
        if not names <= set(stored.per_state):
            return [f"scores at {name!r} lack {', '.join(sorted(names - set(stored.per_state)))}"]
        if wrong := _different_means(stored, mean_scores(stored.per_state, task.counted)):
            return [f"means at {name!r} do not follow from its states: {wrong}"]
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


def _different_means(stored: TargetScores, again: dict[str, float | None]) -> str:
    for name, new in again.items():
        if not _is_close(stored.mean.get(name), new):
            return f"mean {name} is {new}, stored {stored.mean.get(name)}"
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
