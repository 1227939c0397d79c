"""From what a worker brought back to the scores of a record. The same code scores a cell and re-checks its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from omicsbench.model import Simulation, Status
from omicsbench.records import Prediction, TargetScores, as_stored, from_json, significant, to_json
from omicsbench.scoring.metrics import METRICS, Metric, Scored, mean_over_states, score
from omicsbench.split import Split, Target
from omicsbench.trajectory import Array

SAME_TIME = 1e-9
"""Hours within which two times are the same."""


def score_simulation(
    simulation: Simulation, split: Split, counted: Sequence[bool]
) -> tuple[dict[str, TargetScores], Prediction]:
    """Scores at every target of a split, and the prediction they are of. Where a strain diverged, the errors are not
    defined: a failure counts."""
    scores = {
        name: score_prediction(at.prediction, at.truth, at.scale, counted, at.samples)
        for name, at in scored_targets(simulation, split).items()
    }
    return scores, Prediction(t=np.array(split.inputs.t), x=_stored(simulation, split))


def scored_targets(simulation: Simulation, split: Split) -> dict[str, Scored]:
    """What metrics are given at every target of a split: the prediction as stored, NaN where a strain diverged."""
    x, samples = _stored(simulation, split), simulation.samples
    if samples is not None:
        samples = np.where(_alive(simulation)[None], samples, np.nan)
    return {
        target.name: Scored(
            target.truth, x[:, target.index], split.scale, None if samples is None else samples[:, :, target.index]
        )
        for target in split.targets
    }


def _alive(simulation: Simulation) -> NDArray[np.bool_]:
    """Where there is a prediction (B, T, S): a diverged strain's numbers, if any, are none."""
    alive: NDArray[np.bool_] = (simulation.status == Status.OK)[:, None, None] & np.isfinite(simulation.x)
    return alive


def _stored(simulation: Simulation, split: Split) -> Array:
    return as_stored(np.where(_alive(simulation), simulation.x, np.nan), split.scale)


def score_prediction(
    prediction: Array,
    truth: Array,
    scale: Array,
    counted: Sequence[bool],
    samples: Array | None = None,
) -> TargetScores:
    """Every metric of a prediction (B, T, S) against ``truth`` (B, T, S), as a record holds them."""
    broken = np.isnan(prediction) & ~np.isnan(truth)
    values = score(Scored(truth, prediction, scale, samples))
    lost = broken.any(axis=(0, 1))
    per_state = {name: significant(np.where(lost, np.nan, v)) for name, v in values.items()}
    stored = {name: to_json(v) for name, v in per_state.items()}
    return TargetScores(per_state=stored, mean=mean_scores(stored, counted))


def mean_scores(
    per_state: Mapping[str, Sequence[float | None]], counted: Sequence[bool], metrics: Iterable[Metric] = METRICS
) -> dict[str, float | None]:
    """Means over the states that count, of every metric that has no unit: they follow from stored values alone."""
    averaged = [metric.name for metric in metrics if metric.unit == "1"]
    return {
        name: to_json(significant(np.array(mean_over_states(from_json(per_state[name]), counted))))
        for name in averaged
        if name in per_state
    }


def at_target(prediction: Prediction, target: Target, split: Split) -> Array | None:
    """What a prediction says at a target of a split: (B, T', S), or None where it has other times."""
    wanted = split.inputs.t[target.index]
    rows = np.clip(np.searchsorted(prediction.t, wanted - SAME_TIME), 0, prediction.t.size - 1)
    return prediction.x[:, rows] if np.abs(prediction.t[rows] - wanted).max() <= SAME_TIME else None


def rescore(prediction: Prediction, target: Target, split: Split, counted: Sequence[bool]) -> TargetScores | None:
    """The scores that a stored prediction gives, to be compared with the stored ones; None where it has other times.

    Raises ``ValueError`` where it has other strains or states than the target.
    """
    x = at_target(prediction, target, split)
    if x is not None and x.shape != target.truth.shape:
        raise ValueError(f"it is {x.shape} where the truth is {target.truth.shape}")
    return None if x is None else score_prediction(x, target.truth, split.scale, counted)


def best_trivial(nrmse: Mapping[str, float | None]) -> tuple[str, float] | None:
    """The trivial baseline with the lowest NRMSE of one fold, by name; None where none has one."""
    known = [(value, name) for name, value in nrmse.items() if value is not None]
    if not known:
        return None
    value, name = min(known)
    return name, value
