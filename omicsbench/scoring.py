"""From what a worker brought back to the scores of a record. The same code scores a cell and re-checks its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from omicsbench import probes
from omicsbench.metrics import METRICS, Metric, Scored, mean_over_states, score
from omicsbench.model import Simulation, Status
from omicsbench.protocols import Split, Target
from omicsbench.records import Prediction, TargetScores, as_stored, from_json, significant, to_json
from omicsbench.tasks import Task
from omicsbench.trajectory import Array
from omicsbench.worker import Outcome

SAME_TIME = 1e-9
"""Hours within which two times are the same."""


def score_simulation(
    simulation: Simulation, split: Split, counted: Sequence[bool], extra: Iterable[Metric] = ()
) -> tuple[dict[str, TargetScores], Prediction]:
    """Scores at every target of a split, and the prediction they are of. Where a strain diverged, the errors are not
    defined: a failure counts."""
    # A diverged strain's numbers, if any, are not a prediction.
    alive = (simulation.status == Status.OK)[:, None, None] & np.isfinite(simulation.x)
    x = as_stored(np.where(alive, simulation.x, np.nan), split.scale)
    samples = None if simulation.samples is None else np.where(alive[None], simulation.samples, np.nan)
    extra = tuple(extra)
    scores = {
        target.name: score_prediction(
            x[:, target.index],
            target.truth,
            split.scale,
            counted,
            extra,
            None if samples is None else samples[:, :, target.index],
        )
        for target in split.targets
    }
    return scores, Prediction(t=np.array(split.inputs.t), x=x)


def score_truth(outcome: Outcome, split: Split, task: Task) -> dict[str, float | None]:
    """The scores that only a simulated task knows; empty for a measured one."""
    if split.reality is None or outcome.answers is None:
        return {}
    product = task.info.states.index(task.final_product)
    truth = split.targets[0]
    predicted = outcome.simulation.x[:, truth.index[-1], product]
    scores = probes.score(outcome.answers, split.reality.reality)
    scores |= probes.score_ranking(predicted, truth.truth[:, -1, product])
    return {name: to_json(significant(np.array(value))) for name, value in scores.items()}


def score_prediction(
    prediction: Array,
    truth: Array,
    scale: Array,
    counted: Sequence[bool],
    extra: Iterable[Metric] = (),
    samples: Array | None = None,
) -> TargetScores:
    """Every metric of a prediction (B, T, S) against ``truth`` (B, T, S), as a record holds them."""
    broken = np.isnan(prediction) & ~np.isnan(truth)
    values = score(Scored(truth, prediction, scale, samples), extra)
    lost = broken.any(axis=(0, 1))
    per_state = {name: significant(np.where(lost, np.nan, v)) for name, v in values.items()}
    stored = {name: to_json(v) for name, v in per_state.items()}
    return TargetScores(per_state=stored, mean=mean_scores(stored, counted, extra))


def mean_scores(
    per_state: Mapping[str, Sequence[float | None]], counted: Sequence[bool], extra: Iterable[Metric] = ()
) -> dict[str, float | None]:
    """Means over the states that count, of every metric that has no unit: they follow from stored values alone."""
    averaged = [metric.name for metric in (*METRICS, *extra) if metric.unit == "1"]
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
