"""What of a record may be published, and what a published record must be restored with before it is scored again.

The measured series may not be redistributed. A baseline that copies a training strain predicts measurements; the
published protocol scores x(0), which was measured; a traceback names folders of whoever ran it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from omicsbench.protocols import Split
from omicsbench.records import Failure, Prediction, Record, TargetScores, encode, from_json, significant, to_json
from omicsbench.speed_records import SpeedRecord
from omicsbench.tasks import Task
from omicsbench.trajectory import Array

LICENCE, SIZE = "licence", "size"
"""Why a prediction was left out."""
LARGEST_TOTAL = 20_000_000
"""Bytes that committed records may take together."""
COPIED_SHARE = 0.2
"""Of a state's predictions: with more than this share equal to measured values they are measurements."""
_PATH = re.compile(r"(?:/|[A-Za-z]:\\)[^\s\"':,;]+[/\\](?=[^/\\\s]+)")
_KEPT = re.compile(r"(?:site-packages|omicsbench|omicsbench_\w+|plugins|lib)[/\\].*$")


def publishable(record: Record, task: Task, split: Split, copies: bool) -> Record:
    """The record without measured values and without folders. ``copies``: its model says that it copies data."""
    if record.error is not None:
        record = replace(record, error=_without_folders(record.error))
    if task.redistributable:
        return record
    secret = copies or repeats(record, split)
    scores = {name: _without_measured(one, secret) for name, one in record.scores.items()}
    return replace(record, scores=scores)


def publishable_speed(record: SpeedRecord) -> SpeedRecord:
    """The speed record without folders; it holds no prediction."""
    timing, error = record.timing, record.error
    return replace(
        record,
        error=error and _without_folders(error),
        timing=timing and replace(timing, integration_note=without_folders(timing.integration_note)),
        throughput=tuple(replace(point, reason=without_folders(point.reason)) for point in record.throughput),
    )


def _without_measured(scores: TargetScores, secret: bool) -> TargetScores:
    prediction = scores.prediction
    if prediction is None:
        return scores
    if secret:
        return omit(scores, LICENCE)
    if prediction.t[0] > 0:
        return scores
    nothing: list[float | None] = [None] * len(prediction.x[0][0])
    x = [[nothing, *strain[1:]] for strain in prediction.x]
    return replace(scores, prediction=Prediction(t=prediction.t, x=x))


def omit(scores: TargetScores, why: str) -> TargetScores:
    """The scores without their prediction."""
    return replace(scores, prediction=None, omitted=why)


def repeats(record: Record, split: Split) -> bool:
    """Whether a stored prediction after 0 h consists of measured values, of the held-out strain or of training."""
    measured = [split.inputs.x0, *(strain.x for strain in split.inputs.train)]
    measured += [target.truth.reshape(-1, target.truth.shape[-1]) for target in split.targets]
    for scores in record.scores.values():
        if scores.prediction is None:
            continue
        later = np.array(scores.prediction.t) > 0
        x = from_json(scores.prediction.x)[:, later]
        for state in range(x.shape[-1]):
            known = significant(np.concatenate([series[:, state] for series in measured]))
            equal = np.isin(x[..., state], known[~np.isnan(known) & (known != 0)])
            if equal.mean() > COPIED_SHARE:
                return True
    return False


def restored(scores: TargetScores, split: Split) -> TargetScores:
    """Scores with the x(0) that publication took out of their prediction: what the model was given, it returns."""
    prediction = scores.prediction
    if prediction is None or prediction.t[0] > 0:
        return scores
    x: Array = from_json(prediction.x)
    x[:, 0] = np.where(np.isnan(x[:, 0]), significant(split.inputs.x0), x[:, 0])
    return replace(scores, prediction=Prediction(t=prediction.t, x=to_json(x)))


def _without_folders(failure: Failure) -> Failure:
    return replace(
        failure,
        message=without_folders(failure.message),
        traceback=without_folders(failure.traceback),
        output=without_folders(failure.output),
    )


def without_folders(text: str) -> str:
    """Absolute paths cut to what does not depend on where things are installed, or to the file's name."""

    def shorten(match: re.Match[str]) -> str:
        kept = _KEPT.search(match[0])
        return kept[0] if kept else ""

    return _PATH.sub(shorten, text)


def within_budget(records: Sequence[Record], already: int, limit: int = LARGEST_TOTAL) -> list[Record]:
    """``records`` so that with ``already`` bytes they stay within ``limit``: the predictions of many strains go first,
    of the highest seeds first. ``verify`` makes them again.
    """
    result = list(records)
    total = already + sum(len(encode(record)) for record in result)
    order = sorted(range(len(result)), key=lambda n: (result[n].strains, result[n].cell.seed, result[n].cell.fold))
    while total > limit and order:
        n = order.pop()
        before = len(encode(result[n]))
        lean = {name: omit(s, SIZE) if s.prediction is not None else s for name, s in result[n].scores.items()}
        result[n] = replace(result[n], scores=lean)
        total += len(encode(result[n])) - before
    return result
