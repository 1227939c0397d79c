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
