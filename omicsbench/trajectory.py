"""Trajectories and controls: the arrays that pass between harness and models.

Shapes: ``T`` times, ``S`` states, ``C`` controls, ``B`` strains, ``K`` control samples. Hours everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def read_only(values: ArrayLike) -> Array:
    """A float64 copy that nobody can write to."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def _check_times(t: Array, what: str) -> None:
    if t.ndim != 1 or t.size == 0:
        raise ValueError(f"{what}: times must be a non-empty vector, got shape {t.shape}")
    if not np.all(np.isfinite(t)) or np.any(np.diff(t) <= 0):
        raise ValueError(f"{what}: times must be finite and strictly increasing")


@dataclass(frozen=True, eq=False)
class Controls:
    """Protein abundances u(t) of ``B`` strains, given to the model.

    ``t`` (K,) hours, strictly increasing; ``u`` (B, K, C), finite. Both are copied and read-only.
    Raises ``ValueError`` where shapes or times are wrong.
    """

    t: Array
    u: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "t", read_only(self.t))
        object.__setattr__(self, "u", read_only(self.u))
        _check_times(self.t, "controls")
        if self.u.ndim != 3 or self.u.shape[1] != self.t.size:
            raise ValueError(f"controls: u must be (B, {self.t.size}, C), got {self.u.shape}")
        if not np.all(np.isfinite(self.u)):
            raise ValueError("controls: u must be finite")

    def __reduce__(self) -> tuple[type[Controls], tuple[Array, Array]]:
        # Through the constructor, so that what comes out of a pickle is read-only too.
        return Controls, (self.t, self.u)

    def __len__(self) -> int:
        """The number of strains ``B``."""
        return int(self.u.shape[0])

    def __getitem__(self, rows: slice | Sequence[int] | NDArray[np.integer]) -> Controls:
        """The controls of some strains, as a batch."""
        return Controls(self.t, self.u[rows])

    def at(self, t: ArrayLike) -> Array:
        """u at times ``t`` (T,): (B, T, C), linear between samples and held at the ends.

        This is the definition of u(t) for every model.
        """
        times = np.atleast_1d(np.asarray(t, dtype=np.float64))
        if self.t.size == 1:
            return np.repeat(self.u, times.size, axis=1)
        clipped = np.clip(times, self.t[0], self.t[-1])
        right = np.clip(np.searchsorted(self.t, clipped, side="right"), 1, self.t.size - 1)
        left = right - 1
        weight = ((clipped - self.t[left]) / (self.t[right] - self.t[left]))[None, :, None]
        # Two products, not u0 + w (u1 - u0): exact at the samples.
        return self.u[:, left] * (1.0 - weight) + self.u[:, right] * weight

    @staticmethod
    def stack(parts: Sequence[Controls]) -> Controls:
        """One batch of several, on the union of their times: the same piecewise linear functions."""
        if not parts:
            raise ValueError("controls: nothing to stack")
        t = np.unique(np.concatenate([part.t for part in parts]))
        return Controls(t, np.concatenate([part.at(t) for part in parts]))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One strain over time.

    ``t`` (T,) hours; ``x`` (T, S), NaN where nothing was measured; ``controls`` of this one strain (B = 1).
    Arrays are copied and read-only. Raises ``ValueError`` where shapes disagree.
    """

    strain: str
    t: Array
    x: Array
    controls: Controls

    def __post_init__(self) -> None:
        object.__setattr__(self, "t", read_only(self.t))
        object.__setattr__(self, "x", read_only(self.x))
        _check_times(self.t, f"strain {self.strain}")
        if self.x.ndim != 2 or self.x.shape[0] != self.t.size:
            raise ValueError(f"strain {self.strain}: x must be ({self.t.size}, S), got {self.x.shape}")
        if np.any(np.isinf(self.x)):
            raise ValueError(f"strain {self.strain}: x must be finite or NaN")
        if len(self.controls) != 1:
            raise ValueError(f"strain {self.strain}: controls of one strain wanted, got {len(self.controls)}")

    def __reduce__(self) -> tuple[type[Trajectory], tuple[str, Array, Array, Controls]]:
        return Trajectory, (self.strain, self.t, self.x, self.controls)
