"""From a simulation to the scores of a record: what diverged is not defined, what counts is averaged."""

from __future__ import annotations

import numpy as np
import pytest

from omicsbench import Controls, Simulation, Status
from omicsbench.protocols import Inputs, Split, Target
from omicsbench.records import TargetScores, from_json
from omicsbench.scoring import LARGEST_PREDICTION, best_trivial, score_simulation

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


def scored(x: np.ndarray, status: list[int], **fields: np.ndarray) -> TargetScores:
    whole = np.concatenate([np.zeros((len(x), 1, 2)), x], axis=1)
    simulation = Simulation(whole, np.array(status), **fields)
    return score_simulation(simulation, split(), (True, False))["measured"]


def test_scores_are_those_at_the_scored_times() -> None:
    scores = scored(np.nan_to_num(TRUTH) + 1.0, [0, 0])
    assert scores.per_state["rmse"] == [1.0, 1.0]
    assert scores.per_state["nrmse"] == [0.5, 0.25]
    assert scores.mean["nrmse"] == 0.5  # the second state does not count
    assert "rmse" not in scores.mean  # native units are never averaged over states
    assert scores.prediction is not None
    assert scores.prediction.t == [1.0, 2.0]
    np.testing.assert_array_equal(from_json(scores.prediction.x), np.nan_to_num(TRUTH) + 1.0)


def test_one_diverged_strain_leaves_no_error_defined() -> None:
    x = np.nan_to_num(TRUTH)
    scores = scored(x, [Status.OK, Status.DIVERGED])
    assert scores.per_state["rmse"] == [None, None]
    assert set(scores.mean.values()) == {None}
    assert scores.prediction is not None
    stored = from_json(scores.prediction.x)
    np.testing.assert_array_equal(stored[0], x[0])
    assert np.isnan(stored[1]).all()  # what a diverged strain returned is no prediction


def test_samples_are_scored_at_the_same_times() -> None:
    samples = np.zeros((3, 2, 3, 2)) + np.array([-1.0, 0.0, 1.0])[:, None, None, None]
    scores = scored(np.nan_to_num(TRUTH), [0, 0], samples=samples)
    errors = np.array([1.0, 2.0, 3.0, 4.0])
    crps = [np.mean([abs(s - y) for s in (-1, 0, 1)]) - 0.5 * 8 / 9 for y in errors]
    assert scores.per_state["crps"][0] == pytest.approx(np.mean(crps))
    assert scores.per_state["coverage90"] == [0.0, 0.0]


def test_a_large_prediction_is_left_out_and_says_so() -> None:
    truth = np.zeros((2, LARGEST_PREDICTION // 4 + 1, 2))
    simulation = Simulation(np.zeros((2, truth.shape[1] + 1, 2)), np.zeros(2, dtype=int))
    scores = score_simulation(simulation, split(truth), (True, True))["measured"]
    assert (scores.prediction, scores.omitted) == (None, "size")
    assert scores.mean["nrmse"] == 0.0


def test_the_best_trivial_baseline() -> None:
    assert best_trivial({"persistence": 2.0, "mean-strain": 1.0, "nearest-strain": None}) == ("mean-strain", 1.0)
    assert best_trivial({"persistence": None}) is None
    assert best_trivial({}) is None
