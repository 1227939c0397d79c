"""Controls.at defines u(t) for every model; trajectories refuse what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from omicsbench import Controls, Trajectory

ABUNDANCES = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def controls(draw: st.DrawFn, proteins: int = 2, strains: int | None = None) -> Controls:
    knots = draw(st.lists(st.integers(0, 720), min_size=1, max_size=6, unique=True))
    strains = strains or draw(st.integers(1, 3))
    u = draw(arrays.arrays(np.float64, (strains, len(knots), proteins), elements=ABUNDANCES))
    return Controls(np.sort(knots) / 10.0, u)


@given(controls())
def test_controls_are_exact_at_their_samples(given_controls: Controls) -> None:
    np.testing.assert_array_equal(given_controls.at(given_controls.t), given_controls.u)


@given(controls(), st.floats(0, 1))
def test_controls_are_linear_between_samples(given_controls: Controls, share: float) -> None:
    t, u = given_controls.t, given_controls.u
    between = t[:-1] + share * np.diff(t)
    wanted = u[:, :-1] + share * np.diff(u, axis=1)
    size = 1e-9 * max(1.0, float(np.abs(u).max()))
    if between.size:
        np.testing.assert_allclose(given_controls.at(between), wanted, rtol=0, atol=size)


@given(controls(), st.floats(0.001, 1e4))
def test_controls_are_held_at_the_ends(given_controls: Controls, beyond: float) -> None:
    t, u = given_controls.t, given_controls.u
    np.testing.assert_array_equal(given_controls.at([t[0] - beyond])[:, 0], u[:, 0])
    np.testing.assert_array_equal(given_controls.at([t[-1] + beyond])[:, 0], u[:, -1])


@given(st.lists(controls(), min_size=1, max_size=3), st.lists(st.floats(-10, 90), min_size=1, max_size=5))
def test_stacked_controls_stay_the_same_functions(parts: list[Controls], times: list[float]) -> None:
    stacked = Controls.stack(parts)
    assert len(stacked) == sum(len(part) for part in parts)
    separately = np.concatenate([part.at(times) for part in parts])
    size = 1e-9 * max(1.0, float(np.abs(separately).max()))
    np.testing.assert_allclose(stacked.at(times), separately, rtol=0, atol=size)


def test_rows_of_controls_are_a_batch() -> None:
    both = Controls([0, 1], [[[1.0], [2.0]], [[3.0], [4.0]]])
    assert len(both[:1]) == 1
    np.testing.assert_array_equal(both[[1, 0]].u[0], [[3.0], [4.0]])


def test_arrays_are_copied_and_read_only() -> None:
    t, u, x = np.array([0.0, 1.0]), np.ones((1, 2, 1)), np.zeros((2, 3))
    given_controls = Controls(t, u)
    strain = Trajectory("S", t, x, given_controls)
    t[0], u[0, 0, 0], x[0, 0] = -5.0, 7.0, 7.0
    assert given_controls.t[0] == strain.t[0] == 0.0
    assert given_controls.u[0, 0, 0] == 1.0
    assert strain.x[0, 0] == 0.0
    for array in (given_controls.t, given_controls.u, strain.t, strain.x):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1.0


@pytest.mark.parametrize(
    ("t", "u", "complaint"),
    [
        ([], np.ones((1, 0, 1)), "non-empty"),
        ([0.0, 0.0], np.ones((1, 2, 1)), "strictly increasing"),
        ([0.0, np.nan], np.ones((1, 2, 1)), "finite"),
        ([0.0, 1.0], np.ones((2, 1)), r"u must be \(B, 2, C\)"),
        ([0.0, 1.0], np.ones((1, 3, 1)), r"u must be \(B, 2, C\)"),
        ([0.0], np.full((1, 1, 1), np.nan), "u must be finite"),
    ],
)
def test_malformed_controls_are_refused(t: list[float], u: np.ndarray, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Controls(t, u)


@pytest.mark.parametrize(
    ("t", "x", "strains", "complaint"),
    [
        ([0.0, 1.0], np.zeros((3, 1)), 1, r"strain S: x must be \(2, S\)"),
        ([0.0, 1.0], np.zeros(2), 1, r"strain S: x must be \(2, S\)"),
        ([1.0, 0.0], np.zeros((2, 1)), 1, "strain S: times"),
        ([0.0], np.full((1, 1), np.inf), 1, "finite or NaN"),
        ([0.0], np.zeros((1, 1)), 2, "controls of one strain wanted, got 2"),
    ],
)
def test_malformed_trajectories_are_refused(t: list[float], x: np.ndarray, strains: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Trajectory("S", t, x, Controls([0.0], np.ones((strains, 1, 1))))


def test_nothing_cannot_be_stacked() -> None:
    with pytest.raises(ValueError, match="nothing to stack"):
        Controls.stack([])
