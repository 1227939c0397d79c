"""SINDy with control: the equations it finds, how they read, and how they are integrated."""

import re

import numpy as np
import pytest
from omicsbench_sindy.integrate import trajectory
from omicsbench_sindy.library import candidate_powers
from omicsbench_sindy.model import Sindy
from omicsbench_sindy.regression import sparse_fit
from scipy.integrate import solve_ivp

from omicsbench import Controls, Status, TaskInfo, Trajectory

HORIZON = 10.0
TASK = TaskInfo(("X", "Y"), ("g/L", "mM"), ("E", "F"), ("a.u.", "a.u."), HORIZON)
EXACT = {"control_transform": "raw", "clamp": False, "clip_controls": False, "alpha": 1e-6}
OPTIMIZERS = ("stlsq", "sr3", "ssr", "frols")


def silent(step, of, loss=None):
    pass


def linear(x, u):
    return np.array([-0.5 * x[0] + 0.8 * u[0], 0.3 * x[0] - 0.4 * x[1]])


def predator_prey(x, u):
    return np.array([x[0] - 0.5 * x[0] * x[1], 0.25 * x[0] * x[1] - 0.75 * x[1] + 0.2 * u[0]])


def strain(number, rule=linear, points=400, until=HORIZON):
    """A strain of dx/dt = rule(x, u) with wavy controls, solved to 1e-10."""
    draw = np.random.default_rng([7, number])
    phase, pace = draw.uniform(0, 6, 2), draw.uniform(0.5, 1.5, 2)
    knots = np.linspace(0.0, until, 60)
    controls = Controls(knots, (1.5 + np.sin(pace * knots[:, None] + phase))[None])
    t = np.linspace(0.0, until, points)
    x0 = draw.uniform(0.5, 2.0, 2)
    tight = {"rtol": 1e-10, "atol": 1e-12, "max_step": until / 60}
    solution = solve_ivp(lambda at, x: rule(x, controls.at(at)[0, 0]), (0.0, until), x0, t_eval=t, **tight)
    return Trajectory(f"s{number}", t, solution.y.T, controls)


def fitted(train, **parameters):
    model = Sindy(seed=3, device="cpu", **parameters)
    model.fit(train, TASK, silent)
    return model


def simulate(model, *strains, t=None):
    t = strains[0].t if t is None else t
    return model.simulate(np.stack([s.x[0] for s in strains]), t, Controls.stack([s.controls for s in strains]))


@pytest.fixture(scope="module")
def train():
    return [strain(0), strain(1), strain(2)]


@pytest.mark.parametrize("optimizer", ["stlsq", "sr3", "ssr"])  # FROLS never takes a term back: tested below
def test_a_sparse_linear_system_with_control_is_recovered(train, optimizer):
    model = fitted(train, optimizer=optimizer, threshold=1e-3 if optimizer == "ssr" else 0.05, **EXACT)
    found = model.describe()["coefficients"]
    expected = {"X": {"[X]": -0.5, "E": 0.8}, "Y": {"[X]": 0.3, "[Y]": -0.4}}
    for state, terms in expected.items():
        others = {name: value for name, value in found[state].items() if name not in terms}
        # Standardised controls leave a constant, which cancels: the true system has none.
        assert set(others) <= {"1"}
        assert abs(others.get("1", 0.0)) < 5e-3
        for name, value in terms.items():
            assert found[state][name] == pytest.approx(value, abs=5e-3)
    sim = simulate(model, strain(9))
    assert sim.status.tolist() == [Status.OK]
    np.testing.assert_allclose(sim.x[0], strain(9).x, atol=0.01)


@pytest.mark.parametrize(("library", "degree"), [("polynomial", 2), ("bilinear", 2)])
def test_products_of_states_are_found(library, degree):
    train = [strain(number, predator_prey) for number in range(3)]
    model = fitted(train, library=library, degree=degree, threshold=0.05, **EXACT)
    found = model.describe()["coefficients"]
    assert found["X"]["[X]"] == pytest.approx(1.0, abs=0.02)
    assert found["X"]["[X] [Y]"] == pytest.approx(-0.5, abs=0.02)
    assert found["Y"]["[X] [Y]"] == pytest.approx(0.25, abs=0.02)
    assert found["Y"]["[Y]"] == pytest.approx(-0.75, abs=0.02)
    held_out = strain(9, predator_prey)
    np.testing.assert_allclose(simulate(model, held_out).x[0], held_out.x, rtol=0.05, atol=0.05)


def test_the_bilinear_library_adds_states_times_controls():
    powers = candidate_powers("bilinear", 1, 2, 1).tolist()
    assert powers == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]]
    assert len(candidate_powers("polynomial", 2, 2, 1)) == 10


def evaluate(equation, values):
    """State and right-hand side, by Python itself, after giving the names a spelling that it knows."""
    left, right = equation.split(" = ")
    text, names = right[: right.rindex(" (")], {}
    for number, name in enumerate(sorted(values, key=len, reverse=True)):
        text, names[f"v{number}_"] = text.replace(name, f"v{number}_"), values[name]
    text = re.sub(r"(?<=[\d_]) (?=v)", " * ", text).replace("^", "**")
    return left[2:-4], eval(text, {}, names)


@pytest.mark.parametrize("transform", ["log", "hill", "raw"])
@pytest.mark.parametrize(("library", "degree"), [("polynomial", 1), ("bilinear", 1), ("polynomial", 2)])
def test_the_equations_as_text_are_the_field(train, transform, library, degree):
    model = fitted(train, control_transform=transform, library=library, degree=degree, threshold=0.0)
    half = model.library.transform.half
    x, u = np.array([[0.9, 0.7]]), np.array([[1.1, 1.9]])
    values = {"[X]": 0.9, "[Y]": 0.7}
    for name, value, middle in zip("EF", u[0], half, strict=True):
        values[name] = value
        values[f"log10({name})"] = np.log10(value)
        values[f"({name} / ({name} + {middle:.6g}))"] = value / (value + middle)
    field = dict(zip(TASK.states, model.field(x, u)[0], strict=True))
    for equation, unit in zip(model.describe()["equations"], TASK.state_units, strict=True):
        assert equation.endswith(f" ({unit}/h)")
        state, slope = evaluate(equation, values)
        assert slope == pytest.approx(field[state], rel=1e-3, abs=1e-4)


def test_a_reader_is_told_where_the_equations_hold(train):
    where = fitted(train).describe()["where"]
    u = np.concatenate([s.controls.u[0, :, 0] for s in train])
    low, high = map(float, re.fullmatch(r"E held within (\S+) and (\S+)", where[0]).groups())
    assert (low, high) == pytest.approx((u.min(), u.max()), rel=1e-5)
    assert where[2].startswith("[X] held within 0 and ")
    assert fitted(train, clamp=False, clip_controls=False, control_transform="raw").describe()["where"] == []


def test_controls_beyond_the_training_range_are_held_when_clipped(train):
    x, outside = np.array([[1.0, 1.0]]), np.array([[50.0, -3.0]])
    u = np.concatenate([s.controls.u[0] for s in train])
    edge = np.array([[u[:, 0].max(), u[:, 1].min()]])
    clipped = fitted(train, control_transform="raw", clamp=False)
    np.testing.assert_allclose(clipped.field(x, outside), clipped.field(x, edge))
    free = fitted(train, **EXACT)
    assert np.abs(free.field(x, outside) - free.field(x, edge)).max() > 10


def test_controls_are_held_past_their_last_sample(train):
    model = fitted(train, **EXACT)
    short = Controls([0.0, 2.0], np.array([[[1.0, 1.0], [2.0, 1.0]]]))
    long = Controls([0.0, 2.0, 30.0], np.array([[[1.0, 1.0], [2.0, 1.0], [2.0, 1.0]]]))
    t, x0 = np.linspace(0.0, 30.0, 40), np.array([[1.0, 1.0]])
    sims = [model.simulate(x0, t, controls) for controls in (short, long)]
    np.testing.assert_allclose(sims[0].x, sims[1].x, rtol=1e-4)
    np.testing.assert_allclose(sims[0].x[0, -1], [3.2, 2.4], rtol=0.02)


def doubling(number):
    """dx/dt = x^2 / 4 from 0.5 and up: degree 2 blows up at a finite time."""
    t = np.linspace(0.0, 4.0, 300)
    start = 0.5 + 0.2 * number
    return Trajectory(f"d{number}", t, np.repeat((1 / (1 / start - t / 4))[:, None], 2, axis=1), flat())


def flat(strains=1):
    return Controls([0.0], np.ones((strains, 1, 2)))


def test_divergence_is_a_status():
    free = fitted([doubling(0), doubling(1)], degree=2, **EXACT)
    t = np.linspace(0.0, 20.0, 81)
    sim = free.simulate(np.array([[0.5, 0.5], [0.0, 0.0]]), t, flat(2))
    assert sim.status.tolist() == [Status.DIVERGED, Status.OK]
    gone = np.isnan(sim.x[0]).any(axis=1)
    first = int(np.argmax(gone))
    assert 4.0 < t[first] < 9.0
    assert gone[first:].all()
    assert np.isfinite(sim.x[1]).all()


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_clamping_keeps_every_trajectory_in_the_training_range(degree):
    train = [doubling(0), doubling(1)]
    model = fitted(train, degree=degree, threshold=0.0)
    top = train[1].x.max()
    x0 = np.array([[0.5, 0.6], [2 * top, 0.1], [0.0, top]])
    sim = model.simulate(x0, np.linspace(0.0, 60.0, 61), flat(3))
    assert (sim.status == Status.OK).all()
    assert (sim.x >= 0.0).all()
    assert (sim.x <= np.maximum(x0, top)[:, None]).all()


def test_a_solver_without_headway_gives_up():
    """Controls that make the field jump a million times in an hour."""
    knots = np.linspace(0.0, 1.0, 1001)
    controls = Controls(knots, np.zeros((1, knots.size, 1)))
    wild = np.ones(1)
    x, status, evaluations = trajectory(
        lambda x, u: np.sign(np.sin(1e9 * x)) * 1e3 + 1.0,
        wild,
        np.array([0.0, 1.0]),
        controls,
        -np.inf * wild,
        np.inf * wild,
        wild,
    )
    assert status == Status.DIVERGED
    assert np.isnan(x[1]).all()
    assert evaluations < 60_000


def test_ragged_strains_with_holes_and_unequal_lengths_are_fitted(train):
    second, third = strain(1, points=150, until=7.0), strain(2, points=120)
    holes = np.array(second.x)
    holes[::3, 0] = np.nan
    unmeasured = np.array(third.x)
    unmeasured[:, 1] = np.nan
    ragged = [
        train[0],
        Trajectory("holes", second.t, holes, second.controls),
        Trajectory("unmeasured", third.t, unmeasured, third.controls),
    ]
    sim = simulate(fitted(ragged, control_transform="raw"), strain(9))
    assert sim.status.tolist() == [Status.OK]
    assert np.abs(sim.x[0] - strain(9).x).max() < 0.4


def test_a_state_never_measured_and_a_control_that_never_moves(train):
    odd = [
        Trajectory(
            s.strain,
            s.t,
            np.column_stack([s.x[:, 0], np.full(s.t.size, np.nan)]),
            Controls(s.controls.t, np.stack([s.controls.u[0, :, 0], np.full(s.controls.t.size, 2.0)], axis=1)[None]),
        )
        for s in train
    ]
    for optimizer in OPTIMIZERS:
        model = fitted(odd, optimizer=optimizer)
        sim = model.simulate(np.array([[1.0, 0.7]]), np.linspace(0.0, 5.0, 6), odd[0].controls)
        assert sim.status.tolist() == [Status.OK]
        assert (sim.x[0, :, 1] == 0.7).all()
        assert model.describe()["equations"][1] == "d[Y]/dt = 0 (mM/h)"


def test_everything_below_the_threshold_leaves_nothing(train):
    model = fitted(train, threshold=1e6)
    assert model.describe()["equations"] == ["d[X]/dt = 0 (g/L/h)", "d[Y]/dt = 0 (mM/h)"]
    sim = simulate(model, strain(9))
    assert (sim.x[0] == strain(9).x[0]).all()


@pytest.mark.parametrize("optimizer", ["ssr", "frols"])
def test_greedy_searches_stop_at_the_sparsest_model_that_explains_enough(optimizer):
    draw = np.random.default_rng(1)
    terms = np.column_stack([np.ones(300), draw.normal(size=(300, 6))])
    target = 3.0 * terms[:, 2] - 1.0 * terms[:, 5] + 0.1 * terms[:, 4]
    for threshold, expected in [(1e-6, [2, 4, 5]), (0.02, [2, 5]), (0.3, [2])]:
        found = sparse_fit(terms, target, optimizer, threshold, 0.01)
        assert np.flatnonzero(found).tolist() == expected


def test_an_ensemble_gives_its_members_trajectories(train):
    seen = []
    noisy = [
        Trajectory(s.strain, s.t, s.x + np.random.default_rng(n).normal(0, 0.02, s.x.shape), s.controls)
        for n, s in enumerate(train)
    ]
    model = Sindy(seed=1, device="cpu", ensemble=7, control_transform="raw")
    model.fit(noisy, TASK, lambda step, of, loss=None: seen.append((step, of)))
    assert seen == [(n + 1, 14) for n in range(14)]
    t = np.linspace(0.0, HORIZON, 12)
    sim = simulate(model, strain(8), strain(9), t=t)
    assert sim.samples.shape == (7, 2, 12, 2)
    spread = np.ptp(sim.samples, axis=0)
    assert (spread[:, 0] == 0.0).all()
    assert (spread[:, -1] > 0.0).all()
    assert np.abs(np.median(sim.samples, axis=0) - sim.x).max() < 0.05


def test_members_that_diverge_leave_no_samples():
    model = fitted([doubling(0), doubling(1)], degree=2, ensemble=3, **EXACT)
    # The median member starts at rest; one that is pushed off does not stay.
    model.ensemble[0, :, 0] += 5.0
    sim = model.simulate(np.zeros((1, 2)), np.linspace(0.0, 20.0, 5), flat())
    assert sim.status.tolist() == [Status.OK]
    assert sim.samples is None


def test_simulate_takes_any_times_and_any_batch(train):
    model = fitted(train)
    strains = [strain(7), strain(8), strain(9)]
    x0 = np.stack([s.x[0] for s in strains])
    controls = Controls.stack([s.controls for s in strains])
    assert (model.simulate(x0, np.array([0.0]), controls).x[:, 0] == x0).all()
    t = np.array([0.5, 0.51, 3.0, 9.9, 14.0])
    sim = model.simulate(x0, t, controls)
    assert (sim.x[:, 0] == x0).all()
    assert (sim.status == Status.OK).all()
    for row in range(3):
        alone = model.simulate(x0[[row]], t, controls[[row]])
        np.testing.assert_allclose(alone.x[0], sim.x[row], rtol=1e-12)


def test_the_same_seed_gives_the_same_bits(train):
    sims = []
    for noise in (0, 1):
        np.random.seed(noise)  # noqa: NPY002 - what ran before in the process must not matter
        sims.append(simulate(fitted(train, ensemble=3), strain(9)).samples)
    assert (sims[0] == sims[1]).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"library": "fourier"}, "library must be"),
        ({"degree": 0}, "degree must be"),
        ({"optimizer": "lasso"}, "optimizer must be"),
        ({"threshold": -0.1}, "must not be negative"),
        ({"alpha": float("nan")}, "must not be negative"),
        ({"ensemble": -1}, "must not be negative"),
        ({"control_transform": "sqrt"}, "control_transform must be"),
    ],
)
def test_unsuitable_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        Sindy(seed=0, device="cpu", **parameters)
