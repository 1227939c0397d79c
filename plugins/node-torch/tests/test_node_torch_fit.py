"""Training: it finds a known system, and every parameter does what it says."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from omicsbench_node_torch.model import NodeTorch
from omicsbench_node_torch.network import TAU, Network
from omicsbench_node_torch.training import prepare, train_network

from omicsbench import Controls, TaskInfo, Trajectory
from omicsbench.preprocessing import interpolate_states

Fit = Callable[..., NodeTorch]
Strain = Callable[[int], Trajectory]


def quiet(step: int, of: int, loss: float | None = None) -> None:
    pass


def same(one: NodeTorch, other: NodeTorch) -> bool:
    return all(
        np.array_equal(a, b)
        for member, twin in zip(one.weights, other.weights, strict=True)
        for layer, layer_twin in zip(member, twin, strict=True)
        for a, b in zip(layer, layer_twin, strict=True)
    )


def size(model: NodeTorch) -> float:
    return sum(float((matrix**2).sum()) for matrix, _ in model.weights[0])


def test_a_linear_system_is_recovered(strain: Strain, task: TaskInfo) -> None:
    train = [strain(k) for k in range(100, 116)]
    model = NodeTorch(seed=1, device="cpu", control_transform="raw", control_noise=0.0, x0_noise=0.0, weight_decay=1e-6)
    losses: list[float] = []
    model.fit(train, task, lambda step, of, loss=None: losses.append(loss))
    assert len(losses) == 400
    assert losses[-1] < 0.02 * losses[0]
    for held_out in (strain(11), strain(13)):
        predicted = model.simulate(held_out.x[:1], held_out.t, held_out.controls).x[0]
        spread = np.concatenate([each.x for each in train]).std(axis=0)
        error = np.sqrt(((predicted - held_out.x) ** 2).mean(axis=0)) / spread
        persistence = np.sqrt(((held_out.x[0] - held_out.x) ** 2).mean(axis=0)) / spread
        assert error.max() < 0.2
        assert persistence.max() > 2.0


def test_the_same_seed_gives_the_same_weights_whatever_ran_before(fitted: Fit) -> None:
    first = fitted(seed=5, members=2)
    fitted(seed=6)
    assert same(first, fitted(seed=5, members=2))
    assert not same(fitted(seed=6), fitted(seed=7))


@pytest.mark.parametrize("noise", ["control_noise", "x0_noise"])
def test_noise_changes_training(fitted: Fit, noise: str) -> None:
    assert not same(fitted(**{noise: 0.0}), fitted(**{noise: 0.5}))


def test_holes_and_ragged_times(train: list[Trajectory], fitted: Fit) -> None:
    ragged = []
    for n, each in enumerate(train):
        x = each.x.copy()
        x[1 + n % 3 :: 3, 0] = np.nan
        keep = slice(n % 2, len(each.t) - n % 4)
        ragged.append(Trajectory(each.strain, each.t[keep], x[keep], each.controls))
    unmeasured = ragged[2].x.copy()
    unmeasured[:, 1] = np.nan
    ragged[2] = Trajectory("hole", ragged[2].t, unmeasured, ragged[2].controls)
    model = fitted(ragged, steps=300, control_noise=0.0, x0_noise=0.0)
    whole = train[2]
    predicted = model.simulate(whole.x[:1], whole.t, whole.controls).x[0]
    assert np.abs(predicted - whole.x).max() < 0.35 * np.ptp(whole.x)


def test_a_state_nobody_measured_does_not_spoil_the_others(train: list[Trajectory], fitted: Fit) -> None:
    blind = [Trajectory(s.strain, s.t, np.where([True, False], s.x, np.nan), s.controls) for s in train]
    model = fitted(blind)
    assert np.isfinite(model.simulate(train[0].x[:1], train[0].t, train[0].controls).x).all()


def test_a_strain_of_one_time_and_a_single_strain(train: list[Trajectory], fitted: Fit) -> None:
    point = Trajectory("point", train[0].t[-1:], train[0].x[-1:], train[0].controls)
    for strains in ([point], [point, train[1]]):
        model = fitted(strains)
        assert np.isfinite(model.weights[0][0][0]).all()


def test_interpolated_points_pull_where_nothing_was_measured(train: list[Trajectory], fitted: Fit) -> None:
    """Two points of a curve and a straight line between them: the more weight, the straighter."""
    ends = [Trajectory(s.strain, s.t[[0, 4, 9]], s.x[[0, 4, 9]], s.controls) for s in train]

    def bend(weight: float) -> float:
        model = fitted(ends, steps=200, control_noise=0.0, x0_noise=0.0, interpolated_weight=weight)
        return sum(
            float(np.abs(model.simulate(s.x[:1], s.t, s.controls).x[0] - interpolate_states(e, s.t)).mean())
            for s, e in zip(train, ends, strict=True)
        )

    assert bend(10.0) < 0.9 * bend(0.0)


def test_weight_decay_shrinks_weights(fitted: Fit) -> None:
    assert size(fitted(weight_decay=0.1, steps=100)) < 0.5 * size(fitted(weight_decay=0.0, steps=100))


def test_the_lipschitz_bound_holds(fitted: Fit) -> None:
    bound = 0.3
    random = np.random.default_rng(0)
    x, u = random.uniform(0, 3, (400, 2)), random.uniform(0, 3, (400, 1))

    def ratio(model: NodeTorch) -> float:
        inputs = np.concatenate([x / model.scale, model.transform(u)], axis=1)
        output = model.field(x, u) * TAU / model.scale
        steps = np.linalg.norm(inputs[1:] - inputs[:-1], axis=1)
        return float((np.linalg.norm(output[1:] - output[:-1], axis=1) / steps).max())

    parameters = {"control_transform": "raw", "steps": 150, "control_noise": 0.0}
    free, bounded = fitted(**parameters), fitted(**parameters, lipschitz=bound)
    assert ratio(free) > bound
    assert ratio(bounded) <= bound * (1 + 1e-6)
    bounded.set_weights(free.weights)
    assert ratio(bounded) <= bound * (1 + 1e-6)


def test_the_gate_closes_the_field_outside_the_training_controls(fitted: Fit) -> None:
    model, open_model = fitted(gate=True, control_transform="raw"), fitted(control_transform="raw")
    open_model.set_weights(model.weights)
    x = np.array([[0.5, 1.0]])
    inside, outside = np.array([[1.2]]), np.array([[50.0]])
    np.testing.assert_array_equal(model.field(x, inside), open_model.field(x, inside))
    assert np.abs(open_model.field(x, outside)).max() > 1e-3
    assert np.abs(model.field(x, outside)).max() < 1e-12
    still = model.simulate(x, np.array([0.0, 10.0, 48.0]), Controls([0.0], outside[None])).x[0]
    np.testing.assert_allclose(still, np.repeat(x, 3, axis=0), rtol=1e-6)


def test_the_negativity_penalty_keeps_trajectories_up(train: list[Trajectory], fitted: Fit) -> None:
    sinking = [Trajectory(s.strain, s.t, 1.0 - s.x, s.controls) for s in train]

    def share(penalty: float) -> float:
        model = fitted(sinking, steps=150, control_noise=0.0, x0_noise=0.0, negativity_penalty=penalty)
        return float(np.mean([(model.simulate(s.x[:1], s.t, s.controls).x < 0).mean() for s in sinking]))

    assert share(0.0) > 0.3
    assert share(100.0) < 0.5 * share(0.0)


def test_the_mass_penalty_bounds_the_rise(task: TaskInfo, fitted: Fit) -> None:
    """Two slow points of a fast saturation: the line between them rises less than the curve through them."""
    t = np.array([0.0, 24.0, 48.0])
    x = np.stack([1 - np.exp(-0.1 * t), 1 - np.exp(-0.15 * t)], axis=1)
    strains = [Trajectory("up", t, x, Controls([0.0], np.ones((1, 1, 1))))]

    def rise(penalty: float) -> float:
        quick = {"steps": 200, "learning_rate": 0.02, "control_noise": 0.0, "x0_noise": 0.0, "interpolated_weight": 0.0}
        model = fitted(strains, **quick, mass_penalty=penalty)
        times = np.linspace(0, 48, 97)
        y = model.simulate(x[:1], times, strains[0].controls).x[0] / model.scale
        return float((np.diff(y.sum(axis=1)) / np.diff(times)).max())

    fastest = (x / x.std(axis=0)).sum(axis=1)[1] / 24.0
    assert rise(0.0) > 1.5 * fastest
    assert rise(1000.0) < 1.2 * fastest


def test_members_are_an_ensemble(train: list[Trajectory], fitted: Fit) -> None:
    model = fitted(members=3)
    sim = model.simulate(train[0].x[:1], train[0].t, train[0].controls)
    assert sim.samples is not None
    assert sim.samples.shape == (3, 1, 10, 2)
    np.testing.assert_allclose(sim.x, sim.samples.mean(axis=0), rtol=1e-12)
    assert sim.samples[:, 0, -1].std(axis=0).min() > 1e-4
    assert model.field(train[0].x[:1], train[0].controls.u[0, :1]) is None
    assert len(model.weights) == 3


def test_a_member_is_trained_as_it_would_be_alone(train: list[Trajectory], fitted: Fit) -> None:
    model = fitted(steps=30, control_noise=0.0, x0_noise=0.0, lipschitz=5.0)
    lesson = prepare(train, model.scale, model.transform, model.horizon, 0.1, "cpu")
    untrained = Network.draw([3, 8, 8, 2], 3, torch.Generator().manual_seed(0))
    together, _ = train_network(untrained, lesson, model.recipe, torch.Generator(), quiet)
    for m in range(3):
        alone, _ = train_network(untrained.part(slice(m, m + 1)), lesson, model.recipe, torch.Generator(), quiet)
        for (a, _), (b, _) in zip(together.dump()[m], alone.dump()[0], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_transforms_differ(fitted: Fit) -> None:
    log, hill, raw = (fitted(control_transform=kind) for kind in ("log", "hill", "raw"))
    x, u = np.ones((3, 2)), np.array([[0.2], [1.0], [4.0]])
    for model in (hill, raw):
        model.set_weights(log.weights)
    fields = [model.field(x, u) for model in (log, hill, raw)]
    assert min(np.abs(fields[a] - fields[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-4


def test_describe_goes_into_a_record(fitted: Fit) -> None:
    found = json.loads(json.dumps(fitted(steps=3).describe()))
    assert found["number_of_weights"] == (3 * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2)
    assert found["training_loss"] > 0


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("width", 0),
        ("depth", 0),
        ("members", 0),
        ("learning_rate", 0.0),
        ("lipschitz", -1.0),
        ("rtol", 0.0),
        ("steps", -1),
        ("weight_decay", -0.1),
        ("control_noise", float("nan")),
        ("control_transform", "sqrt"),
        ("solver", "euler"),
        ("device", "tpu"),
    ],
)
def test_unsuitable_parameters_are_named(parameter: str, value: object) -> None:
    with pytest.raises(ValueError, match=parameter) as error:
        NodeTorch(**{"seed": 0, "device": "cpu", parameter: value})
    assert "\n" not in str(error.value)
