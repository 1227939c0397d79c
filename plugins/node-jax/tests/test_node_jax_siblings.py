"""node-jax and node-torch are one model in two libraries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from omicsbench_node_jax.model import NodeJax

from omicsbench import Controls, TaskInfo, Trajectory

T = np.linspace(0.0, 40.0, 81)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"control_transform": "log", "gate": True, "lipschitz": 0.5}, {"solver": "rk4"}],
)
def test_the_same_weights_give_the_same_trajectories(
    wild: Callable[..., NodeJax], train: list[Trajectory], task: TaskInfo, kinked: Controls, parameters: dict
) -> None:
    sibling = pytest.importorskip("omicsbench_node_torch.model", reason="node-torch is not installed")
    tight = {"rtol": 1e-7, "atol": 1e-7}
    ours = wild(**parameters, **tight)
    theirs = sibling.NodeTorch(seed=0, device="cpu", width=8, steps=1, **parameters, **tight)
    theirs.fit(train, task, lambda step, of, loss=None: None)
    theirs.set_weights(ours.weights)
    x0 = np.array([[0.5, 1.2], [1.8, 0.4], [0.1, 0.1]])
    x, y = (model.simulate(x0, T, kinked).x for model in (ours, theirs))
    assert (np.abs(x - y) / np.abs(x).max(axis=(0, 1))).max() < 1e-4
    u = kinked.u[:, 0]
    np.testing.assert_allclose(ours.field(x0, u), theirs.field(x0, u), rtol=1e-5, atol=1e-7)
