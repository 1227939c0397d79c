"""A small world with a closed form, and models fitted to it. The shapes are few, so that little is compiled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from omicsbench_node_jax.model import NodeJax
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from omicsbench import Array, Controls, TaskInfo, Trajectory

RATES = np.array([[-0.10, 0.03], [0.06, -0.05]])
PUSH = np.array([0.08, 0.01])
TIMES = np.array([0.0, 2, 5, 9, 14, 20, 30, 40])


def solution(x0: Array, level: float, slope: float, t: Array) -> Array:
    """(T, 2) of dx/dt = RATES x + PUSH (level + slope t), by the exponential of the augmented system."""
    system = np.zeros((4, 4))
    system[:2, :2], system[:2, 2], system[2, 3] = RATES, PUSH, 1.0
    return np.stack([(expm(system * time) @ [*x0, level, slope])[:2] for time in t])


def _linear_strain(k: int) -> Trajectory:
    """Strain k of the linear family: start, level and drift of its control drawn from k."""
    rng = np.random.default_rng([5, k])
    x0, level, slope = rng.uniform(0.2, 2.0, 2), rng.uniform(0.5, 2.0), rng.uniform(-0.005, 0.02)
    controls = Controls(np.array([0.0, 40.0]), np.array([[[level], [level + 40 * slope]]]))
    return Trajectory(f"s{k}", TIMES, solution(x0, level, slope, TIMES), controls)


def _reference(model: NodeJax, x0: Array, t: Array, controls: Controls) -> Array:
    """(T, S) of one strain: the model's own float64 field by DOP853, restarted at every kink of the controls."""
    x = np.empty((t.size, x0.size))
    x[0] = x0
    ends = np.unique(np.concatenate([t[[0, -1]], controls.t[(controls.t > t[0]) & (controls.t < t[-1])]]))
    for start, stop in pairwise(ends):
        run = solve_ivp(
            lambda at, x: model.field(x[None], controls.at([at])[:, 0])[0],  # type: ignore[index]
            (start, stop),
            x0,
            method="DOP853",
            rtol=1e-9,
            atol=1e-11,
            dense_output=True,
        )
        inside = (t > start) & (t <= stop)
        if inside.any():
            x[inside] = run.sol(t[inside]).T
        x0 = run.y[:, -1]
    return x


@pytest.fixture(scope="session")
def linear_strain() -> Callable[[int], Trajectory]:
    return _linear_strain


@pytest.fixture(scope="session")
def reference() -> Callable[..., Array]:
    return _reference


@pytest.fixture(scope="session")
def task() -> TaskInfo:
    return TaskInfo(("a", "b"), ("mM", "mM"), ("enzyme",), ("counts",), 40.0)


@pytest.fixture(scope="session")
def train() -> list[Trajectory]:
    return [_linear_strain(k) for k in range(5)]


@pytest.fixture(scope="session")
def fitted(train: list[Trajectory], task: TaskInfo) -> Callable[..., NodeJax]:
    """A model fitted for 60 steps, unless told otherwise, for what does not depend on a good fit."""

    def fit(strains: list[Trajectory] | None = None, seed: int = 3, **parameters: object) -> NodeJax:
        model = NodeJax(seed=seed, device="cpu", **{"steps": 60, "width": 8, **parameters})  # type: ignore[arg-type]
        model.fit(train if strains is None else strains, task, lambda step, of, loss=None: None)
        return model

    return fit


@pytest.fixture(scope="session")
def wild(fitted: Callable[..., NodeJax]) -> Callable[..., NodeJax]:
    """A model whose weights were drawn, not trained: a nonlinear field with the same weights for every solver."""

    def make(seed: int = 0, scale: float = 0.6, **parameters: object) -> NodeJax:
        model = fitted(steps=1, **parameters)
        rng = np.random.default_rng(seed)
        model.set_weights(
            [
                [(scale * rng.standard_normal(w.shape), 0.3 * rng.standard_normal(b.shape)) for w, b in member]
                for member in model.weights
            ]
        )
        return model

    return make


@pytest.fixture(scope="session")
def kinked() -> Controls:
    """Controls of three strains with kinks between the times that are asked for."""
    t = np.array([0.0, 3.0, 7.5, 16.0, 33.0])
    return Controls(t, np.random.default_rng(1).uniform(0.3, 2.5, (3, t.size, 1)))
