"""Trajectories against a float64 reference, and the edges of simulate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from omicsbench_node_jax.integrate import warped_knots
from omicsbench_node_jax.model import NodeJax

from omicsbench import Array, Controls, Status

Maker = Callable[..., NodeJax]
T = np.linspace(0.0, 40.0, 81)
X0 = np.array([[0.5, 1.2], [1.8, 0.4], [0.1, 0.1]])
STIFF = -1e4
"""1/h: the fast rate of the stiff system."""


def relative(x: Array, truth: Array) -> float:
    return float((np.abs(x - truth) / np.abs(truth).max(axis=0)).max())


def solved_by(make: Maker, solver: str, **parameters: object) -> NodeJax:
    """A model fitted through RK4 and simulated by ``solver``: training through Kvaerno5 takes long to compile."""
    model = make(solver="rk4", **parameters)
    model.solver = replace(model.solver, name=solver)
    model.set_weights(model.weights)
    return model


@pytest.mark.parametrize(
    ("parameters", "tolerance"),
    [
        # Which steps are accepted hangs on last digits: four times what was seen on one processor.
        ({"solver": "tsit5"}, 2e-3),
        ({"solver": "tsit5", "rtol": 1e-6, "atol": 1e-6}, 1e-4),
        ({"solver": "kvaerno5"}, 2e-3),
        ({"solver": "rk4"}, 5e-3),
        ({"solver": "tsit5", "control_transform": "log", "gate": True}, 8e-3),
    ],
)
def test_a_solver_follows_the_float64_reference(
    wild: Maker, reference: Callable[..., Array], kinked: Controls, parameters: dict, tolerance: float
) -> None:
    model = solved_by(wild, **parameters)
    sim = model.simulate(X0, T, kinked)
    assert (sim.status == Status.OK).all()
    np.testing.assert_array_equal(sim.x[:, 0], X0)
    for n in range(3):
        assert relative(sim.x[n], reference(model, X0[n], T, kinked[[n]])) < tolerance


def test_dense_controls_are_followed_too(wild: Maker, reference: Callable[..., Array], kinked: Controls) -> None:
    dense = Controls(T, kinked.at(T))
    model = wild()
    x = model.simulate(X0, T, dense).x
    assert relative(x[0], reference(model, X0[0], T, dense[[0]])) < 5e-3


@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
def test_the_trained_trajectories_hold_at_tight_tolerance(
    fitted: Maker, reference: Callable[..., Array], linear_strain: Callable, solver: str
) -> None:
    """Training steps on fixed knots; what it learns must not live on their error."""
    model = fitted(steps=400, solver=solver)
    for strain in (linear_strain(0), linear_strain(77)):
        x = model.simulate(strain.x[:1], T, strain.controls).x[0]
        assert relative(x, reference(model, strain.x[0], T, strain.controls)) < 2e-3


def linear_field(model: NodeJax, fast: float) -> None:
    """dy/dt = (fast (y0 - y1) , (z - y1) / 20) set on a model of depth 0: y0 follows y1 within 1/|fast| hours."""
    model.set_weights([[(10.0 * np.array([[fast, -fast, 0.0], [0.0, -0.05, 0.05]]), np.zeros(2))]])


def test_a_stiff_field_wants_kvaerno5(fitted: Maker, kinked: Controls) -> None:
    explicit = fitted(steps=1, depth=0)  # RK4, and tsit5 where that fails
    linear_field(explicit, STIFF)
    sim = explicit.simulate(X0, T, kinked)
    assert (sim.status == Status.DIVERGED).all()
    assert np.isnan(sim.x[:, -1]).all()

    implicit = solved_by(fitted, "kvaerno5", steps=1, depth=0)
    linear_field(implicit, STIFF)
    sim = implicit.simulate(X0, T, kinked)
    assert (sim.status == Status.OK).all()
    assert sim.nfe is None
    y = sim.x / implicit.sd
    # After the transient the fast state is the slow one.
    np.testing.assert_allclose(y[:, 1:, 0], y[:, 1:, 1], rtol=1e-2, atol=1e-2)
    slow = fitted(steps=1, depth=0, solver="tsit5")
    linear_field(slow, -0.2)
    np.testing.assert_allclose(y[:, :, 1], slow.simulate(X0, T, kinked).x[:, :, 1] / slow.sd[1], rtol=8e-3, atol=4e-3)


def test_evaluations_are_counted(fitted: Maker, kinked: Controls) -> None:
    gentle, hasty = (fitted(steps=1, depth=0, solver="tsit5") for _ in range(2))
    linear_field(gentle, -0.2)
    linear_field(hasty, -50.0)
    few, many = (model.simulate(X0, T, kinked).nfe for model in (gentle, hasty))
    assert (many > 5 * few).all()
    assert (few > 6 * 5).all()  # The controls have four kinks after the start: five steps at least.
    checked = fitted(steps=1, depth=0)
    linear_field(checked, -0.2)
    assert checked.simulate(X0, T, kinked).nfe.tolist() == [4 * 36 + 1] * 3


def test_what_fixed_steps_do_not_solve_is_solved_with_error_control(fitted: Maker, kinked: Controls) -> None:
    """A rate of 50 1/h is beyond the steps of RK4 (1.6 h at the end of 40): the answer is that of tsit5."""
    checked, adaptive = fitted(steps=1, depth=0), fitted(steps=1, depth=0, solver="tsit5")
    for model in (checked, adaptive):
        linear_field(model, -50.0)
    sim, wanted = (model.simulate(X0, T, kinked) for model in (checked, adaptive))
    np.testing.assert_array_equal(sim.x, wanted.x)
    np.testing.assert_array_equal(sim.nfe, wanted.nfe + 4 * 36 + 1)


def test_controls_that_the_steps_cannot_see_are_solved_with_error_control(wild: Maker) -> None:
    """Pulses between the stages of late steps, and noise; a strain beside them with smooth controls is not touched."""
    knots = warped_knots(40.0, 40.0)
    pulses = np.concatenate([0.75 * knots[:-1] + 0.25 * knots[1:], 0.25 * knots[:-1] + 0.75 * knots[1:]])
    pulses = np.sort(pulses)[-20:-10]
    t = np.unique(np.concatenate([[0.0, 40.0], *(pulses + shift for shift in (-0.2, 0.0, 0.2))]))
    smooth = 1.0 + t / 40.0
    u = np.stack([smooth, smooth + 2.0 * np.isin(t, pulses), smooth + np.random.default_rng(0).normal(0, 0.5, t.size)])
    checked, adaptive = wild(), wild(solver="tsit5")
    sim, wanted = (model.simulate(X0, T, Controls(t, u[:, :, None])) for model in (checked, adaptive))
    assert (sim.nfe > 4 * 36 + 1).tolist() == [False, True, True]
    np.testing.assert_allclose(sim.x, wanted.x, atol=1e-2)


@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
def test_growth_without_bound_is_a_status(fitted: Maker, kinked: Controls, solver: str) -> None:
    model = fitted(steps=1, depth=0, solver=solver)
    model.set_weights([[(np.array([[100.0, 0, 0], [0, -1.0, 0]]), np.zeros(2))]])
    x0 = X0 * np.array([[1.0], [0.0], [1.0]])  # The strain that starts at zero stays there.
    sim = model.simulate(x0, T, kinked)
    assert sim.status.tolist() == [Status.DIVERGED, Status.OK, Status.DIVERGED]
    np.testing.assert_array_equal(sim.x[1], 0.0)
    gone = np.isnan(sim.x[0]).any(axis=1)
    assert not gone[0]
    assert gone[-1]
    assert (np.diff(gone.astype(int)) >= 0).all()
    np.testing.assert_array_equal(sim.x[:, 0], x0)


@pytest.mark.parametrize(("solver", "rtol"), [("tsit5", 5e-4), ("rk4", 1e-5), ("kvaerno5", 1e-9)])
def test_a_batch_gives_what_one_by_one_gives(wild: Maker, kinked: Controls, solver: str, rtol: float) -> None:
    """To rounding; what rounding does to the steps of tsit5 is within its tolerance."""
    model = solved_by(wild, solver)
    batch = model.simulate(X0, T, kinked)
    for n in range(3):
        alone = model.simulate(X0[[n]], T, kinked[[n]])
        np.testing.assert_allclose(alone.x[0], batch.x[n], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("solver", ["tsit5", "rk4"])
def test_times_may_be_few_uneven_late_or_long(wild: Maker, kinked: Controls, solver: str) -> None:
    model = wild(solver=solver)
    long = np.concatenate([[0.0, 0.1, 1.0], np.linspace(10.0, 95.0, 78)])
    short = np.concatenate([long[:40], np.linspace(long[39], 60.0, 42)[1:]])
    whole = model.simulate(X0, long, kinked)
    assert (whole.status == Status.OK).all()
    part = model.simulate(X0, short, kinked)
    np.testing.assert_allclose(part.x[:, :40], whole.x[:, :40], rtol=1e-3, atol=1e-3)
    # Started on its way, a trajectory goes on as it did.
    late = model.simulate(whole.x[:, 3], np.linspace(10.0, 95.0, 81), kinked)
    np.testing.assert_allclose(late.x[:, [0, -1]], whole.x[:, [3, -1]], rtol=5e-3, atol=5e-3)
    once = model.simulate(X0, np.array([7.0]), kinked)
    np.testing.assert_array_equal(once.x[:, 0], X0)
    assert once.status.tolist() == [0, 0, 0]
    assert once.nfe.tolist() == [0, 0, 0]


def test_the_clock_does_not_matter_where_controls_are_constant(wild: Maker) -> None:
    controls = Controls(np.array([0.0]), np.full((3, 1, 1), 1.3))
    model = wild()
    np.testing.assert_array_equal(model.simulate(X0, T, controls).x, model.simulate(X0, T + 1000.0, controls).x)


def test_inputs_are_left_alone(wild: Maker, kinked: Controls) -> None:
    x0, t = X0.copy(), T.copy()
    wild().simulate(x0, t, kinked)
    np.testing.assert_array_equal(x0, X0)
    np.testing.assert_array_equal(t, T)
