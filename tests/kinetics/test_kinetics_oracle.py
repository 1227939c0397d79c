"""The oracle: the ceiling of every simulated task, reached with what models see."""

import numpy as np
import pytest

from omicsbench import Controls, Status
from omicsbench.kinetics import (
    DENSE_TIMES,
    HELD_OUT,
    Oracle,
    Revealed,
    VirtualStrains,
    exact,
    measured,
    virtual_strains,
)
from omicsbench.kinetics.oracle import _solved


def shown(truth: VirtualStrains) -> Oracle:
    oracle = Oracle(seed=0, device="cpu")
    oracle.reveal(Revealed(truth.world, truth.strains.x0(truth.world)))
    return oracle


def predict(truth: VirtualStrains, seen, t=DENSE_TIMES) -> np.ndarray:
    oracle = shown(truth)
    x0 = np.stack([trajectory.x[0] for trajectory in seen])
    simulation = oracle.simulate(x0, t, Controls.stack([trajectory.controls for trajectory in seen]))
    assert np.all(simulation.status == Status.OK)
    np.testing.assert_array_equal(simulation.x[:, 0], x0)
    return simulation.x


@pytest.mark.parametrize(
    ("pathway", "stiffness", "every_state"), [("isopentenol", 1.0, False), ("limonene", 1000.0, True)]
)
def test_ceiling(pathway, stiffness, every_state):
    truth = virtual_strains(pathway, 1, HELD_OUT, range(10), stiffness, every_state=every_state)
    x = truth.at(DENSE_TIMES).x

    def nrmse(predicted: np.ndarray) -> float:
        return float((np.sqrt(((predicted - x) ** 2).mean(axis=(0, 1))) / x.std(axis=(0, 1))).mean())

    assert nrmse(predict(truth, exact(truth))) < 0.004
    assert 0.01 < nrmse(predict(truth, measured(truth))) < 0.1


def test_one_strain_gets_what_it_gets_in_a_batch():
    truth = virtual_strains("limonene", 1, HELD_OUT, range(3))
    seen = measured(truth)
    t = np.array([0.0, 1.0, 6.0])
    np.testing.assert_allclose(predict(truth, seen[:1], t)[0], predict(truth, seen, t)[0], rtol=1e-11)


def test_a_larger_batch_repeats_the_strains():
    truth = virtual_strains("limonene", 1, HELD_OUT, range(3))
    seen = measured(truth)
    x = predict(truth, [*seen, *seen], np.array([0.0, 1.0, 6.0]))
    np.testing.assert_allclose(x[3:], x[:3], rtol=1e-11)


def test_what_was_asked_before_is_not_what_is_answered_now():
    """An answer is kept for the same question; any part of it that differs makes another."""
    truth = virtual_strains("limonene", 1, HELD_OUT, range(2))
    seen, t = measured(truth), np.array([0.0, 5.0, 9.0])
    first = predict(truth, seen, t)
    np.testing.assert_array_equal(predict(truth, seen, t), first)
    np.testing.assert_array_equal(predict(truth, seen[::-1], t)[:, 0], first[::-1, 0])
    assert not np.isclose(predict(truth, seen, np.array([0.0, 6.0, 9.0]))[:, 1], first[:, 1]).all()
    other = virtual_strains("limonene", 2, HELD_OUT, range(2))
    assert not np.isclose(predict(other, seen, t)[:, 1:], first[:, 1:]).all()


def test_answers_are_the_askers_own():
    """Whoever writes into an answer does not change the next one."""
    every = virtual_strains("limonene", 1, HELD_OUT, range(2), every_state=True)
    seen, t = measured(every), np.array([0.0, 5.0, 9.0])
    first = predict(every, seen, t)
    kept = first.copy()
    first[:] = -1.0
    np.testing.assert_array_equal(predict(every, seen, t), kept)


def test_the_longer_steps_of_the_oracle_cost_it_nothing(monkeypatch):
    """Far less than the 0.03 that noise in x(0) and sampled controls cost it."""
    truth = virtual_strains("limonene", 1, HELD_OUT, range(10))
    seen, sd = measured(truth), truth.x.std(axis=(0, 1))
    quick = predict(truth, seen)
    monkeypatch.setattr("omicsbench.kinetics.oracle._STEP", 0.05)
    _solved.cache_clear()
    error = (quick - predict(truth, seen)) / sd
    _solved.cache_clear()
    assert 0 < np.sqrt((error**2).mean()) < 3e-5
    assert np.abs(error).max() < 1e-3


def test_true_field_is_known_only_where_all_states_are_seen():
    every = virtual_strains("limonene", 1, HELD_OUT, range(2), 1000.0, every_state=True)
    oracle = shown(every)
    u = every.controls(every.t).u
    np.testing.assert_allclose(oracle.field(every.x[0], u[0]), every.dx[0], rtol=1e-12)
    assert oracle.field(every.x[0, :, :6], u[0]) is None


def test_without_the_truth_it_says_so():
    oracle = Oracle(seed=0, device="cpu")
    with pytest.raises(ValueError, match="not shown the truth"):
        oracle.simulate(np.ones((1, 6)), DENSE_TIMES, Controls(np.zeros(1), np.ones((1, 1, 11))))
