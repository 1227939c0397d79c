"""Densify, smooth, differentiate, scale: what protocols and models may do to a series.

The functions on series look at one strain's own series only. What is fitted (``state_scale``,
``ControlTransform.fit``) is fitted on the strains it is given; a model is only ever given training strains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.trajectory import Array, Controls, Trajectory

VERSION = 1
"""It rises whenever a function here gives another answer: cells of another version run again."""
PUBLISHED_POINTS = 200
"""Costello & Martin 2018; Habaraduwa & Lixandru 2025: every series on 200 equally spaced points."""
PUBLISHED_WINDOW = 7
PUBLISHED_ORDER = 2


def interpolate(t: ArrayLike, series: ArrayLike, at: ArrayLike) -> Array:
    """One ``series`` (T,) at times ``at``: linear between its measured (not NaN) points, held at the ends.

    All NaN where nothing was measured.
    """
    t, series, at = (np.asarray(a, dtype=np.float64) for a in (t, series, at))
    seen = ~np.isnan(series)
    if not seen.any():
        return np.full(at.shape, np.nan)
    return np.interp(at, t[seen], series[seen])


def interpolate_states(trajectory: Trajectory, at: ArrayLike) -> Array:
    """The states of a trajectory at times ``at`` (T,): (T, S), each by ``interpolate``."""
    return np.stack([interpolate(trajectory.t, series, at) for series in trajectory.x.T], axis=1)


def smooth(x: ArrayLike, window: int = PUBLISHED_WINDOW, order: int = PUBLISHED_ORDER) -> Array:
    """Savitzky-Golay smoothing of equally spaced series ``x`` (..., T, S) along time.

    Raises ``ValueError`` where there are fewer points than ``window``.
    """
    from scipy.signal import savgol_filter

    return np.asarray(savgol_filter(np.asarray(x), window, order, axis=-2), dtype=np.float64)


def derivatives(x: ArrayLike, step: float, window: int = PUBLISHED_WINDOW, order: int = PUBLISHED_ORDER) -> Array:
    """Savitzky-Golay estimate of dx/dt of equally spaced series ``x`` (..., T, S), ``step`` hours apart."""
    from scipy.signal import savgol_filter

    return np.asarray(savgol_filter(np.asarray(x), window, order, deriv=1, delta=step, axis=-2), dtype=np.float64)


def densify(trajectory: Trajectory, points: int = PUBLISHED_POINTS, horizon: float | None = None) -> Trajectory:
    """The trajectory on ``points`` equally spaced times from 0 to ``horizon`` hours (its last time if None).

    States that were never measured in this strain stay NaN.
    """
    t = np.linspace(0.0, float(trajectory.t[-1]) if horizon is None else horizon, points)
    return Trajectory(trajectory.strain, t, interpolate_states(trajectory, t), Controls(t, trajectory.controls.at(t)))


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


def state_scale(train: Sequence[Trajectory]) -> Array:
    """SD (ddof 0) of each state's measurements over all training strains: (S,), 1 where it is zero or unknown."""
    x = np.concatenate([trajectory.x for trajectory in train])
    seen = ~np.isnan(x)
    count = np.maximum(seen.sum(axis=0), 1)
    filled = np.where(seen, x, 0.0)
    mean = filled.sum(axis=0) / count
    sd = np.sqrt((np.where(seen, x - mean, 0.0) ** 2).sum(axis=0) / count)
    return np.where(sd > 0, sd, 1.0)


def noise_share(strains: int) -> float:
    """How much of the training noise that suits two strains is left for more of them: 2 / ``strains``, at most 1.

    Noise on controls and x(0) blurs a field in the gaps between training strains, and those close as strains are
    added. Measured on limonene-sim: at 100 strains the full noise costs half of the skill.
    """
    return min(1.0, 2.0 / strains)


@dataclass(frozen=True, eq=False)
class ControlTransform:
    """Controls as model inputs: a transform, then standardised by its mean and SD in training. Arrays (C,).

    ``raw``: u. ``log``: log10(max(u, floor)), floor = 1 % of the training maximum. ``hill``: u / (u + half),
    half = the training median. ``low`` and ``high`` bound the standardised training values.
    """

    kind: Literal["log", "hill", "raw"]
    floor: Array
    half: Array
    mean: Array
    sd: Array
    low: Array
    high: Array

    @staticmethod
    def fit(train: Sequence[Trajectory], kind: Literal["log", "hill", "raw"]) -> ControlTransform:
        """Fitted on the control samples of the training strains. Raises ``ValueError`` for an unknown ``kind``."""
        if kind not in ("log", "hill", "raw"):
            raise ValueError(f"control transform must be log, hill or raw, got {kind!r}")
        u = np.concatenate([trajectory.controls.u[0] for trajectory in train])
        positive = np.where(u > 0, u, np.nan)
        some = ~np.isnan(positive).all(axis=0)
        filled = np.where(some, positive, 1.0)
        floor, half = 0.01 * np.nanmax(filled, axis=0), np.nanmedian(filled, axis=0)
        zeros = np.zeros(u.shape[1])
        bare = ControlTransform(kind, floor, half, zeros, zeros + 1.0, zeros, zeros)
        z = bare(u)
        mean, sd = z.mean(axis=0), z.std(axis=0)
        sd = np.where(sd > 0, sd, 1.0)
        z = (z - mean) / sd
        return ControlTransform(kind, floor, half, mean, sd, z.min(axis=0), z.max(axis=0))

    def __call__(self, u: Any, xp: Any = np, **constants: Any) -> Any:
        """Standardised inputs of ``u`` (..., C), by the array module ``xp`` (numpy, torch or jax.numpy).

        ``constants`` replaces the fitted arrays by the same on another device or in another precision.
        """
        floor, half, mean, sd = (constants.get(name, getattr(self, name)) for name in ("floor", "half", "mean", "sd"))
        if self.kind == "log":
            z = xp.log10(xp.maximum(u, floor))
        elif self.kind == "hill":
            z = xp.clip(u, 0.0, None) / (xp.clip(u, 0.0, None) + half)
        else:
            z = u
        return (z - mean) / sd

    def outside(self, z: Any, xp: Any = np, **constants: Any) -> Any:
        """Squared distance (...) of inputs ``z`` (..., C) from the box of training values, in SD; 0 inside."""
        low, high = (constants.get(name, getattr(self, name)) for name in ("low", "high"))
        return (xp.clip(z - high, 0.0, None) ** 2 + xp.clip(low - z, 0.0, None) ** 2).sum(-1)
