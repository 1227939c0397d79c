"""Training trajectories as dense series with smoothed derivatives: the rows of the regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench import Array, Trajectory
from omicsbench.preprocessing import PUBLISHED_POINTS, densify, derivatives, smooth


@dataclass(frozen=True, eq=False)
class Rows:
    """All training strains, one row a time: ``x`` and ``dx`` (per hour) (N, S), ``u`` (N, C).

    ``dx`` is NaN for a state that was never measured in the row's strain; ``x`` then is the mean of the strains where
    it was measured, at the same time (0 where it never was).
    """

    x: Array
    dx: Array
    u: Array


def is_dense(trajectory: Trajectory) -> bool:
    """Nothing missing, equally spaced, at least 200 points: interpolated and smoothed already, used as it is."""
    t = trajectory.t
    if t.size < PUBLISHED_POINTS or np.isnan(trajectory.x).any():
        return False
    return bool(np.allclose(np.diff(t), (t[-1] - t[0]) / (t.size - 1), rtol=1e-6, atol=0.0))


def rows(train: Sequence[Trajectory], points: int, horizon: float, window: int, order: int) -> Rows:
    """Each strain on ``points`` times from 0 to ``horizon`` hours (a dense one as it is), smoothed, differentiated.

    ``window`` and ``order`` are those of both Savitzky-Golay filters.
    """
    dense = [one if is_dense(one) else densify(one, points, horizon) for one in train]
    xs, slopes = [], []
    for given, one in zip(train, dense, strict=True):
        x, slope = np.array(one.x), np.full(one.x.shape, np.nan)
        seen = ~np.isnan(x[0])
        if given is not one:
            x[:, seen] = smooth(x[:, seen], window, order)
        step = (one.t[-1] - one.t[0]) / (one.t.size - 1)
        slope[:, seen] = derivatives(x[:, seen], step, window, order)
        xs.append(x)
        slopes.append(slope)
    filled = [x.copy() for x in xs]
    for one, x in zip(dense, filled, strict=True):
        for state in np.flatnonzero(np.isnan(x[0])):
            known = [
                np.interp(one.t, other.t, y[:, state])
                for other, y in zip(dense, xs, strict=True)
                if not np.isnan(y[0, state])
            ]
            x[:, state] = np.mean(known, axis=0) if known else 0.0
    u = [given.controls.at(one.t)[0] for given, one in zip(train, dense, strict=True)]
    return Rows(np.concatenate(filled), np.concatenate(slopes), np.concatenate(u))
