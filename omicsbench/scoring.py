"""From what a worker brought back to the scores of a record. The same code scores a cell and re-checks its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from omicsbench import probes
from omicsbench.metrics import Metric, Scored, mean_over_states, score
from omicsbench.model import Simulation, Status
from omicsbench.protocols import Split, Target
from omicsbench.records import Prediction, TargetScores, from_json, significant, to_json
from omicsbench.tasks import Task
from omicsbench.trajectory import Array
from omicsbench.worker import Outcome

LARGEST_PREDICTION = 20_000
"""Values of a prediction that a record still holds; a larger one is left out and re-made by ``verify``."""


def score_simulation(
    simulation: Simulation, split: Split, counted: Sequence[bool], extra: Iterable[Metric] = ()
) -> dict[str, TargetScores]:
    """Scores at every target of a split. Where a strain diverged, the errors are not defined: a failure counts."""
    result = {}
    for target, scored in scored_targets(simulation, split).items():
        scores = score_prediction(scored.prediction, scored.truth, scored.scale, counted, extra, scored.samples)
        small = scored.prediction.size <= LARGEST_PREDICTION
        t = split.inputs.t[next(one.index for one in split.targets if one.name == target)]
        result[target] = TargetScores(
            per_state=scores.per_state,
            mean=scores.mean,
            prediction=Prediction(t=t.tolist(), x=to_json(scored.prediction)) if small else None,
            omitted="" if small else "size",
        )
    return result


def scored_targets(simulation: Simulation, split: Split) -> dict[str, Scored]:
    """What metrics are given at every target of a split: the prediction as stored, NaN where a strain diverged."""
    # A diverged strain's numbers, if any, are not a prediction.
    alive = (simulation.status == Status.OK)[:, None, None]
    x = significant(np.where(alive, simulation.x, np.nan))
    samples = None if simulation.samples is None else np.where(alive[None], simulation.samples, np.nan)
    return {
        target.name: Scored(
            target.truth, x[:, target.index], split.scale, None if samples is None else samples[:, :, target.index]
        )
        for target in split.targets
    }


def score_truth(outcome: Outcome, split: Split, task: Task) -> dict[str, float | None]:
    """The scores that only a simulated task knows; empty for a measured one."""
    if split.reality is None or outcome.answers is None:
        return {}
    product = task.info.states.index(task.final_product)
    truth = split.targets[0]
    predicted = outcome.simulation.x[:, truth.index[-1], product]
    scores = probes.score(outcome.answers, split.reality.reality)
    scores |= probes.score_ranking(predicted, truth.truth[:, -1, product])
    return {name: to_json(np.array(value)) for name, value in scores.items()}


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
    per_state = {name: np.where(lost, np.nan, v) for name, v in values.items()}
    native = {metric.name for metric in extra if metric.unit == "native"} | {"rmse", "final_error", "crps"}
    means = {name: mean_over_states(v, counted) for name, v in per_state.items() if name not in native}
    return TargetScores(
        per_state={name: to_json(v) for name, v in per_state.items()},
        mean={name: to_json(np.array(v)) for name, v in means.items()},
    )


def rescore(scores: TargetScores, target: Target, scale: Array, counted: Sequence[bool]) -> TargetScores | None:
    """The scores that a stored prediction gives, to be compared with the stored ones; None where it was left out."""
    if scores.prediction is None:
        return None
    return score_prediction(from_json(scores.prediction.x), target.truth, scale, counted)


def best_trivial(nrmse: Mapping[str, float | None]) -> tuple[str, float] | None:
    """The trivial baseline with the lowest NRMSE of one fold, by name; None where none has one."""
    known = [(value, name) for name, value in nrmse.items() if value is not None]
    if not known:
        return None
    value, name = min(known)
    return name, value
