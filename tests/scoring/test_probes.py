"""Questions to a fitted model of a simulated task: closed-form answers get closed-form scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from omicsbench import Controls, Model, Progress, Simulation, TaskInfo, Trajectory
from omicsbench.scoring.probes import RAISE, Answers, Probes, Reality, ask, score, score_ranking, spearman
from omicsbench.trajectory import Array

LEVELS = np.array([1.0, 2.0, 4.0])
PROBES = Probes(
    x=np.arange(8.0).reshape(4, 2),
    u=np.ones((4, 2)),
    x0=np.ones((3, 2)),
    controls=Controls([0.0, 10.0], np.stack([LEVELS, LEVELS**2], axis=1)[:, None].repeat(2, axis=1)),
    proteins=(1, 0),
    horizon=10.0,
    product=1,
)


class Power(Model):
    """The product ends at u0^a u1^b, so doubling a control multiplies it by 2^a or 2^b."""

    def __init__(self, powers: tuple[float, float], field: bool = True) -> None:
        self.powers, self.has_field = np.array(powers), field

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        raise AssertionError("probes ask a fitted model")

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        x = np.repeat(x0[:, None], t.size, axis=1)
        x[:, -1, 1] = (controls.at(t)[:, -1] ** self.powers).prod(axis=1)
        return Simulation(x, np.zeros(len(x0), dtype=int))

    def field(self, x: Array, u: Array) -> Array | None:
        return -x if self.has_field else None


def test_answers_are_log_ratios_of_the_final_product() -> None:
    answers = ask(Power((0.5, -2.0)), "power", PROBES)
    np.testing.assert_allclose(answers.response, [[-2 * np.log(RAISE), 0.5 * np.log(RAISE)]] * 3)
    assert answers.dx is not None
    np.testing.assert_array_equal(answers.dx, -PROBES.x)
    assert ask(Power((1.0, 1.0), field=False), "power", PROBES).dx is None


def test_the_truth_scores_best_and_the_opposite_worst() -> None:
    truth = ask(Power((0.5, -2.0)), "power", PROBES)
    assert truth.dx is not None
    reality = Reality(truth.dx, truth.response)
    best = score(truth, reality)
    assert best == pytest.approx(
        {"derivative_nrmse": 0.0, "intervention_sign": 1.0, "intervention_nrmse": 0.0, "intervention_rank": 1.0}
    )
    worst = score(Answers(None, -truth.response), reality)
    assert np.isnan(worst["derivative_nrmse"])
    assert (worst["intervention_sign"], worst["intervention_rank"]) == (0.0, pytest.approx(-1.0))
    nothing = score(Answers(np.zeros_like(truth.dx), 0 * truth.response), reality)
    assert nothing["intervention_nrmse"] == pytest.approx(1.0)
    assert nothing["intervention_sign"] == 0.0


def test_responses_too_small_to_tell_are_not_asked_for_their_sign() -> None:
    reality = Reality(np.ones((1, 1)), np.array([[0.001, 1.0]]))
    assert score(Answers(None, np.array([[-1.0, 1.0]])), reality)["intervention_sign"] == 1.0
    silent = Reality(np.ones((1, 1)), np.array([[0.001]]))
    assert np.isnan(score(Answers(None, np.array([[1.0]])), silent)["intervention_sign"])


def test_a_product_that_is_not_positive_has_a_finite_response() -> None:
    class Negative(Power):
        def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
            found = super().simulate(x0, t, controls)
            found.x[::2, -1, 1] *= -1
            return found

    assert np.isfinite(ask(Negative((1.0, 1.0)), "negative", PROBES).response).all()


def test_ranking_of_strains() -> None:
    true = np.arange(20.0)
    assert score_ranking(true**3, true) == {"rank": pytest.approx(1.0), "best_decile": 1.0}
    assert score_ranking(-true, true) == {"rank": pytest.approx(-1.0), "best_decile": 0.0}
    swapped = true.copy()
    swapped[[0, 19]] = swapped[[19, 0]]
    assert score_ranking(swapped, true)["best_decile"] == 0.5
    for useless in (np.ones(20), np.where(true == 3, np.nan, true)):
        assert all(np.isnan(value) for value in score_ranking(useless, true).values())


def test_spearman_is_that_of_scipy() -> None:
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(0).integers(0, 5, (2, 30)).astype(float)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
