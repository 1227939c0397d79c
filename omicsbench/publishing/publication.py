"""What of a record may be published, and what a published record must be restored with before it is scored again.

The measured series may not be redistributed. A baseline that copies a training strain predicts measurements; x(0) was
measured; a traceback names folders of whoever ran it.
"""

from __future__ import annotations

import re

import numpy as np
from msgspec.structs import replace

from omicsbench.data.tasks import Task
from omicsbench.records import Failure, Prediction, Record, as_stored
from omicsbench.records.speeds import SpeedRecord
from omicsbench.scoring.cell import SAME_TIME
from omicsbench.split import Split
from omicsbench.trajectory import Array

LARGEST_TOTAL = 20_000_000
"""Bytes that committed records may take together."""
COPIED_SHARE = 0.2
"""Of a state's predictions: with more than this share equal to measured values they are measurements."""
COPIED_CURVE = 0.5
"""The same of an interpolated series, value by value at its time: a good prediction meets some of them within rounding,
a copy all of them."""
FEW_POINTS = 40
"""A series of no more points has been measured; one of more has been interpolated."""
_PATH = re.compile(r"(?:/|[A-Za-z]:\\)[^\s\"':,;]+[/\\](?=[^/\\\s]+)")
_KEPT = re.compile(r"(?:site-packages|omicsbench|omicsbench_\w+|plugins|lib)[/\\].*$")


def publishable(record: Record, task: Task, split: Split, copies: bool) -> Record:
    """The record without measured values and without folders. ``copies``: its model says that it copies data."""
    if record.error is not None:
        record = replace(record, error=_without_folders(record.error))
    prediction = record.prediction
    if task.redistributable or prediction is None:
        return record
    shown = _without_start(prediction, split)
    nothing_left = (np.isnan(shown.x).all(axis=(1, 2)) & ~np.isnan(prediction.x).all(axis=(1, 2))).any()
    if copies or nothing_left or repeats(record, split):
        return replace(record, prediction=None, omitted="licence")
    return replace(record, prediction=shown)


def publishable_speed(record: SpeedRecord) -> SpeedRecord:
    """The speed record without folders; it holds no prediction."""
    timing, error = record.timing, record.error
    return replace(
        record,
        error=error and _without_folders(error),
        timing=timing and replace(timing, integration_note=without_folders(timing.integration_note)),
        throughput=tuple(replace(point, reason=without_folders(point.reason)) for point in record.throughput),
    )


def _start(split: Split) -> Array:
    """x(0) (B, 1, S) as predictions hold it."""
    start: Array = as_stored(split.inputs.x0, split.scale)[:, None, :]
    return start


def _without_start(prediction: Prediction, split: Split) -> Prediction:
    """Without x(0), at 0 h and wherever else the prediction is still there."""
    start = (prediction.t <= 0)[:, None] | (prediction.x == _start(split))
    return replace(prediction, x=np.where(start, np.nan, prediction.x))


def holds_start(prediction: Prediction, split: Split) -> bool:
    """Whether a prediction still says what was measured at 0 h."""
    at_start = not np.isnan(prediction.x[:, prediction.t <= 0]).all()
    return at_start or bool((prediction.x == _start(split)).any())


def repeats(record: Record, split: Split) -> bool:
    """Whether a stored prediction after 0 h consists of measured values, of the held-out strain or of training.

    Of a series of few points any equal value counts. Of an interpolated one, whose values lie so close that some are
    met by chance, only the value of the same time does.
    """
    if record.prediction is None:
        return False
    later = record.prediction.t > 0
    t, x = record.prediction.t[later], record.prediction.x[:, later]
    given = split.inputs
    series = [(strain.t, strain.x) for strain in given.train]
    series += [(given.t[target.index], one) for target in split.targets for one in target.truth]
    few = [values for at, values in series if at.size <= FEW_POINTS]
    known = as_stored(np.concatenate(few), split.scale) if few else np.empty((0, x.shape[-1]))
    for state in range(x.shape[-1]):
        values = known[:, state]
        if np.isin(x[..., state], values[~np.isnan(values) & (values != 0)]).mean() > COPIED_SHARE:
            return True
    for at, values in series:
        places = np.searchsorted(at, t - SAME_TIME).clip(0, at.size - 1)
        same = np.abs(at[places] - t) <= SAME_TIME
        if at.size > FEW_POINTS and same.any():
            there = as_stored(values[places[same]], split.scale)
            equal = (x[:, same] == there) & (there != 0)
            if (equal.mean(axis=1) > COPIED_CURVE).any():
                return True
    return False


def restored(prediction: Prediction, split: Split) -> Prediction:
    """The prediction with the x(0) that publication took out of it, of strains that did not diverge altogether."""
    lost = np.isnan(prediction.x).all(axis=(1, 2), keepdims=True)
    start = np.isnan(prediction.x) & (np.logical_not(lost) | (prediction.t <= 0)[:, None])
    return replace(prediction, x=np.where(start, _start(split), prediction.x))


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
