"""Integration of many strains at once, in plain numpy: one linearly implicit method for the mild and the stiff tier.

RODAS4 (Hairer & Wanner 1996, Solving Ordinary Differential Equations II, section IV.7): six stages, order 4,
L-stable and stiffly accurate. Steps depend on the times alone, not on the strains: a strain gets the same
trajectory in any company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from omicsbench.kinetics.rates import balance_jacobian, balances
from omicsbench.kinetics.world import STATES, World
from omicsbench.trajectory import Array

Inputs = Callable[[slice, Array], Array]
"""The field's inputs of some strains at times (T,): (rows, times) -> (B, T, 12)."""

STEP = 0.1
"""Hours. Against a fifth of it (100 strains, in SD of each state): RMS 2e-7 and at most 2e-5 at stiffness 1; RMS 2e-6
and at most 6e-4 at stiffness 1000, in the step in which an enzyme's decline begins."""
_FIRST_STEP, _GROWTH = 1e-5, 1.2  # x(0) is off the slow manifold: the first steps resolve the fall to it

_CHUNK = 500  # strains whose arrays share the processor's cache; bounds memory
_BLOCK = 40  # steps whose inputs are computed together

# The tableau in the form that needs no product with the Jacobian; the last stage is the error estimate of the
# solution before it, and the new solution is the point where it is evaluated plus itself.
_GAMMA = 0.25
_A: tuple[tuple[float, ...], ...] = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
_C: tuple[tuple[float, ...], ...] = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)
_TIME_SLOPE = (0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0)  # weight of h df/dt in each stage
_NODES = (0.0, 0.21, 0.386, 0.63)  # where in a step inputs are needed, besides its end
_STAGE_NODE = (0, 2, 1, 3, 4, 4)
_SLOPE = np.linalg.solve(np.vander([*_NODES, 1.0], increasing=True).T, [0.0, 1.0, 0.0, 0.0, 0.0])
"""Weights of the inputs at a step's nodes and end in h dv/dt at its start: the slope of the quartic through them."""


def integrate(world: World, x0: Array, t: Array, inputs: Inputs, step: float = STEP) -> Array:
    """All ten states at times ``t`` (T,) in hours from ``x0`` (B, 10) at ``t[0]``: (B, T, 10).

    No step is longer than ``step`` hours.
    """
    x = np.empty((len(x0), t.size, len(STATES)))
    edges = _steps(t, step)
    for first in range(0, len(x0), _CHUNK):
        rows = slice(first, min(first + _CHUNK, len(x0)))
        x[rows, 0] = x0[rows]
        at = 1
        for end, state in _march(world, x0[rows], edges, partial(inputs, rows)):
            if end == t[at]:
                x[rows, at] = state.T
                at += 1
    return x


def _steps(t: Array, step: float) -> Array:
    """The ends of all steps: growing from the first, then at most ``step`` apart; every one of ``t`` is among them."""
    growing = t[0] + _FIRST_STEP * (_GROWTH ** np.arange(1, 1 + np.log(step / _FIRST_STEP) / np.log(_GROWTH)) - 1)
    stops = np.union1d(t, growing[growing < t[-1]])
    parts = [
        np.linspace(start, end, int(np.ceil((end - start) / step - 1e-9)) + 1)[1:] for start, end in pairwise(stops)
    ]
    return np.concatenate([stops[:1], *parts])


def _march(world: World, x0: Array, edges: Array, inputs: Callable[[Array], Array]) -> Iterator[tuple[float, Array]]:
    """The end of each step and the states (10, B) there."""
    y = np.ascontiguousarray(x0.T)
    for first in range(0, edges.size - 1, _BLOCK):
        block = edges[first : first + _BLOCK + 1]
        h = np.diff(block)
        times = np.append((block[:-1, None] + h[:, None] * np.array(_NODES)).ravel(), block[-1])
        v = np.ascontiguousarray(inputs(times).transpose(1, 2, 0))
        for i, end in enumerate(block[1:]):
            y = _step(world, y, v[4 * i : 4 * i + 5], float(h[i]))
            yield float(end), y


def _step(world: World, y: Array, v: Array, h: float) -> Array:
    """The states (10, B) after a step of ``h`` hours; ``v`` (5, 12, B) are the inputs at its nodes."""
    f = balances(world, y, v[0])
    dv, tiny = np.tensordot(_SLOPE, v, 1), 1e-4
    h_df_dt = (balances(world, y, v[0] + tiny * dv) - f) / tiny
    lu = -balance_jacobian(world, y, v[0])
    lu[range(len(y)), range(len(y))] += 1.0 / (_GAMMA * h)
    _factor(lu)
    stages: list[Array] = []
    at = y
    for i, node in enumerate(_STAGE_NODE):
        if i:
            at = y + sum(weight * k for weight, k in zip(_A[i], stages, strict=True))
            f = balances(world, at, v[node])
        right = f + _TIME_SLOPE[i] * h_df_dt if _TIME_SLOPE[i] else f
        for weight, k in zip(_C[i], stages, strict=True):
            right = right + (weight / h) * k
        stages.append(_solve(lu, right))
    return np.asarray(at + stages[-1])


def _factor(a: Array) -> None:
    """LU of matrices ``a`` (n, n, B) in place; no pivoting: 1/(h gamma) and the losses make their diagonals heavy."""
    for k in range(len(a) - 1):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, None, k] * a[None, k, k + 1 :]


def _solve(lu: Array, b: Array) -> Array:
    """x (n, B) of LU x = b (n, B)."""
    x = b.copy()
    for k in range(len(x) - 1):
        x[k + 1 :] -= lu[k + 1 :, k] * x[k]
    for k in reversed(range(len(x))):
        x[k] /= lu[k, k]
        x[:k] -= lu[:k, k] * x[k]
    return x
