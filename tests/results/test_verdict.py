"""The verdict that one look must give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench.results.verdict import TOLERANCE, judge

RISE = np.array([[0.1, 0.4, 0.9, 1.3, 1.5]])


def test_the_truth_itself_is_right() -> None:
    verdict = judge(RISE, RISE)
    assert (verdict.kind, verdict.words, verdict.symbol) == ("right", "right", "✓")
    assert verdict.error == 0
    assert verdict.correlation == pytest.approx(1)


@given(factor=st.floats(1e-6, 1e6).filter(lambda f: not 0.5 < f < 2))
def test_a_multiple_of_the_truth_is_off_by_that_factor(factor: float) -> None:
    verdict = judge(RISE, factor * RISE)
    assert verdict.kind == "factor"
    assert verdict.factor == pytest.approx(factor)
    assert verdict.symbol == ("↑" if factor > 1 else "↓")


def test_factors_in_words() -> None:
    assert judge(RISE, 3 * RISE).words == "3× too high"
    assert judge(RISE, RISE / 4).words == "4× too low"
    assert judge(RISE, 1e5 * RISE).words == "far too high"


def test_a_fall_is_not_a_rise() -> None:
    verdict = judge(RISE, RISE[:, ::-1])
    assert verdict.words == "wrong shape"
    assert verdict.correlation < 0


def test_a_wrong_shape_far_too_high_says_both() -> None:
    assert judge(RISE, 5 * RISE[:, ::-1]).words == "wrong shape, 5×\u00a0↑"


def test_staying_at_zero_is_a_wrong_shape() -> None:
    assert judge(RISE, np.zeros_like(RISE)).words == "wrong shape, far\u00a0↓"


def test_negative_values_are_counted() -> None:
    assert judge(RISE, RISE - 0.5).negative == pytest.approx(0.4)


def test_what_is_not_scored_does_not_count() -> None:
    truth = np.array([[1.0, np.nan, 1.0]])
    assert judge(truth, np.array([[1.0, 1e9, 1.0]])).kind == "right"
    assert judge(truth, np.array([[1.0, np.nan, 1.0]])).kind == "right"


@pytest.mark.parametrize("prediction", [np.full((1, 5), np.nan), np.array([[0.1, np.inf, 1, 1, 1]])])
def test_no_prediction(prediction: np.ndarray) -> None:
    assert judge(RISE, prediction).words == "no prediction"


@given(st.lists(st.floats(0.01, 10), min_size=3, max_size=8), st.floats(-0.9, 0.9))
def test_right_means_within_the_tolerance(values: list[float], wobble: float) -> None:
    truth = np.array([values])
    prediction = truth * (1 + wobble * TOLERANCE)
    assert judge(truth, prediction).kind == "right"
