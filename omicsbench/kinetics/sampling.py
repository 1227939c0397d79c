"""From the truth to trajectories: which times are seen, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.kinetics.strains import HORIZON
from omicsbench.trajectory import Array, Controls, Trajectory, read_only

DENSE_TIMES = read_only(np.linspace(0.0, HORIZON, 200))
"""When strains are seen that are sampled densely."""
SCORED_TIMES = read_only(np.linspace(0.0, HORIZON, 37))
"""When the truth is known: every two hours, which holds all of ``MEASURED_TIMES``."""
MEASURED_TIMES = read_only([0, 4, 8, 12, 18, 24, 36, 48, 72])
"""When the measured tasks measured proteins and most states."""
_SKIPPED_TIMES = (8.0, 36.0, 72.0)
NOISE = 0.05


class Truth(Protocol):
    """``B`` simulated strains, noise-free."""

    @property
    def set(self) -> int:
        """The number of the set that they belong to."""

    @property
    def ks(self) -> tuple[int, ...]:
        """Their numbers in it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The strains' names."""

    @property
    def t(self) -> Array:
        """(T,) hours."""

    @property
    def x(self) -> Array:
        """The observed states, (B, T, S)."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the observed states."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """States that a laboratory leaves out at 8, 36 and 72 h."""

    def at(self, t: ArrayLike) -> Self:
        """The same strains at some of their times; ``ValueError`` for a time that was not simulated."""

    def controls(self, t: ArrayLike) -> Controls:
        """What models are given, sampled at ``t`` (K,)."""


def rows_of(t: Array, wanted: Array) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Where in ``t`` the times ``wanted`` are; ``ValueError`` for one that is not."""
    rows = np.clip(np.searchsorted(t, wanted), 0, t.size - 1)
    if not np.array_equal(t[rows], wanted):
        raise ValueError(f"not simulated at {wanted[t[rows] != wanted]} h")
    return rows


def exact(strains: Truth, t: ArrayLike = DENSE_TIMES) -> list[Trajectory]:
    """One trajectory a strain: noise-free, states and controls at times ``t``."""
    return _trajectories(strains.at(t), [np.ones(())] * len(strains.ks))


def measured(strains: Truth, t: ArrayLike = MEASURED_TIMES) -> list[Trajectory]:
    """One trajectory a strain, as a laboratory would have it: few times, holes where the measured tasks have them,
    5 % lognormal noise on the states (on x(0) too) from ``default_rng([7003, set, k])``; controls without noise.
    """
    shown = strains.at(t)
    hole = np.ix_(np.isin(shown.t, _SKIPPED_TIMES), np.isin(shown.states, shown.skipped))
    factors = []
    for k in shown.ks:
        factor = np.random.default_rng([7003, shown.set, k]).lognormal(0.0, NOISE, shown.x.shape[1:])
        factor[hole] = np.nan
        factors.append(factor)
    return _trajectories(shown, factors)


def _trajectories(shown: Truth, factors: Sequence[Array]) -> list[Trajectory]:
    x, controls = shown.x, shown.controls(shown.t)
    return [
        Trajectory(name, shown.t, x[b] * factor, controls[b : b + 1])
        for b, (name, factor) in enumerate(zip(shown.names, factors, strict=True))
    ]
