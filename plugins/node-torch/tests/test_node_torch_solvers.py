"""The trajectory of given weights: the two solvers agree, controls are as defined, divergence is reported."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from omicsbench_node_torch import adjoint, solvers
from omicsbench_node_torch.model import NodeTorch
from omicsbench_node_torch.network import TAU, Inputs, Network
from omicsbench_node_torch.solvers import hermite, rk4, stage_times, warped_knots
from scipy.integrate import solve_ivp

from omicsbench import Array, Controls, Status, TaskInfo, Trajectory
from omicsbench.model import check_simulation
from omicsbench.preprocessing import ControlTransform

Fit = Callable[..., NodeTorch]


@pytest.fixture
def controls() -> Controls:
    """Four strains with kinks, the last two far from training."""
    random = np.random.default_rng(2)
    level = np.array([0.5, 1.5, 4.0, 0.05])[:, None, None]
    return Controls([0.0, 3.0, 7.0, 20.0, 40.0], level * random.lognormal(0, 0.5, (4, 5, 1)))


@pytest.fixture
def x0() -> Array:
    return np.random.default_rng(3).uniform(0.1, 2.5, (4, 2))


def lively(model: NodeTorch, seed: int = 0) -> NodeTorch:
    """With weights larger than training gives, so that trajectories bend."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [
            [(1.3 * matrix + 0.3 * random.standard_normal(matrix.shape), bias) for matrix, bias in member]
            for member in model.weights
        ]
    )
    return model


def constant(model: NodeTorch, *rates: float) -> NodeTorch:
    """A member each whose dy/dt is this constant, per hour, as soon as z > 0 and 0 at z = 0."""
    members = []
    for rate in rates:
        first = np.zeros((8, 3))
        first[0, -1] = 1e3
        hidden, last = np.zeros((8, 8)), np.zeros((2, 8))
        hidden[0, 0], last[:, 0] = 1e3, rate * TAU
        members.append([(first, np.zeros(8)), (hidden, np.zeros(8)), (last, np.zeros(2))])
    model.set_weights(members)
    return model


def test_both_solvers_follow_the_field(fitted: Fit, controls: Controls, x0: Array) -> None:
    """Against the model's own field in double precision, restarted at each kink, at a tight tolerance."""
    fast, model = lively(fitted()), lively(fitted(solver="dopri5"))
    exact = lively(fitted(solver="dopri5", rtol=1e-6, atol=1e-7))
    t = np.sort([*np.linspace(0, 60, 41), 0.1, 3.3, 7.0, 20.0, 40.0])
    found = {m: m.simulate(x0, t, controls) for m in (model, fast, exact)}
    for n in range(4):
        pieces = [x0[n : n + 1]]
        for begin, end in zip([0.0, 3, 7, 20, 40], [3.0, 7, 20, 40, 60], strict=True):
            part = solve_ivp(
                lambda now, x, one: model.field(x[None], one.at(now)[0])[0],
                (begin, end),
                pieces[-1][-1],
                method="DOP853",
                t_eval=[*t[(t > begin) & (t < end)], end],
                args=(controls[[n]],),
                rtol=1e-9,
                atol=1e-10,
            )
            pieces.append(part.y.T)
        reference = np.concatenate(pieces)
        size = np.ptp(reference, axis=0)
        error = {m: (np.abs(sim.x[n] - reference).max(axis=0) / size).max() for m, sim in found.items()}
        assert size.min() > 1.0
        assert error[model] < 8e-3  # four times what was seen: which steps are accepted hangs on last digits
        assert error[fast] < 1e-3
        assert error[exact] < 4e-5


def test_what_fixed_steps_do_not_solve_is_solved_with_error_control(fitted: Fit, controls: Controls, x0: Array) -> None:
    """A rate of 10 1/h is beyond the late steps of RK4: the answer is that of dopri5."""
    checked, adaptive = fitted(), fitted(solver="dopri5")
    for model in (checked, adaptive):
        first, hidden, last = np.zeros((8, 3)), np.zeros((8, 8)), np.zeros((2, 8))
        first[0, 0], hidden[0, 0], last[0, 0] = 1.0, 1.0, -10.0 * TAU
        model.set_weights([[(matrix, np.zeros(len(matrix))) for matrix in (first, hidden, last)]])
    t = np.linspace(0.0, 48.0, 13)
    sim, wanted = (model.simulate(x0, t, controls) for model in (checked, adaptive))
    np.testing.assert_array_equal(sim.x, wanted.x)
    np.testing.assert_array_equal(sim.nfe, wanted.nfe + 4 * (warped_knots(checked.horizon, 48.0).size - 1) + 1)


def test_controls_that_the_steps_cannot_see_are_solved_with_error_control(fitted: Fit, x0: Array) -> None:
    """Pulses between the stages of late steps, and noise; a strain beside them with smooth controls is not touched."""
    checked, adaptive = lively(fitted()), lively(fitted(solver="dopri5"))
    knots = stage_times(warped_knots(checked.horizon, checked.horizon))
    pulses = ((knots[1:] + knots[:-1]) / 2)[-20:-10]
    t = np.unique(np.concatenate([[0.0, 48.0], *(pulses + shift for shift in (-0.2, 0.0, 0.2))]))
    smooth = 1.0 + t / 48.0
    u = np.stack([smooth, smooth + 5.0 * np.isin(t, pulses), smooth + np.random.default_rng(0).normal(0, 0.5, t.size)])
    grid, both = np.linspace(0.0, 48.0, 9), Controls(t, u[:, :, None])
    sim, wanted = (model.simulate(x0[:3], grid, both) for model in (checked, adaptive))
    assert (sim.nfe > 4 * 36 + 1).tolist() == [False, True, True]
    np.testing.assert_allclose(sim.x, wanted.x, atol=5e-3)


def test_the_controls_are_as_defined(controls: Controls) -> None:
    train = [Trajectory("s", [0.0], np.ones((1, 2)), controls[[n]]) for n in range(2)]
    t = np.array([-1.0, 0.0, 1.7, 3.0, 39.9, 40.0, 99.0])
    for kind in ("log", "hill", "raw"):
        transform = ControlTransform.fit(train, kind)
        like = torch.zeros(1, dtype=torch.float64)
        inputs = Inputs(controls, transform, start=2.0, gate=True, like=like)
        z, gate = inputs.at(t)
        wanted = transform(controls.at(t + 2.0)).swapaxes(0, 1)
        np.testing.assert_allclose(z.numpy(), wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(gate.numpy()[..., 0], np.exp(-transform.outside(wanted)), rtol=1e-12)
        np.testing.assert_array_equal(inputs.at(1.7)[0].numpy(), z[2].numpy())


def test_kinks_are_where_the_slope_changes(fitted: Fit, controls: Controls, x0: Array) -> None:
    def kinks(controls: Controls, start: float) -> Array:
        return Inputs(controls, transform, start=start, gate=False, like=torch.zeros(1)).kinks()

    transform = ControlTransform.fit([Trajectory("s", [0.0], np.ones((1, 2)), controls[[0]])], "hill")
    fine = np.unique([*np.linspace(0, 40, 90), *controls.t])
    same = Controls(fine, controls.at(fine))
    np.testing.assert_array_equal(kinks(controls, 0.0), [3.0, 7.0, 20.0, 40.0])
    np.testing.assert_array_equal(kinks(same, 5.0), [2.0, 15.0, 35.0])
    assert kinks(Controls([0.0], np.ones((1, 1, 1))), 0.0).size == 0
    model, t = lively(fitted()), np.array([0.0, 10.0, 48.0])
    np.testing.assert_allclose(model.simulate(x0, t, same).x, model.simulate(x0, t, controls).x, atol=1e-3)


def test_dense_output_is_exact_for_cubics() -> None:
    knots = warped_knots(72.0, 100.0)
    t = np.array([0.0, 0.01, 3.3, 72.0, knots[5], knots[-1]])
    left, weights = hermite(knots, t)
    cubic = np.polynomial.Polynomial([1.0, -0.2, 0.03, -0.0004])
    ends = np.stack([cubic(knots[left]), cubic(knots[left + 1])])
    slopes = np.stack([cubic.deriv()(knots[left]), cubic.deriv()(knots[left + 1])])
    np.testing.assert_allclose((weights * np.concatenate([ends, slopes])).sum(axis=0), cubic(t), rtol=1e-10)


def test_knots_begin_alike_and_cover_the_span() -> None:
    for span in (0.0, 1.0, 72.0, 500.0):
        knots = warped_knots(72.0, span)
        assert knots[-1] >= span
        assert knots.size == 2 or knots[-2] < span
        np.testing.assert_array_equal(knots, warped_knots(72.0, 500.0)[: knots.size])
    assert warped_knots(72.0, 72.0).size == 37


def test_the_adjoint_is_the_gradient() -> None:
    """Of values and of slopes, with respect to everything, against autograd through the same RK4."""
    random = torch.Generator().manual_seed(0)
    network = Network.draw([5, 7, 6, 3], 2, random).to(torch.float64)
    weights = [*network.matrices, *network.biases]
    y0 = torch.randn(2, 4, 3, generator=random, dtype=torch.float64)
    for leaf in (y0, *weights):
        leaf.requires_grad_()
    knots = warped_knots(20.0, 9.0)
    z = torch.randn(2 * knots.size - 1, 4, 2, generator=random, dtype=torch.float64)
    probe = torch.randn(2, 2, knots.size, 4, 3, generator=random, dtype=torch.float64)
    gradients = []
    for by_hand in (False, True):
        rate, drives, steps = network.rate(3), network.drive(z), np.diff(knots)
        if by_hand:
            y, dy = adjoint.solve(rate, y0, drives, steps)
        else:
            y, dy, _ = rk4(rate, y0, drives.unbind(1), [None] * len(stage_times(knots)), steps)
        gradients.append(torch.autograd.grad((probe[0] * y.sin() + probe[1] * dy.square()).sum(), [y0, *weights]))
    for automatic, manual in zip(*gradients, strict=True):
        np.testing.assert_allclose(manual.numpy(), automatic.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("solver", "tolerance"), [("rk4", 1e-6), ("dopri5", 1e-3)])
@pytest.mark.parametrize("members", [1, 3])
def test_a_batch_gives_what_its_strains_give(
    fitted: Fit, controls: Controls, x0: Array, solver: str, tolerance: float, members: int
) -> None:
    model = lively(fitted(solver=solver, members=members))
    t = np.array([2.0, 2.5, 9.0, 30.0, 70.0])
    together = model.simulate(x0, t, controls)
    for n in range(4):
        alone = model.simulate(x0[[n]], t, controls[[n]])
        np.testing.assert_allclose(together.x[n], alone.x[0], atol=tolerance * np.abs(together.x[n]).max())
    check_simulation(together, "node-torch", (4, 5, 2))
    np.testing.assert_array_equal(together.x[:, 0], x0)


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_large_batches_are_cut_without_a_seam(fitted: Fit, controls: Controls, x0: Array, solver: str) -> None:
    model = fitted(solver=solver)
    t, rows = np.array([0.0, 48.0]), np.arange(3000) % 4
    sim = model.simulate(x0[rows], t, controls[rows])
    np.testing.assert_allclose(sim.x, sim.x[rows], rtol=1e-5)


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_one_time_and_late_starts(fitted: Fit, controls: Controls, x0: Array, solver: str) -> None:
    model = lively(fitted(solver=solver))
    point = model.simulate(x0, np.array([5.0]), controls)
    np.testing.assert_array_equal(point.x[:, 0], x0)
    assert (point.status == Status.OK).all()
    late = model.simulate(x0, np.array([5.0, 6.0, 30.0]), controls).x
    moved = Controls(controls.t - 5.0, controls.u)
    np.testing.assert_allclose(late, model.simulate(x0, np.array([0.0, 1.0, 25.0]), moved).x, rtol=1e-5)


def test_rk4_does_not_depend_on_what_is_asked(fitted: Fit, controls: Controls, x0: Array) -> None:
    model = lively(fitted(solver="rk4"))
    short = model.simulate(x0, np.array([0.0, 4.0, 20.0]), controls).x
    long = model.simulate(x0, np.array([0.0, 1.0, 4.0, 20.0, 300.0]), controls).x
    np.testing.assert_allclose(short, long[:, [0, 2, 3]], rtol=1e-6)


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_divergence_is_a_status_and_takes_no_one_along(fitted: Fit, solver: str) -> None:
    """dy/dt = 1e37 per hour leaves float32 after 34 hours; at z = 0 nothing moves."""
    model = constant(fitted(solver=solver, control_transform="raw"), 1e37)
    rest = float(model.transform.mean[0])
    level = np.full((5, 1, 1), rest)
    level[3] += 100.0
    controls = Controls([0.0], level)
    sim = model.simulate(np.ones((5, 2)), np.array([0.0, 1.0, 60.0, 70.0]), controls)
    assert sim.status.tolist() == [Status.OK] * 3 + [Status.DIVERGED, Status.OK]
    np.testing.assert_allclose(sim.x[[0, 1, 2, 4]], 1.0, rtol=1e-5)
    np.testing.assert_array_equal(sim.x[3, 0], 1.0)
    assert np.isnan(sim.x[3, 2:]).all()
    alone = model.simulate(np.ones((1, 2)), np.array([0.0, 1.0, 60.0, 70.0]), controls[[0]])
    np.testing.assert_allclose(alone.x[0], sim.x[0], rtol=1e-6)


def test_a_solver_that_crawls_is_stopped(fitted: Fit, monkeypatch: pytest.MonkeyPatch, controls: Controls) -> None:
    monkeypatch.setattr(solvers, "MAX_STEPS", 40)
    model = fitted()
    stiff = [np.zeros((8, 3)), np.zeros((8, 8)), np.zeros((2, 8))]
    stiff[0][0, 0], stiff[1][0, 0], stiff[2][:, 0] = 1e3, 1e3, -5.0
    model.set_weights([[(matrix, np.zeros(len(matrix))) for matrix in stiff]])
    sim = model.simulate(np.ones((1, 2)), np.array([0.0, 0.5, 48.0]), controls[[0]])
    assert sim.status.tolist() == [Status.DIVERGED]
    assert np.isfinite(sim.x[0, :2]).all()
    assert np.isnan(sim.x[0, 2]).all()


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_a_diverged_member_is_left_out_of_the_mean(fitted: Fit, solver: str) -> None:
    model = fitted(members=3, solver=solver, control_transform="raw")
    controls = Controls([0.0], np.array([[[model.transform.mean[0] + 100.0]]]))
    t, x0 = np.array([0.0, 1.0, 60.0]), np.ones((1, 2))
    one = constant(model, 0.01, 1e37, 0.03).simulate(x0, t, controls)
    assert one.status.tolist() == [Status.OK]
    check_simulation(one, "node-torch", (1, 3, 2))
    np.testing.assert_allclose(one.x[0, -1], 1.0 + 0.02 * 60 * model.scale, rtol=1e-4)
    most = constant(model, 1e37, 0.01, 1e37).simulate(x0, t, controls)
    assert most.status.tolist() == [Status.DIVERGED]
    assert np.isnan(most.x[0, -1]).all()
    np.testing.assert_array_equal(most.x[0, 0], x0[0])


def test_weights_come_back(fitted: Fit, controls: Controls, x0: Array) -> None:
    model, other = fitted(seed=1, members=2), fitted(seed=2, members=2)
    matrix, bias = model.weights[0][0]
    assert matrix.shape == (8, 3)
    assert bias.shape == (8,)
    assert matrix.dtype == np.float64
    t = np.array([0.0, 20.0])
    before = model.simulate(x0, t, controls).x
    assert not np.allclose(other.simulate(x0, t, controls).x, before)
    other.set_weights(model.weights)
    np.testing.assert_array_equal(other.simulate(x0, t, controls).x, before)
    with pytest.raises(ValueError, match="shapes"):
        other.set_weights(model.weights[:1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_said() -> None:
    with pytest.raises(ValueError, match="CUDA"):
        NodeTorch(seed=0, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_gives_what_the_cpu_gives(
    train: list[Trajectory], task: TaskInfo, fitted: Fit, controls: Controls, x0: Array
) -> None:
    model = lively(fitted())
    gpu = NodeTorch(seed=3, device="cuda", steps=2, width=8)
    gpu.fit(train, task, lambda step, of, loss=None: None)
    gpu.set_weights(model.weights)
    t = np.linspace(0, 48, 9)
    np.testing.assert_allclose(gpu.simulate(x0, t, controls).x, model.simulate(x0, t, controls).x, rtol=1e-3)
