"""Regression on estimated derivatives: what it recovers, how it chooses, how it integrates."""

import numpy as np
import pytest
from omicsbench_derivative_ml import regressors
from omicsbench_derivative_ml.integrate import Box, dop853, rk4
from omicsbench_derivative_ml.model import DerivativeML
from omicsbench_derivative_ml.trees import Forest
from scipy.integrate import solve_ivp

from omicsbench import Controls, Status, TaskInfo, Trajectory
from omicsbench.preprocessing import densified, filled, is_dense, smooth

HORIZON = 10.0
A = np.array([[-0.5, 0.2], [0.1, -0.3]])
B = np.array([[0.4, 0.0, 0.1], [0.0, 0.3, -0.2]])
TASK = TaskInfo(("X", "Y"), ("g/L", "g/L"), ("E", "F", "G"), ("a.u.",) * 3, HORIZON)
NAMES = regressors.CANDIDATES


def silent(step, of, loss=None):
    pass


def strain(number, points=200, until=HORIZON):
    """A strain of dx/dt = A x + B u with wavy controls, solved to 1e-10."""
    draw = np.random.default_rng([11, number])
    t = np.linspace(0.0, until, points)
    phase, pace = draw.uniform(0, 6, 3), draw.uniform(0.5, 1.5, 3)
    knots = np.linspace(0.0, HORIZON, 60)
    controls = Controls(knots, (1.5 + np.sin(pace * knots[:, None] + phase))[None])
    x0 = draw.uniform(0.2, 1.0, 2)
    solution = solve_ivp(
        lambda at, x: A @ x + B @ controls.at(at)[0, 0],
        (0.0, until),
        x0,
        t_eval=t,
        rtol=1e-10,
        atol=1e-12,
        max_step=HORIZON / 60,
    )
    return Trajectory(f"s{number}", t, solution.y.T, controls)


@pytest.fixture(scope="module")
def train():
    return [strain(0), strain(1), strain(2)]


def fitted(train, **parameters):
    model = DerivativeML(seed=3, device="cpu", **parameters)
    model.fit(train, TASK, silent)
    return model


def simulate(model, *strains, t=None):
    t = strains[0].t if t is None else t
    return model.simulate(np.stack([s.x[0] for s in strains]), t, Controls.stack([s.controls for s in strains]))


def test_ridge_recovers_a_linear_system_with_controls(train):
    model, held_out = fitted(train, regressor="ridge"), strain(9)
    x, u = np.random.default_rng(0).uniform(0.5, 2.0, (2, 50, 3))
    np.testing.assert_allclose(model.field(x[:, :2], u), x[:, :2] @ A.T + u @ B.T, atol=5e-3)
    sim = simulate(model, held_out)
    assert sim.status.tolist() == [Status.OK]
    np.testing.assert_allclose(sim.x[0], held_out.x, atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_regressor_fits_and_simulates(train, name):
    model = fitted(train[:2], regressor=name)
    sim = simulate(model, strain(9), strain(8))
    assert sim.x.shape == (2, 200, 2)
    assert (sim.status == Status.OK).all()
    assert np.abs(sim.x - np.stack([strain(9).x, strain(8).x])).max() < 1.5
    assert model.describe()["regressors"]["X"]["regressor"] == name


def test_cross_validation_keeps_strains_apart():
    """Within a strain the answer can be looked up; between strains only the slope carries over."""
    draw = np.random.default_rng(5)
    groups = np.repeat(np.arange(3), 40)
    place = np.array([-6.0, 0.0, 6.0])[groups]
    features = np.column_stack([place + draw.normal(0, 0.6, 120), draw.normal(0, 0.01, 120)])
    target = features[:, 0] + 0.3 * np.sin(12 * features[:, 0])
    by_row = {
        name: regressors.score(name, features, target, np.arange(120) % 5, 0) for name in ("ridge", "gradient-boosting")
    }
    assert by_row["gradient-boosting"] < by_row["ridge"]
    chosen = regressors.choose(features, target, groups, 0)
    assert next(iter(chosen)) == "ridge"
    assert chosen["ridge"] < chosen["gradient-boosting"]


@pytest.mark.parametrize(("strains", "expected"), [(1, 5), (2, 2), (3, 3), (12, 5)])
def test_no_strain_is_on_both_sides_of_a_fold(strains, expected):
    groups = np.repeat(np.arange(strains), 30)
    held_out = regressors.folds(groups)
    assert np.unique(held_out).size == expected
    if strains > 1:
        assert all(np.unique(held_out[groups == s]).size == 1 for s in range(strains))
    else:
        assert (np.diff(held_out) >= 0).all()


def test_the_choice_and_its_score_are_reported(train):
    seen = []
    model = DerivativeML(seed=3, device="cpu")
    model.fit(train, TASK, lambda step, of, loss=None: seen.append((step, of, loss)))
    found = model.describe()["regressors"]
    assert [step[:2] for step in seen] == [(1, 2), (2, 2)]
    for (_, _, loss), state in zip(seen, ("X", "Y"), strict=True):
        assert found[state]["regressor"] == "ridge"
        assert set(found[state]["candidates"]) == set(NAMES)
        assert loss == found[state]["cv_nrmse"] == min(found[state]["candidates"].values())


@pytest.mark.parametrize(("name", "clamp", "tolerance"), [("ridge", False, 1e-3), ("gradient-boosting", True, 0.03)])
def test_both_paths_give_the_same_trajectory(train, name, clamp, tolerance):
    t = np.linspace(0.0, HORIZON, 23)
    fast = fitted(train, regressor=name, clamp=clamp, points=60)
    slow = fitted(train, regressor=name, clamp=clamp, points=60, path="published")
    one, two = simulate(fast, strain(9), t=t), simulate(slow, strain(9), t=t)
    assert one.status[0] == two.status[0] == Status.OK
    np.testing.assert_allclose(one.x, two.x, atol=tolerance)
    assert 0 < one.nfe[0] < two.nfe[0]


@pytest.mark.parametrize("name", ["gradient-boosting", "extra-trees", "random-forest"])
def test_the_table_of_trees_gives_scikit_learns_answer(name):
    draw = np.random.default_rng(2)
    features, target = draw.normal(size=(150, 4)), draw.normal(size=(2, 150))
    trained = {state: regressors.fit(name, features, target[state], 0) for state in (0, 1)}
    points = draw.normal(size=(37, 4))
    expected = np.column_stack([trained[0].predict(points), np.zeros(37), trained[1].predict(points)])
    found = Forest({0: trained[0], 2: trained[1]}, 3).predict(points)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_dense_series_is_not_smoothed_again(train):
    series = densified(train[0], 200, HORIZON, 7, 2)
    assert is_dense(train[0])
    np.testing.assert_array_equal(series.x, train[0].x)
    spotty = np.array(train[0].x)
    spotty[50, 0] = np.nan
    sparse = [strain(0, points=30), Trajectory("holes", train[0].t, spotty, train[0].controls)]
    for one in sparse:
        assert not is_dense(one)
        on_grid = np.stack([np.interp(train[0].t, one.t[~np.isnan(x)], x[~np.isnan(x)]) for x in one.x.T], axis=1)
        np.testing.assert_allclose(densified(one, 200, HORIZON, 7, 2).x, smooth(on_grid), rtol=1e-12)


def test_unequal_spacing_is_not_dense(train):
    t = np.array(train[0].t)
    t[100] += 0.01
    assert not is_dense(Trajectory("uneven", t, train[0].x, train[0].controls))


def test_ragged_strains_with_holes_are_fitted():
    first, second, third = strain(0, points=25), strain(1, points=14, until=8.0), strain(2, points=40)
    holes = np.array(second.x)
    holes[::3, 0] = np.nan
    unmeasured = np.array(third.x)
    unmeasured[:, 1] = np.nan
    ragged = [
        first,
        Trajectory("holes", second.t, holes, second.controls),
        Trajectory("unmeasured", third.t, unmeasured, third.controls),
    ]
    series = [densified(one, 200, HORIZON, 7, 2) for one in ragged]
    assert np.isnan(series[2].dx[:, 1]).all()
    np.testing.assert_allclose(filled(series)[2][:, 1], (series[0].x[:, 1] + series[1].x[:, 1]) / 2)
    sim = simulate(fitted(ragged, regressor="cv"), strain(9))
    assert sim.status.tolist() == [Status.OK]
    assert np.abs(sim.x[0] - strain(9).x).max() < 0.5


def test_a_state_never_measured_stays_where_it_starts(train):
    blind = [Trajectory(s.strain, s.t, np.column_stack([s.x[:, 0], np.full(200, np.nan)]), s.controls) for s in train]
    sim = simulate(fitted(blind, regressor="ridge"), strain(9))
    assert sim.status.tolist() == [Status.OK]
    assert (sim.x[0, :, 1] == strain(9).x[0, 1]).all()


def growing(number):
    """dx/dt = x: leaves every training range."""
    t = np.linspace(0.0, 2.0, 200)
    x = (0.1 + 0.1 * number) * np.exp(t)[:, None] * np.ones(2)
    return Trajectory(f"g{number}", t, x, Controls([0.0], np.ones((1, 1, 3))))


@pytest.mark.parametrize("path", ["vectorised", "published"])
def test_divergence_is_a_status(path):
    model = DerivativeML(seed=0, device="cpu", regressor="ridge", path=path)
    model.fit([growing(0), growing(1)], TASK, silent)
    t = np.linspace(0.0, 60.0, 31)
    sim = model.simulate(np.array([[1.0, 1.0], [0.0, 0.0]]), t, Controls([0.0], np.ones((2, 1, 3))))
    assert sim.status[0] == Status.DIVERGED
    gone = np.isnan(sim.x[0]).any(axis=1)
    first = int(np.argmax(gone))
    assert first > 3
    assert gone[first:].all()
    np.testing.assert_allclose(sim.x[0, 1], np.exp(2.0), rtol=0.05)


@pytest.mark.parametrize("path", ["vectorised", "published"])
def test_clamped_trajectories_stay_between_zero_and_the_training_maximum(path):
    train = [growing(0), growing(1)]
    model = DerivativeML(seed=0, device="cpu", regressor="ridge", clamp=True, path=path)
    model.fit(train, TASK, silent)
    top = train[1].x.max()
    x0 = np.array([[0.3, 0.1], [2 * top, 0.2]])
    sim = model.simulate(x0, np.linspace(0.0, 30.0, 40), Controls([0.0], np.ones((2, 1, 3))))
    assert (sim.status == Status.OK).all()
    assert (sim.x >= 0).all()
    assert (sim.x[0] <= top + 1e-12).all()
    np.testing.assert_allclose(sim.x[0, -1], top)
    assert (sim.x[1, :, 0] == 2 * top).all(), "outside the walls it may only come back"


def test_a_solver_without_headway_gives_up():
    """A field so stiff that DOP853 would need far more evaluations than it is allowed."""
    x0 = np.ones((1, 1))
    box = Box.around(x0, None, np.ones(1))
    controls = Controls([0.0], np.zeros((1, 1, 1)))
    t = np.array([0.0, 1e-6, 100.0])
    sim = dop853(lambda x, u: -1e5 * x, x0, t, controls, 1.0, box, np.ones(1))
    assert sim.status.tolist() == [Status.DIVERGED]
    np.testing.assert_allclose(sim.x[0, 1], np.exp(-0.1), rtol=1e-3)
    assert np.isnan(sim.x[0, 2]).all()


def test_rk4_is_of_fourth_order_between_its_grid_points_too():
    x0 = np.ones((1, 1))
    box = Box.around(x0, None, np.ones(1))
    controls = Controls([0.0, 4.0], np.array([[[0.0], [4.0]]]))
    t = np.array([0.0, 0.37, 1.91, 3.3])

    def error(step):
        sim = rk4(lambda x, u: -x + u, x0, t, controls, step, box)
        return np.abs(sim.x[0, :, 0] - (t - 1 + 2 * np.exp(-t))).max()

    assert error(0.2) < 5e-5
    assert error(0.2) / error(0.1) > 10


@pytest.mark.parametrize("path", ["vectorised", "published"])
def test_simulate_takes_any_times_and_any_batch(train, path):
    model = fitted(train, regressor="ridge", points=60, path=path)
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
        np.testing.assert_allclose(alone.x[0], sim.x[row], rtol=1e-6)
    denser = model.simulate(x0, np.array([0.5, 0.51, 1.0, 1.5, 2.0, 3.0, 5.0, 14.0]), controls)
    np.testing.assert_allclose(denser.x[:, 5], sim.x[:, 2], rtol=1e-6)


def test_the_same_seed_gives_the_same_bits(train):
    sims = []
    for noise in (0, 1):
        np.random.seed(noise)  # noqa: NPY002 - what ran before in the process must not matter
        sims.append(simulate(fitted(train[:2]), strain(9)).x)
    assert (sims[0] == sims[1]).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"regressor": "forest"}, "regressor must be"),
        ({"window": 300}, "order, window and points"),
        ({"order": 7}, "order, window and points"),
        ({"control_transform": "sqrt"}, "control_transform must be"),
        ({"path": "fast"}, "path must be"),
        ({"tpot_population": 0}, "at least 1"),
    ],
)
def test_unsuitable_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        DerivativeML(seed=0, device="cpu", **parameters)


def test_a_missing_tpot_is_said_at_once(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tpot", None)
    with pytest.raises(ImportError, match=r"pip install 'omicsbench-derivative-ml\[tpot\]'"):
        DerivativeML(seed=0, device="cpu", regressor="tpot")
