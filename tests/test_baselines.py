"""The trivial baselines: closed forms, holes, batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from omicsbench import Controls, Model, TaskInfo, Trajectory
from omicsbench.baselines.model import MeanStrain, NearestStrain, Persistence
from omicsbench.model import check_simulation

NAN = float("nan")
TASK = TaskInfo(("A", "P"), ("mM", "g/L"), ("E",), ("counts",), 10.0)
KINDS = [Persistence, MeanStrain, NearestStrain]


def strain(name: str, x: list[list[float]], level: float) -> Trajectory:
    return Trajectory(name, [0.0, 10.0], x, Controls([0.0, 10.0], [[[level], [level]]]))


LOW = strain("low", [[0.0, NAN], [10.0, NAN]], 10.0)
HIGH = strain("high", [[2.0, NAN], [30.0, NAN]], 1000.0)
T = np.array([0.0, 5.0, 10.0, 20.0])


def simulate(kind: type, levels: Sequence[float], x0: Sequence[Sequence[float]]) -> np.ndarray:
    model: Model = kind(seed=0, device="cpu")
    model.fit([LOW, HIGH], TASK, lambda step, of, loss=None: None)
    controls = Controls([0.0], np.array(levels)[:, None, None])
    return check_simulation(model.simulate(np.array(x0), T, controls), "m", (len(levels), T.size, 2)).x


def test_persistence_stays_where_it_starts() -> None:
    np.testing.assert_array_equal(simulate(Persistence, [1.0], [[3.0, 4.0]])[0], [[3.0, 4.0]] * 4)
    np.testing.assert_array_equal(Persistence(seed=0, device="cpu").field(np.ones((2, 3)), np.ones((2, 1))), 0.0)


def test_the_mean_strain_follows_the_mean_from_its_own_start() -> None:
    x = simulate(MeanStrain, [1.0], [[3.0, 4.0]])[0]
    np.testing.assert_allclose(x[:, 0], [3.0, (5 + 16) / 2, 20.0, 20.0])
    np.testing.assert_array_equal(x[:, 1], 4.0)  # never measured in training


@pytest.mark.parametrize(("level", "final"), [(1.0, 10.0), (50.0, 10.0), (200.0, 30.0), (1e6, 30.0)])
def test_the_nearest_strain_is_nearest_in_log_abundance(level: float, final: float) -> None:
    assert simulate(NearestStrain, [level], [[3.0, 4.0]])[0, -1, 0] == final


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_what_its_strains_are_one_by_one(kind: type) -> None:
    levels, x0 = [1.0, 5000.0, 40.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    batch = simulate(kind, levels, x0)
    for row in range(3):
        np.testing.assert_array_equal(batch[row], simulate(kind, levels[row : row + 1], x0[row : row + 1])[0])
    np.testing.assert_array_equal(batch[:, 0], x0)
