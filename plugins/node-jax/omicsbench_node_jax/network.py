"""The multilayer perceptron of the field, in whatever array module it is called with (numpy or jax.numpy)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

Weights = list[tuple[Any, Any]]
"""Layers of (W (out, in), b (out,)); with members in front where an ensemble is stacked."""

TAU = 10.0
"""Hours: the time scale that makes outputs of order one a plausible rate of change."""


def mlp(weights: Weights, inputs: Any, xp: Any) -> Any:
    """Outputs (out,) of inputs (in,): tanh between the layers, none after the last.

    Also (out, N) of (in, N), with biases as columns.
    """
    *hidden, (w_out, b_out) = weights
    for w, b in hidden:
        inputs = xp.tanh(w @ inputs + b)
    return w_out @ inputs + b_out


def initial_weights(rng: np.random.Generator, sizes: list[int]) -> Weights:
    """Glorot uniform matrices between layers of ``sizes``, the last scaled by 0.1 so that the field starts small."""
    weights = []
    for n_in, n_out in pairwise(sizes):
        limit = np.sqrt(6.0 / (n_in + n_out))
        weights.append((rng.uniform(-limit, limit, (n_out, n_in)), np.zeros(n_out)))
    w, b = weights[-1]
    weights[-1] = (0.1 * w, b)
    return weights


def bounded(weights: Weights, lipschitz: float | None, xp: Any) -> Weights:
    """The weights with every spectral norm brought down to at most ``lipschitz ** (1 / layers)``.

    tanh has slope <= 1, so ``lipschitz`` then bounds the Lipschitz constant of the whole network
    (Gouk et al. 2021, Machine Learning 110:393).
    """
    if lipschitz is None:
        return weights
    most = lipschitz ** (1.0 / len(weights))
    return [(w / xp.maximum(1.0, xp.linalg.norm(w, 2) / most), b) for w, b in weights]
