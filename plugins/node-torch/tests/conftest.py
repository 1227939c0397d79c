"""Strains of a linear system whose solution is known."""

from collections.abc import Callable

import numpy as np
import pytest
from omicsbench_node_torch.model import NodeTorch
from scipy.linalg import expm

from omicsbench import Array, Controls, TaskInfo, Trajectory

RATES = np.array([[-0.08, 0.03], [0.05, -0.06]])
PUSH = np.array([0.10, 0.02])


def solution(x0: Array, u0: float, slope: float, t: Array) -> Array:
    """Of dx/dt = RATES x + PUSH (u0 + slope t): (T, 2), by the exponential of the augmented system."""
    system = np.zeros((4, 4))
    system[:2, :2], system[:2, 2], system[2, 3] = RATES, PUSH, 1.0
    return np.stack([(expm(system * time) @ [*x0, u0, slope])[:2] for time in t])


@pytest.fixture(scope="session")
def task() -> TaskInfo:
    return TaskInfo(("a", "b"), ("mM", "mM"), ("enzyme",), ("counts",), 48.0)


@pytest.fixture(scope="session")
def times() -> Array:
    return np.array([0.0, 2, 5, 9, 14, 20, 27, 35, 42, 48])


@pytest.fixture(scope="session")
def strain(times: Array) -> Callable[[int], Trajectory]:
    """Strain k of a family: x0, level and drift of the control drawn from k."""

    def make(k: int) -> Trajectory:
        random = np.random.default_rng([9, k])
        x0, u0, slope = random.uniform(0.2, 2.0, 2), random.uniform(0.5, 2.0), random.uniform(-0.008, 0.02)
        controls = Controls([0.0, 48.0], np.array([[[u0], [u0 + 48.0 * slope]]]))
        return Trajectory(f"s{k}", times, solution(x0, u0, slope, times), controls)

    return make


@pytest.fixture(scope="session")
def train(strain: Callable[[int], Trajectory]) -> list[Trajectory]:
    return [strain(k) for k in range(6)]


@pytest.fixture(scope="session")
def fitted(train: list[Trajectory], task: TaskInfo) -> Callable[..., NodeTorch]:
    """A model fitted in few steps, for what does not depend on a good fit."""

    def fit(strains: list[Trajectory] | None = None, seed: int = 3, **parameters: object) -> NodeTorch:
        model = NodeTorch(seed=seed, device="cpu", **{"steps": 40, "width": 8, **parameters})
        model.fit(train if strains is None else strains, task, lambda step, of, loss=None: None)
        return model

    return fit
