"""Rounding: to decimal steps of which each is far below what a score can tell."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from omicsbench.records import as_stored, from_json, rounded_tree, significant, to_json
from omicsbench.records.rounding import SCORE_DIGITS, STEP_SHARE, from_steps, steps_of, to_steps

SCALES = arrays.arrays(np.float64, 3, elements=st.floats(1e-30, 1e30))
VALUES = arrays.arrays(np.float64, (2, 4, 3), elements=st.floats(-1e6, 1e6) | st.just(float("nan")))


@given(SCALES)
def test_a_step_is_the_largest_decimal_one_below_the_share(scale: np.ndarray) -> None:
    for (m, e), unit in zip(steps_of(scale), scale, strict=True):
        step, wanted = m * 10.0**e, STEP_SHARE * unit
        assert m in (1, 2, 5)
        assert step <= wanted * (1 + 1e-8)
        assert step * (2.5 if m == 2 else 2) > wanted * (1 - 1e-8)  # the next one would be too large


@given(VALUES, SCALES)
def test_predictions_move_by_half_a_step_at_most(x: np.ndarray, scale: np.ndarray) -> None:
    stored = as_stored(x * scale, scale)
    np.testing.assert_array_equal(np.isnan(stored), np.isnan(x))
    assert np.nanmax(np.abs(stored - x * scale) / scale, initial=0.0) <= STEP_SHARE / 2 * (1 + 1e-6)
    np.testing.assert_array_equal(as_stored(stored, scale), stored)  # rounding twice is rounding once
    assert not np.signbit(stored[stored == 0]).any()


@given(arrays.arrays(np.int64, (2, 3), elements=st.integers(-(2**40), 2**40)), st.integers(-12, 12))
def test_steps_are_the_decimal_numbers_that_json_writes(counts: np.ndarray, exponent: int) -> None:
    steps = [(m, exponent) for m in (1, 2, 5)]
    x = from_steps(counts.astype(float), steps)
    wanted = [[float(f"{int(n) * m}e{exponent}") for n, (m, _) in zip(row, steps, strict=True)] for row in counts]
    np.testing.assert_array_equal(x, wanted)
    np.testing.assert_array_equal(to_steps(x, steps), counts)


def test_what_is_too_large_for_steps_stays() -> None:
    x = np.array([[[1e300, -1e40, 3.14159]]])
    np.testing.assert_array_equal(as_stored(x, np.ones(3)), [[[1e300, -1e40, 3.1415]]])


@given(arrays.arrays(np.float64, (2, 3), elements=st.floats(allow_subnormal=False)))
def test_what_is_written_is_what_is_read(x: np.ndarray) -> None:
    rounded = significant(x)
    stored = from_json(json.loads(json.dumps(to_json(rounded))))
    np.testing.assert_array_equal(stored, np.where(np.isfinite(x), rounded, np.nan))
    np.testing.assert_allclose(rounded, x, rtol=0.5 * 10.0 ** (1 - SCORE_DIGITS) * 1.0001, atol=1e-290)


@given(st.floats(1e-6, 1e9))
def test_six_digits_are_kept(value: float) -> None:
    assert significant(np.array([value]))[0] == pytest.approx(float(f"{value:.6g}"), rel=1.1e-5)
    assert rounded_tree({"a": [value, 3, "x", None, True]}) == {"a": [float(f"{value:.6g}"), 3, "x", None, True]}
