"""What is learned, and what each parameter does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from omicsbench_node_jax.model import NodeJax

from omicsbench import Controls, Status, TaskInfo, Trajectory
from omicsbench.preprocessing import ControlTransform, state_scale

Maker = Callable[..., NodeJax]
T = np.linspace(0.0, 40.0, 81)
PLAIN = {"control_transform": "raw", "control_noise": 0.0, "x0_noise": 0.0, "weight_decay": 0.0}
CLEAN = {"control_noise": 0.0, "x0_noise": 0.0}


def test_a_linear_field_recovers_a_linear_system(fitted: Maker, train: list[Trajectory]) -> None:
    """Without hidden layers the field is the linear system itself, and training must find it."""
    model = fitted(depth=0, steps=3000, learning_rate=0.2, interpolated_weight=0.0, **PLAIN)
    [[(w, _)]] = model.weights
    rates = w[:, :2] / 10.0 * model.sd[:, None] / model.sd[None]
    np.testing.assert_allclose(rates, [[-0.10, 0.03], [0.06, -0.05]], atol=2e-3)
    push = w[:, 2] / 10.0 * model.sd / model.transform.sd
    np.testing.assert_allclose(push, [0.08, 0.01], atol=2e-3)


def test_a_strain_not_seen_is_predicted(fitted: Maker, linear_strain: Callable[[int], Trajectory]) -> None:
    model = fitted(steps=1500, **PLAIN)
    held_out = linear_strain(77)
    x = model.simulate(held_out.x[:1], T, held_out.controls).x[0, np.searchsorted(T, held_out.t)]
    assert np.sqrt(np.mean(((x - held_out.x) / model.sd) ** 2)) < 0.1


def test_training_through_kvaerno5(fitted: Maker, train: list[Trajectory]) -> None:
    untrained, trained = (fitted(steps=n, depth=1, solver="kvaerno5", learning_rate=0.02, **CLEAN) for n in (1, 60))
    assert trained.describe()["training_loss"] < 0.3 * untrained.describe()["training_loss"]
    sim = trained.simulate(train[0].x[:1], T, train[0].controls)
    assert sim.status[0] == Status.OK


def test_holes_and_ragged_times(fitted: Maker, train: list[Trajectory]) -> None:
    """What is missing does not count: values put where nothing was measured would change the fit."""
    ragged = []
    for n, strain in enumerate(train):
        keep = slice(0, 8 - n)
        x = strain.x[keep].copy()
        x[n % 3, 0] = np.nan
        if n == 2:
            x[:, 1] = np.nan
        ragged.append(Trajectory(strain.strain, strain.t[keep] + n, x, strain.controls))
    alone = Trajectory("one time", np.array([0.0]), np.ones((1, 2)), train[0].controls)
    model = fitted([*ragged, alone], steps=300, **CLEAN)
    assert model.describe()["training_loss"] < 0.1
    assert np.isfinite(model.simulate(train[0].x[:1], T, train[0].controls).x).all()
    with pytest.raises(ValueError, match="more than one time"):
        fitted([alone])


def test_the_start_of_a_state_never_measured_is_the_mean_of_the_others() -> None:
    from omicsbench_node_jax.strains import prepare

    controls = Controls(np.array([0.0]), np.ones((1, 1, 1)))
    nan = np.nan
    strains = [
        Trajectory("a", np.array([0.0, 1, 2]), np.array([[1.0, 5], [2, 6], [nan, 9]]), controls),
        Trajectory("b", np.array([0.0, 4]), np.array([[nan, nan], [3.0, nan]]), controls),
    ]
    made = prepare(strains, np.ones(2))
    np.testing.assert_array_equal(made.y0, [[1.0, 5], [3, 5]])
    np.testing.assert_array_equal(made.measured.weight * 4, [[[0, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [0, 0]]])
    late = made.interpolated.t[0] > 1.0
    assert (made.interpolated.weight[0, late, 0] == 0).all()
    assert (made.interpolated.weight[0, late, 1] > 0).all()
    np.testing.assert_allclose(made.interpolated.weight.sum(), 1.0)
    assert made.fastest_rise == pytest.approx(3.0)  # Of b between 1 h and 2 h, a being held.


def test_a_seed_gives_the_same_bits_and_another_seed_others(fitted: Maker) -> None:
    first, again, other = fitted(seed=1), fitted(seed=1), fitted(seed=2)
    for (w, b), (w2, b2) in zip(first.weights[0], again.weights[0], strict=True):
        np.testing.assert_array_equal(w, w2)
        np.testing.assert_array_equal(b, b2)
    assert not np.array_equal(first.weights[0][0][0], other.weights[0][0][0])


def test_progress_tells_how_far_the_fit_has_come(train: list[Trajectory], task: TaskInfo) -> None:
    told: list[tuple[int, int, float | None]] = []
    model = NodeJax(seed=0, device="cpu", width=8, steps=120)
    model.fit(train, task, lambda step, of, loss=None: told.append((step, of, loss)))
    assert [step for step, _, _ in told] == [50, 100, 120]
    assert {of for _, of, _ in told} == {120}
    found = model.describe()
    assert found["training_loss"] == told[-1][2]
    assert found["number_of_weights"] == 8 * 3 + 8 + 8 * 8 + 8 + 2 * 8 + 2
    assert found["compile_seconds"] > 0


def test_the_field_is_the_formula(fitted: Maker, train: list[Trajectory]) -> None:
    model = fitted(gate=True, lipschitz=0.5)
    x, u = np.array([[0.5, 1.0], [2.0, 0.1]]), np.array([[1.2], [9.0]])
    transform, sd = ControlTransform.fit(train, "hill"), state_scale(train)
    z = transform(u)
    h = np.concatenate([x / sd, z], axis=1)
    layers = [(w / max(1.0, np.linalg.svd(w)[1].max() / 0.5 ** (1 / 3)), b) for w, b in model.weights[0]]
    for w, b in layers[:-1]:
        h = np.tanh(h @ w.T + b)
    wanted = sd / 10.0 * np.exp(-transform.outside(z))[:, None] * (h @ layers[-1][0].T + layers[-1][1])
    np.testing.assert_allclose(model.field(x, u), wanted, rtol=1e-12)


def test_lipschitz_bounds_the_slope(fitted: Maker) -> None:
    def steepest(model: NodeJax) -> float:
        rng = np.random.default_rng(0)
        x, dx = rng.normal(0, 2, (2000, 2)) * model.sd, 1e-3 * rng.normal(size=(2000, 2)) * model.sd
        u = rng.uniform(0.5, 2.5, (2000, 1))
        rise = 10.0 * np.linalg.norm((model.field(x + dx, u) - model.field(x, u)) / model.sd, axis=1)
        return float((rise / np.linalg.norm(dx / model.sd, axis=1)).max())

    free, bound = (fitted(steps=400, lipschitz=limit, **CLEAN) for limit in (None, 0.3))
    assert steepest(bound) <= 0.3 * (1 + 1e-6)
    assert steepest(free) > 0.6
    # Trained under the bound, not cut down to it: the loss is far below that of the field without slope.
    assert bound.describe()["training_loss"] < 0.5 * fitted(steps=1, lipschitz=0.3, **CLEAN).describe()["training_loss"]


def test_the_gate_closes_outside_the_training_controls(fitted: Maker, train: list[Trajectory]) -> None:
    inside, far = train[0].controls.u[0, :1], np.array([[40.0]])
    x = np.array([[0.5, 1.0]])
    # Hill inputs saturate: raw ones go far.
    gated, plain = (fitted(gate=gate, control_transform="raw") for gate in (True, False))
    gated.set_weights(plain.weights)
    np.testing.assert_array_equal(gated.field(x, inside), plain.field(x, inside))
    np.testing.assert_allclose(gated.field(x, far), 0.0, atol=1e-12)
    assert np.abs(plain.field(x, far)).max() > 1e-3
    x = gated.simulate(x, T, Controls(np.array([0.0]), far[None])).x[0]
    np.testing.assert_allclose(x, np.broadcast_to(x[0], x.shape), rtol=1e-5)


def test_negativity_penalty_keeps_states_up(fitted: Maker, train: list[Trajectory]) -> None:
    """On states that are said to be negative half of the time."""
    low = [Trajectory(s.strain, s.t, s.x - 1.3, s.controls) for s in train]

    def below_zero(penalty: float) -> float:
        model = fitted(low, steps=300, negativity_penalty=penalty, **CLEAN)
        sims = [model.simulate(s.x[:1], T, s.controls).x / model.sd for s in low]
        return float(np.mean(np.minimum(sims, 0) ** 2))

    assert below_zero(100.0) < 0.5 * below_zero(0.0)


def test_mass_penalty_holds_the_rise_down(fitted: Maker, train: list[Trajectory]) -> None:
    """Measured every 20 h, a rise looks slow; interpolation must not then be outrun between the measurements."""
    sparse = []
    for n, strain in enumerate(train):
        x = np.full((8, 2), np.nan)
        x[[0, 5, 7]] = (1 + 0.1 * n) * np.array([[0.1], [1.0], [1.05]])
        sparse.append(Trajectory(strain.strain, strain.t, x, strain.controls))

    def steepest(penalty: float) -> float:
        model = fitted(sparse, steps=300, mass_penalty=penalty, learning_rate=0.02, interpolated_weight=0.0, **CLEAN)
        sims = [model.simulate(s.x[:1], T, s.controls).x[0] / model.sd for s in sparse]
        return float(np.max(np.diff(np.sum(sims, axis=2), axis=1) / 0.5))

    assert steepest(1000.0) < 0.9 * steepest(0.0)


def test_weight_decay_shrinks_the_weights(fitted: Maker) -> None:
    sizes = [
        sum((w**2).sum() for w, _ in fitted(steps=200, weight_decay=decay).weights[0]) for decay in (0.0, 1e-3, 1e-1)
    ]
    assert sizes[0] > sizes[1] > 2 * sizes[2]


@pytest.mark.parametrize("name", ["control_noise", "x0_noise", "interpolated_weight", "learning_rate"])
def test_numbers_of_training_change_what_is_learned(fitted: Maker, name: str) -> None:
    one, other = (fitted(**{**CLEAN, name: value}) for value in (1e-3, 1.0))
    assert not np.allclose(one.weights[0][0][0], other.weights[0][0][0], rtol=1e-3)


def test_noise_makes_the_field_less_sensitive_to_controls(fitted: Maker) -> None:
    x, low, high = np.array([[1.0, 1.0]]), np.array([[0.6]]), np.array([[2.4]])
    effect = []
    for noise in (0.0, 3.0):
        model = fitted(steps=400, control_noise=noise, x0_noise=0.0)
        effect.append(np.abs((model.field(x, high) - model.field(x, low)) / model.sd).max())
    assert effect[1] < 0.6 * effect[0]


@pytest.mark.parametrize("kind", ["log", "hill", "raw"])
def test_control_transforms(fitted: Maker, train: list[Trajectory], kind: str) -> None:
    model = fitted(control_transform=kind)
    x, u = np.array([[0.5, 1.0]]), np.array([[1.7]])
    z = ControlTransform.fit(train, kind)(u)  # type: ignore[arg-type]
    h = np.concatenate([x / model.sd, z], axis=1)
    for w, b in model.weights[0][:-1]:
        h = np.tanh(h @ w.T + b)
    w, b = model.weights[0][-1]
    np.testing.assert_allclose(model.field(x, u), model.sd / 10.0 * (h @ w.T + b), rtol=1e-12)


def test_hidden_layers_start_glorot_and_the_output_small() -> None:
    from omicsbench_node_jax.network import initial_weights

    weights = initial_weights(np.random.default_rng(0), [15, 32, 32, 6])
    assert [w.shape for w, _ in weights] == [(32, 15), (32, 32), (6, 32)]
    for (w, b), (n_in, n_out), scale in zip(weights, pairwise([15, 32, 32, 6]), (1, 1, 0.1), strict=True):
        limit = scale * np.sqrt(6 / (n_in + n_out))
        assert 0.9 * limit < np.abs(w).max() <= limit
        assert (b == 0).all()


def test_unsuitable_parameters_are_refused() -> None:
    for parameters, named in [
        ({"width": 0}, "width"),
        ({"depth": -1}, "depth"),
        ({"steps": 0}, "steps"),
        ({"members": 0}, "members"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"rtol": 0.0}, "rtol"),
        ({"lipschitz": 0.0}, "lipschitz"),
        ({"x0_noise": -1.0}, "x0_noise"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"solver": "euler"}, "solver"),
        ({"control_transform": "sqrt"}, "control_transform"),
    ]:
        with pytest.raises(ValueError, match=named):
            NodeJax(seed=0, device="cpu", **parameters)  # type: ignore[arg-type]


def test_a_missing_device_is_told_in_one_line() -> None:
    import jax

    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match="no device 'cuda'") as error:
        NodeJax(seed=0, device="cuda")
    assert "\n" not in str(error.value)


def test_weights_of_another_shape_are_refused(fitted: Maker) -> None:
    model = fitted(steps=1)
    with pytest.raises(ValueError, match="set_weights"):
        model.set_weights([model.weights[0][:-1]])
    with pytest.raises(ValueError, match="set_weights"):
        model.set_weights(model.weights * 2)
