"""Training trajectories as dense series with estimated derivatives: the rows of the regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench import Array, Trajectory
from omicsbench.preprocessing import PUBLISHED_POINTS, densify, derivatives, smooth


@dataclass(frozen=True, eq=False)
class Series:
    """One strain on an equally spaced grid: ``t`` (T,) hours, ``x`` and ``dx`` (per hour) (T, S), ``u`` (T, C).

    A state never measured in the strain is NaN in ``x`` and ``dx``.
    """

    t: Array
    x: Array
    dx: Array
    u: Array


def is_dense(trajectory: Trajectory) -> bool:
    """Whether a trajectory needs no densifying: nothing missing, equally spaced, at least 200 points.

    The protocol `published` hands out such series, interpolated and smoothed already; smoothing them again would
    not be the published method.
    """
    t = trajectory.t
    if t.size < PUBLISHED_POINTS or np.isnan(trajectory.x).any():
        return False
    return bool(np.allclose(np.diff(t), (t[-1] - t[0]) / (t.size - 1), rtol=1e-6, atol=0.0))


def densified(trajectory: Trajectory, points: int, horizon: float, window: int, order: int) -> Series:
    """A trajectory on ``points`` times from 0 to ``horizon`` hours, smoothed; one that is dense already, as it is.

    ``window`` and ``order`` are those of the Savitzky-Golay filters for the smoothing and for the derivative.
    """
    if is_dense(trajectory):
        t, x = trajectory.t, np.array(trajectory.x)
    else:
        dense = densify(trajectory, points, horizon)
        t, x = dense.t, np.array(dense.x)
        seen = ~np.isnan(x[0])
        x[:, seen] = smooth(x[:, seen], window, order)
    dx = np.full_like(x, np.nan)
    seen = ~np.isnan(x[0])
    dx[:, seen] = derivatives(x[:, seen], (t[-1] - t[0]) / (t.size - 1), window, order)
    return Series(t, x, dx, trajectory.controls.at(t)[0])


def filled(series: Sequence[Series]) -> list[Array]:
    """The states (T, S) of each series as regression inputs, without NaN.

    A state never measured in a strain is taken as the mean of the strains where it was, at the same time (0 where it
    never was); its derivative stays unknown, so that strain gives no rows to that state's own regression.
    """
    result = []
    for one in series:
        x = one.x.copy()
        for state in np.flatnonzero(np.isnan(x[0])):
            known = [np.interp(one.t, s.t, s.x[:, state]) for s in series if not np.isnan(s.x[0, state])]
            x[:, state] = np.mean(known, axis=0) if known else 0.0
        result.append(x)
    return result
