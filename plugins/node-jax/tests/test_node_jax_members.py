"""Ensembles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from omicsbench_node_jax.model import NodeJax

from omicsbench import Controls, Status

T = np.linspace(0.0, 40.0, 81)
X0 = np.array([[0.5, 1.2], [1.8, 0.4], [0.1, 0.1]])
BLOW_UP = [(np.array([[100.0, 0, 0], [0, -1.0, 0]]), np.zeros(2))]


@pytest.fixture(scope="module")
def three(fitted: Callable[..., NodeJax]) -> NodeJax:
    return fitted(members=3, depth=0)


def test_members_are_samples_and_their_mean_is_the_prediction(three: NodeJax, kinked: Controls) -> None:
    sim = three.simulate(X0, T, kinked)
    assert sim.samples is not None
    assert sim.samples.shape == (3, 3, 81, 2)
    np.testing.assert_allclose(sim.samples.mean(axis=0), sim.x)
    assert (sim.samples.std(axis=0)[:, 1:] > 1e-4).all()
    assert three.field(X0, np.ones((3, 1))) is None
    assert len(three.weights) == 3
    assert three.describe()["members"] == 3


def test_each_member_is_a_model_of_its_own(three: NodeJax, fitted: Callable[..., NodeJax], kinked: Controls) -> None:
    sim = three.simulate(X0, T, kinked)
    single = fitted(depth=0, steps=1)
    for n in range(3):
        single.set_weights([three.weights[n]])
        np.testing.assert_allclose(single.simulate(X0, T, kinked).x, sim.samples[n], rtol=1e-4, atol=1e-5)


def test_diverged_members_are_left_out(fitted: Callable[..., NodeJax], kinked: Controls) -> None:
    model = fitted(members=3, depth=0)
    weights = model.weights
    sound = model.simulate(X0, T, kinked)

    model.set_weights([BLOW_UP, weights[1], weights[2]])
    one_gone = model.simulate(X0, T, kinked)
    assert (one_gone.status == Status.OK).all()
    np.testing.assert_allclose(one_gone.x, sound.samples[1:].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(one_gone.samples[0], one_gone.samples[1])

    model.set_weights([BLOW_UP, BLOW_UP, weights[2]])
    two_gone = model.simulate(X0, T, kinked)
    assert (two_gone.status == Status.DIVERGED).all()
    assert np.isfinite(two_gone.x[:, 0]).all()
    assert np.isnan(two_gone.x[:, -1]).all()

    model.set_weights([BLOW_UP] * 3)
    all_gone = model.simulate(X0, T, kinked)
    assert (all_gone.status == Status.DIVERGED).all()
    np.testing.assert_array_equal(all_gone.x[:, 0], X0)
    assert np.isnan(all_gone.x[:, -1]).all()
