"""Virtual strains: seeds, what is observed, what models are given."""

import numpy as np
import pytest

from omicsbench import Controls
from omicsbench.kinetics import (
    DENSE_TIMES,
    HELD_OUT,
    MEASURED_TIMES,
    STATES,
    Strains,
    VirtualStrains,
    exact,
    field,
    intervene,
    measured,
    observe,
    state_names,
    state_units,
    virtual_strains,
)


@pytest.fixture(scope="module")
def strains() -> VirtualStrains:
    return virtual_strains("limonene", 1, HELD_OUT, range(5))


def test_strain_k_does_not_depend_on_how_many_are_drawn(strains):
    alone = virtual_strains("limonene", 1, HELD_OUT, [3])
    np.testing.assert_allclose(alone.x_full[0], strains.x_full[3], rtol=1e-11)
    np.testing.assert_array_equal(alone.controls([0.0, 5.0]).u[0], strains.controls([0.0, 5.0]).u[3])
    np.testing.assert_array_equal(measured(alone)[0].controls.u, measured(strains)[3].controls.u)
    np.testing.assert_allclose(measured(alone)[0].x, measured(strains)[3].x, rtol=1e-11)


def test_sets_and_strains_differ(strains):
    other = Strains.draw(1, range(5))
    assert not np.isclose(other.level, strains.strains.level).any()
    assert len(np.unique(strains.strains.level)) > 40


def test_the_same_request_gives_the_same_numbers(tmp_path, monkeypatch, strains):
    monkeypatch.setenv("OMICSBENCH_CACHE", str(tmp_path))
    again = virtual_strains("limonene", 1, HELD_OUT, range(5))
    np.testing.assert_array_equal(again.x_full, strains.x_full)
    np.testing.assert_array_equal(virtual_strains("limonene", 1, HELD_OUT, range(5)).x_full, strains.x_full)


def test_nothing_is_negative_and_everything_moves(strains):
    for each in (strains, virtual_strains("isopentenol", 1, HELD_OUT, range(5), stiffness=1000.0)):
        assert each.x_full.min() >= 0.0
        assert np.isfinite(each.x_full).all()
        assert np.all(np.ptp(each.x_full, axis=(0, 1)) > 0)


def test_inputs_start_low_grow_and_feed(strains):
    v = strains.inputs(DENSE_TIMES)
    assert v.min() > 0
    od, glucose = v[..., 10], v[..., 11]
    np.testing.assert_allclose(od[:, 0], strains.strains.od)
    assert np.all(np.diff(od, axis=1) > 0)
    assert np.all(od < strains.world.Kod)
    np.testing.assert_array_equal(glucose[:, 0], 1.0)
    dense = np.linspace(0, 72, 20001)
    v = strains.inputs(dense)
    world = strains.world
    logistic = world.r * v[..., 10] * (1 - v[..., 10] / world.Kod)
    np.testing.assert_allclose(np.gradient(v[..., 10], dense, axis=1)[:, 1:-1], logistic[:, 1:-1], rtol=1e-4)
    eaten = -world.qg * v[..., 10] * v[..., 11]
    np.testing.assert_allclose(np.gradient(v[..., 11], dense, axis=1)[:, 1:-1], eaten[:, 1:-1], rtol=1e-4)


def test_observed_states_are_the_measured_tasks(strains):
    assert strains.states == ("Acetyl-CoA", "HMG-CoA", "Mevalonate", "Mev-P", "IPP/DMAPP", "Limonene")
    assert state_names("isopentenol")[-1] == "Isopentenol"
    assert len(state_units()) == 6
    assert len(state_units(every_state=True)) == 10
    i, d = STATES.index("IPP"), STATES.index("DMAPP")
    np.testing.assert_array_equal(strains.x[..., 4], strains.x_full[..., i] + strains.x_full[..., d])
    np.testing.assert_array_equal(strains.x[..., 5], strains.x_full[..., -1])


def test_proteins_have_the_measured_tasks_names_and_order():
    limonene = virtual_strains("limonene", 1, 0, [0], t=[0.0])
    isopentenol = virtual_strains("isopentenol", 1, 0, [0], t=[0.0])
    assert limonene.world.proteins == (
        "AtoB", "GPPS", "HMGR", "HMGS", "Idi", "Limonene Synthase", "MK", "PMD", "PMK",
    )  # fmt: skip
    assert isopentenol.world.proteins == ("AtoB", "HMGR", "HMGS", "Idi", "MK", "NudB", "PMD", "PMK")
    assert limonene.world.controls == (*limonene.world.proteins, "OD600", "Glucose")
    level = limonene.strains.level[0]
    late = limonene.controls([12.0]).u[0, 0]
    assert late[0] / level[0] == pytest.approx(1, abs=0.5)


def test_derivative_is_that_of_the_trajectory(strains):
    t = np.array([0.0, 29.999, 30.0, 30.001])
    near = virtual_strains("limonene", 1, HELD_OUT, range(5), t=t)
    slope = (near.x[:, 3] - near.x[:, 1]) / 0.002
    np.testing.assert_allclose(near.dx[:, 2], slope, rtol=1e-4, atol=1e-6)


def test_what_models_are_given_determines_dx_dt(strains):
    for pathway in ("limonene", "isopentenol"):
        some = virtual_strains(pathway, 1, HELD_OUT, range(5)).at(MEASURED_TIMES)
        from_controls = some.world.inputs_of(some.controls(some.t).u)
        np.testing.assert_allclose(observe(field(some.world, some.x_full, from_controls)), some.dx, rtol=1e-12)


def test_measured_has_holes_and_five_percent_noise():
    many = virtual_strains("limonene", 1, HELD_OUT, range(60), t=MEASURED_TIMES)
    x = np.stack([trajectory.x for trajectory in measured(many)])
    holes = np.zeros((9, 6), dtype=bool)
    holes[[2, 6, 8], :2] = True
    np.testing.assert_array_equal(np.isnan(x), np.broadcast_to(holes, x.shape))
    truth = many.at(MEASURED_TIMES).x
    seen = ~np.isnan(x) & (truth > 0)
    ratio = np.log(x[seen] / truth[seen])
    assert ratio.std() == pytest.approx(0.05, rel=0.05)
    assert abs(ratio.mean()) < 0.005
    assert np.all(x[:, 0] != truth[:, 0], axis=0)[:5].all()
    for trajectory in measured(many):
        np.testing.assert_array_equal(trajectory.t, MEASURED_TIMES)
        np.testing.assert_array_equal(trajectory.controls.t, MEASURED_TIMES)


def test_exact_is_the_truth(strains):
    trajectories = exact(strains)
    assert [trajectory.strain for trajectory in trajectories] == list(strains.names)
    np.testing.assert_array_equal(np.stack([a.x for a in trajectories]), strains.at(DENSE_TIMES).x)
    controls = Controls.stack([a.controls for a in trajectories])
    np.testing.assert_array_equal(controls.u, strains.controls(DENSE_TIMES).u)


def test_every_state_is_seen_without_holes():
    every = virtual_strains("limonene", 1, HELD_OUT, range(2), every_state=True)
    assert every.states == STATES
    assert np.isfinite(np.stack([a.x for a in measured(every)])).all()
    np.testing.assert_array_equal(every.x, every.x_full)
    assert every.dx.shape == every.x.shape


def test_times_that_were_not_simulated_are_refused(strains):
    with pytest.raises(ValueError, match=r"not simulated at \[1\.\] h"):
        strains.at([0.0, 1.0])
    for t in ([1.0, 2.0], [0.0, 2.0, 2.0], [0.0, float("nan")]):
        with pytest.raises(ValueError, match="start at 0 h and increase"):
            virtual_strains("limonene", 1, 0, [0], t=t)


def test_intervention(strains):
    response = intervene(strains)
    assert response.shape == (5, 9)
    np.testing.assert_allclose(intervene(strains, 1.0), 0.0, atol=1e-12)
    assert np.all(response[:, strains.world.proteins.index("Limonene Synthase")] > 0)
    assert np.all(np.abs(response) < np.log(2.0) * 1.5)
