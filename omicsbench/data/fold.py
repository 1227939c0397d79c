"""The strains of a fold before any protocol, and what can be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from omicsbench.trajectory import Array, Trajectory


@dataclass(frozen=True, eq=False)
class FoldData:
    """The strains of one fold before any protocol.

    ``sha256`` tells these data from others. ``scale`` (S,) is the unit of NRMSE where it is not taken from the
    training strains; of a simulated task ``truth`` holds the noise-free held-out trajectories and ``reality`` all
    else that is known of them.
    """

    train: tuple[Trajectory, ...]
    held_out: tuple[Trajectory, ...]
    sha256: str
    scale: Array | None = None
    truth: tuple[Trajectory, ...] | None = None
    reality: Any = None


def poison(data: FoldData, value: float = 1e6) -> FoldData:
    """The same fold with every held-out value but x(0) and u(t) replaced: no input of a model may change."""

    def spoil(strain: Trajectory) -> Trajectory:
        x = np.where(np.isnan(strain.x), np.nan, value)
        x[0] = strain.x[0]
        return Trajectory(strain.strain, strain.t, x, strain.controls)

    truth = None if data.truth is None else tuple(spoil(strain) for strain in data.truth)
    return FoldData(data.train, tuple(map(spoil, data.held_out)), data.sha256, data.scale, truth, data.reality)


def out_of_range(data: FoldData) -> Array:
    """How far each held-out control leaves the training range: (C,) factors, 1 where it stays within.

    Of peak abundances: the larger of (held-out peak / largest training peak) and (smallest training peak /
    held-out peak). Peaks, because before induction every strain is near zero.
    """
    held_out = np.concatenate([_peak(strain) for strain in data.held_out])
    train = np.concatenate([_peak(strain) for strain in data.train])
    tiny = np.finfo(float).tiny
    above = held_out.max(axis=0) / np.maximum(train.max(axis=0), tiny)
    below = train.min(axis=0) / np.maximum(held_out.min(axis=0), tiny)
    factors: Array = np.maximum(1.0, np.maximum(above, below))
    return factors


def _peak(strain: Trajectory) -> Array:
    peaks: Array = np.maximum(strain.controls.u.max(axis=1), 0.0)
    return peaks
