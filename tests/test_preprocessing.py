"""What models may do to a series: closed forms, holes, and nothing learned from anywhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench import Controls, Trajectory
from omicsbench.preprocessing import (
    ControlTransform,
    densify,
    derivatives,
    interpolate,
    noise_share,
    smooth,
    state_scale,
)

NAN = float("nan")


def strain(x: list[list[float]], u: list[float] | None = None) -> Trajectory:
    t = np.arange(len(x), dtype=float)
    controls = np.ones(len(x)) if u is None else np.array(u)
    return Trajectory("S", t, np.array(x), Controls(t, controls[None, :, None]))


def test_series_are_linear_between_measured_points_and_held_beyond() -> None:
    at = [-1.0, 0.0, 1.0, 2.0, 3.0, 9.0]
    np.testing.assert_allclose(interpolate([0, 1, 2, 3], [NAN, 1.0, NAN, 5.0], at), [1, 1, 1, 3, 5, 5])
    assert np.isnan(interpolate([0, 1], [NAN, NAN], at)).all()


def test_densify_keeps_controls_and_holes_of_whole_states() -> None:
    dense = densify(strain([[0.0, NAN], [2.0, NAN], [4.0, NAN]], [1.0, 3.0, 5.0]), points=5, horizon=4.0)
    np.testing.assert_allclose(dense.t, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(dense.x[:, 0], [0, 2, 4, 4, 4])
    assert np.isnan(dense.x[:, 1]).all()
    np.testing.assert_allclose(dense.controls.u[0, :, 0], [1, 3, 5, 5, 5])
    assert densify(strain([[1.0], [2.0]]), points=3).t[-1] == 1.0


@given(st.tuples(*[st.floats(-10, 10)] * 3), st.floats(0.1, 2.0))
def test_quadratics_are_left_alone_and_their_derivative_is_exact(c: tuple[float, float, float], step: float) -> None:
    t = step * np.arange(12)
    x = np.stack([c[0] + c[1] * t + c[2] * t**2, np.ones(12)], axis=1)
    np.testing.assert_allclose(smooth(x), x, atol=1e-6)
    slopes = np.stack([c[1] + 2 * c[2] * t, np.zeros(12)], axis=1)
    np.testing.assert_allclose(derivatives(x, step), slopes, atol=1e-6)


def test_too_few_points_cannot_be_smoothed() -> None:
    with pytest.raises(ValueError, match="window_length must be less than or equal to the size of x"):
        smooth(np.zeros((5, 2)))


def test_the_scale_is_the_sd_of_what_was_measured() -> None:
    train = [strain([[1.0, 5.0, NAN], [NAN, 5.0, NAN]]), strain([[3.0, 5.0, NAN], [8.0, NAN, NAN]])]
    np.testing.assert_allclose(state_scale(train), [np.std([1.0, 3.0, 8.0]), 1.0, 1.0])


def test_less_noise_for_more_strains() -> None:
    assert [noise_share(n) for n in (1, 2, 4, 100)] == [1.0, 1.0, 0.5, 0.02]


@pytest.mark.parametrize("kind", ["log", "hill", "raw"])
def test_transformed_controls_are_standardised_on_the_training_strains(kind: str) -> None:
    train = [strain([[1.0]] * 4, [0.0, 10.0, 100.0, 1000.0]), strain([[1.0]] * 2, [20.0, 50.0])]
    transform = ControlTransform.fit(train, kind)  # type: ignore[arg-type]
    z = transform(np.concatenate([one.controls.u[0] for one in train]))
    np.testing.assert_allclose([z.mean(), z.std()], [0.0, 1.0], atol=1e-12)
    assert (transform.low[0], transform.high[0]) == (z.min(), z.max())
    u = np.array([[0.0], [1.0], [5.0], [5000.0]])
    assert (np.diff(transform(u), axis=0) >= -1e-12).all()
    assert np.isfinite(transform(u)).all()


def test_an_absent_protein_and_an_unknown_transform() -> None:
    silent = [strain([[1.0]] * 3, [0.0, 0.0, 0.0])]
    assert np.isfinite(ControlTransform.fit(silent, "log")(np.array([[0.0], [7.0]]))).all()
    with pytest.raises(ValueError, match="must be log, hill or raw, got 'exp'"):
        ControlTransform.fit(silent, "exp")  # type: ignore[arg-type]
