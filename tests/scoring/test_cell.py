"""From a simulation to the scores of a record: what diverged is not defined, what counts is averaged."""

from __future__ import annotations

import numpy as np
import pytest

from omicsbench import Controls, Simulation, Status
from omicsbench.records import Prediction, TargetScores
from omicsbench.records.rounding import STEP_SHARE
from omicsbench.scoring.cell import at_target, best_trivial, mean_scores, rescore, score_prediction, score_simulation
from omicsbench.split import Inputs, Split, Target

NAN = float("nan")
TRUTH = np.array([[[1.0, NAN], [2.0, 4.0]], [[3.0, NAN], [4.0, 8.0]]])


def split(truth: np.ndarray = TRUTH) -> Split:
    """Two strains, three times of which the last two are scored, two states."""
    strains, times, states = truth.shape
    t = np.arange(times + 1.0)
    controls = Controls([0.0], np.ones((strains, 1, 1)))
    inputs = Inputs((), np.zeros((strains, states)), t, controls)
    index = np.arange(1, times + 1)
    return Split(inputs, ("V", "W")[:strains], (Target("measured", index, truth),), np.array([2.0, 4.0]))


def scored(x: np.ndarray, status: list[int], **fields: np.ndarray) -> tuple[TargetScores, Prediction]:
    whole = np.concatenate([np.zeros((len(x), 1, 2)), x], axis=1)
    simulation = Simulation(whole, np.array(status), **fields)
    scores, prediction = score_simulation(simulation, split(), (True, False))
    return scores["measured"], prediction


def test_scores_are_those_at_the_scored_times() -> None:
    scores, prediction = scored(np.nan_to_num(TRUTH) + 1.0, [0, 0])
    assert scores.per_state["rmse"] == [1.0, 1.0]
    assert scores.per_state["nrmse"] == [0.5, 0.25]
    assert scores.mean["nrmse"] == 0.5  # the second state does not count
    assert "rmse" not in scores.mean  # native units are never averaged over states
    # The prediction is kept once, at all times that any target has.
    np.testing.assert_array_equal(prediction.t, [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(prediction.x[:, 1:], np.nan_to_num(TRUTH) + 1.0)


def test_one_diverged_strain_leaves_no_error_defined() -> None:
    x = np.nan_to_num(TRUTH)
    scores, prediction = scored(x, [Status.OK, Status.DIVERGED])
    assert scores.per_state["rmse"] == [None, None]
    assert set(scores.mean.values()) == {None}
    np.testing.assert_array_equal(prediction.x[0, 1:], x[0])
    assert np.isnan(prediction.x[1]).all()  # what a diverged strain returned is no prediction


def test_samples_are_scored_at_the_same_times() -> None:
    samples = np.zeros((3, 2, 3, 2)) + np.array([-1.0, 0.0, 1.0])[:, None, None, None]
    scores, _ = scored(np.nan_to_num(TRUTH), [0, 0], samples=samples)
    errors = np.array([1.0, 2.0, 3.0, 4.0])
    crps = [np.mean([abs(s - y) for s in (-1, 0, 1)]) - 0.5 * 8 / 9 for y in errors]
    assert scores.per_state["crps"][0] == pytest.approx(np.mean(crps), rel=5e-6)  # six digits
    assert scores.per_state["coverage90"] == [0.0, 0.0]


def test_what_is_scored_is_what_is_stored() -> None:
    """Rounded to a small share of the unit of NRMSE, so that anybody can score a record again to the digit."""
    rng = np.random.default_rng(0)
    x = np.nan_to_num(TRUTH) + rng.normal(size=TRUTH.shape)
    scores, prediction = scored(x, [0, 0])
    place = split()
    assert rescore(prediction, place.targets[0], place, (True, False)) == scores
    moved = np.abs(prediction.x[:, 1:] - x) / place.scale
    assert 0 < moved.max() <= STEP_SHARE / 2
    plain = score_prediction(x, TRUTH, place.scale, (True, False))
    assert scores.mean["nrmse"] == pytest.approx(plain.mean["nrmse"], abs=STEP_SHARE / 2)


def test_nothing_is_left_out_by_size() -> None:
    truth = np.zeros((2, 100_001, 2))
    simulation = Simulation(np.zeros((2, truth.shape[1] + 1, 2)), np.zeros(2, dtype=int))
    scores, prediction = score_simulation(simulation, split(truth), (True, True))
    assert prediction.x.shape == (2, 100_002, 2)
    assert scores["measured"].mean["nrmse"] == 0.0


def test_scores_have_six_digits() -> None:
    scores, _ = scored(np.nan_to_num(TRUTH) + 1 / 3, [0, 0])
    values = [value for one in scores.per_state.values() for value in one] + list(scores.mean.values())
    assert all(value is None or value == float(f"{value:.6g}") for value in values)


def test_means_follow_from_the_stored_states() -> None:
    scores, _ = scored(np.nan_to_num(TRUTH) + 1 / 3, [0, 0])
    assert mean_scores(scores.per_state, (True, False)) == scores.mean
    assert mean_scores({"nrmse": [1.0, None]}, (True, True)) == {"nrmse": None}


def test_a_prediction_of_other_times_or_strains_is_not_scored() -> None:
    place = split()
    (target,) = place.targets
    x = np.zeros((2, 3, 2))
    assert at_target(Prediction(t=np.array([0.0, 1.0 + 1e-12, 2.0]), x=x), target, place) is not None
    for t in ([0.0, 1.5, 2.0], [2.0, 3.0, 4.0], [-3.0, -2.0, -1.0]):
        assert rescore(Prediction(t=np.array(t), x=x), target, place, (True, True)) is None
    with pytest.raises(ValueError, match="it is"):
        rescore(Prediction(t=np.array([0.0, 1.0, 2.0]), x=x[:1]), target, place, (True, True))
    with pytest.raises(ValueError, match="it is"):
        rescore(Prediction(t=np.array([0.0, 1.0, 2.0]), x=x[..., :1]), target, place, (True, True))


def test_the_best_trivial_baseline() -> None:
    assert best_trivial({"persistence": 2.0, "mean-strain": 1.0, "nearest-strain": None}) == ("mean-strain", 1.0)
    assert best_trivial({"persistence": None}) is None
    assert best_trivial({}) is None
