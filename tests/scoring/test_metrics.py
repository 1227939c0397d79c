"""Scores: closed forms, and what must hold of any truth and prediction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from omicsbench.scoring import metrics
from omicsbench.scoring.metrics import Metric, Scored, evaluate, score

NUMBERS = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))
NAN = float("nan")


@st.composite
def scored(draw: st.DrawFn, samples: int = 0) -> Scored:
    """Two to three strains, three times, two states; some truth unmeasured, no state wholly so."""
    strains = draw(st.integers(2, 3))
    shape = (strains, 3, 2)
    truth = draw(arrays.arrays(np.float64, shape, elements=NUMBERS))
    holes = draw(arrays.arrays(np.bool_, shape))
    holes[0, 0] = False
    prediction = draw(arrays.arrays(np.float64, shape, elements=NUMBERS))
    scale = draw(arrays.arrays(np.float64, 2, elements=st.floats(0.1, 100)))
    drawn = draw(arrays.arrays(np.float64, (samples, *shape), elements=NUMBERS)) if samples else None
    return Scored(np.where(holes, np.nan, truth), prediction, scale, drawn)


def one(truth: list[float], prediction: list[float], samples: list[list[float]] | None = None) -> Scored:
    """One strain and one state over time."""
    drawn = None if samples is None else np.array(samples)[:, None, :, None]
    return Scored(np.array(truth)[None, :, None], np.array(prediction)[None, :, None], np.ones(1), drawn)


@given(scored(), st.floats(0.001, 1000))
def test_a_change_of_units_scales_rmse_and_leaves_nrmse(s: Scored, factor: float) -> None:
    other = Scored(s.truth * factor, s.prediction * factor, s.scale * factor)
    np.testing.assert_allclose(metrics.rmse(other), factor * metrics.rmse(s), rtol=1e-9)
    np.testing.assert_allclose(metrics.final_error(other), factor * metrics.final_error(s), rtol=1e-9)
    np.testing.assert_allclose(metrics.nrmse(other), metrics.nrmse(s), rtol=1e-9)
    np.testing.assert_array_equal(metrics.negative_share(other), metrics.negative_share(s))


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_strains_does_not_matter(s: Scored, random: np.random.Generator) -> None:
    order = list(range(len(s.truth)))
    random.shuffle(order)
    turned = score(Scored(s.truth[order], s.prediction[order], s.scale))
    for name, values in score(s).items():
        np.testing.assert_allclose(turned[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


@given(scored(samples=4), NUMBERS)
def test_what_was_not_measured_is_not_scored(s: Scored, other: float) -> None:
    holes = np.isnan(s.truth)
    assert s.samples is not None
    elsewhere = Scored(s.truth, np.where(holes, other, s.prediction), s.scale, np.where(holes[None], other, s.samples))
    for name, values in score(s).items():
        np.testing.assert_array_equal(score(elsewhere)[name], values, err_msg=name)


@given(scored())
def test_a_perfect_prediction(s: Scored) -> None:
    perfect = Scored(s.truth, np.where(np.isnan(s.truth), 7.0, s.truth), s.scale)
    for function in (metrics.rmse, metrics.nrmse, metrics.final_error):
        np.testing.assert_array_equal(function(perfect), 0.0)
    spread = np.nanmax(s.truth, axis=(0, 1)) - np.nanmin(s.truth, axis=(0, 1))
    np.testing.assert_array_equal(metrics.r2(perfect)[spread > 1e-3], 1.0)


@given(scored(samples=1))
def test_crps_of_one_sample_is_the_absolute_error(s: Scored) -> None:
    assert s.samples is not None
    error = np.nanmean(np.abs(s.samples[0] - s.truth), axis=(0, 1))
    np.testing.assert_allclose(metrics.crps(s), error, rtol=1e-9, atol=1e-12)


@given(scored(samples=5))
def test_crps_is_that_of_all_pairs(s: Scored) -> None:
    x = s.samples
    assert x is not None
    pairs = np.abs(x[:, None] - x[None]).mean(axis=(0, 1))
    brute = np.nanmean(np.abs(x - s.truth).mean(axis=0) - 0.5 * pairs, axis=(0, 1))
    np.testing.assert_allclose(metrics.crps(s), brute, rtol=1e-9, atol=1e-9)


def test_crps_of_a_normal_approaches_its_closed_form() -> None:
    """σ (2 φ(0) − 1 / √π) at the mean; Gneiting & Raftery 2007, eq. 21 for the normal."""
    draws = np.random.default_rng(1).normal(size=(20_000, 1)).tolist()
    wanted = 2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)
    assert metrics.crps(one([0.0], [0.0], draws))[0] == pytest.approx(wanted, abs=0.01)


def test_coverage_of_known_quantiles() -> None:
    samples = [[float(k)] * 5 for k in range(101)]
    assert metrics.coverage90(one([5.0, 50.0, 95.0, 4.9, 95.1], [0.0] * 5, samples))[0] == pytest.approx(0.6)
    assert metrics.coverage90(one([50.0, 50.0, 50.0, NAN, 99.0], [0.0] * 5, samples))[0] == pytest.approx(0.75)


def test_without_samples_nothing_is_said_of_them() -> None:
    s = one([1.0], [1.0])
    assert np.isnan(metrics.crps(s)).all()
    assert np.isnan(metrics.coverage90(s)).all()


def test_closed_forms() -> None:
    s = Scored(np.array([[[1.0], [3.0]]]), np.array([[[1.0], [5.0]]]), np.array([4.0]))
    assert metrics.rmse(s)[0] == pytest.approx(np.sqrt(2.0))
    assert metrics.nrmse(s)[0] == pytest.approx(np.sqrt(2.0) / 4)
    assert metrics.r2(s)[0] == pytest.approx(1 - 2 / 1)
    assert metrics.final_error(s)[0] == 2.0
    assert metrics.negative_share(one([1.0, 1.0, NAN, 1.0], [-1e-9, 0.0, -5.0, 2.0]))[0] == pytest.approx(1 / 3)


def test_predicting_the_mean_has_no_r2() -> None:
    assert metrics.r2(one([1.0, 2.0, 6.0], [3.0, 3.0, 3.0]))[0] == pytest.approx(0.0)


def test_r2_of_a_constant_truth_is_not_defined() -> None:
    assert np.isnan(metrics.r2(one([2.0, 2.0], [2.0, 2.5]))[0])


def test_the_final_error_is_at_each_strains_own_last_time() -> None:
    truth = np.array([[[1.0, NAN], [2.0, NAN], [4.0, NAN]], [[1.0, NAN], [3.0, NAN], [NAN, NAN]]])
    s = Scored(truth, np.zeros_like(truth), np.ones(2))
    np.testing.assert_array_equal(metrics.final_error(s), [(4.0 + 3.0) / 2, NAN])


def test_a_state_never_measured_has_no_score() -> None:
    s = Scored(np.array([[[1.0, NAN], [2.0, NAN]]]), np.zeros((1, 2, 2)), np.ones(2))
    for name, values in score(s).items():
        assert np.isnan(values[1]), name


def test_a_metric_of_a_plugin_is_evaluated_alone() -> None:
    bias = Metric("bias", "", "native", "none", lambda s: np.nanmean(s.prediction - s.truth, axis=(0, 1)))
    assert evaluate(bias, one([1.0, NAN, 2.0], [2.0, 9.0, 3.0])) == [1.0]


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda s: np.zeros((2, 2)), r"metric 'odd' must give one value a state \(1,\), got \(2, 2\)"),
        (lambda s: s.absent, "metric 'odd' failed: AttributeError: 'Scored' object has no attribute 'absent'"),
    ],
)
def test_a_broken_further_metric_is_named(function: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        evaluate(Metric("odd", "", "1", "none", function), one([1.0], [1.0]))  # type: ignore[arg-type]


def test_means_count_only_counted_states() -> None:
    assert metrics.mean_over_states(np.array([1.0, 100.0, 3.0]), (True, False, True)) == 2.0
    assert np.isnan(metrics.mean_over_states(np.array([1.0, NAN]), (True, True)))
    assert metrics.mean_over_states(np.array([1.0, NAN]), (True, False)) == 1.0


def test_skill_and_improvement() -> None:
    assert metrics.skill(0.5, 1.0) == 0.5
    assert metrics.skill(2.0, 1.0) == -1.0
    np.testing.assert_allclose(
        metrics.improvement(np.array([1.0, 3.0, 1.0]), np.array([4.0, 2.0, 0.0])), [75, -50, NAN]
    )
