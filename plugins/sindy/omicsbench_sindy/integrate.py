"""One strain's trajectory against its controls, by LSODA with a bound on what it may cost."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.integrate import LSODA

from omicsbench import Array, Controls, Status

Field = Callable[[Array, Array], Array]

RTOL, ATOL = 1e-6, 1e-8
"""Tolerances, the absolute one in units of each state's ``scale``."""
MAX_EVALUATIONS = 50_000
"""Of the field for one strain: where a solver that makes no headway gives up."""
BLOW_UP = 1e6
"""Multiples of a state's ``scale`` (or of its x(0)) beyond which a trajectory counts as diverged."""


def trajectory(
    field: Field, x0: Array, t: Array, controls: Controls, low: Array, high: Array, scale: Array
) -> tuple[Array, Status, int]:
    """States (T, S) at ``t`` from ``x0`` (S,) at ``t[0]``, how it ended, and the evaluations of the field.

    ``controls`` of this strain. ``low`` and ``high`` (S,): walls that the field does not cross, so that
    leaving them is numerical error and is put back; infinite where there are none. NaN from the divergence on.
    """
    x = np.full((t.size, x0.size), np.nan)
    x[0] = x0
    if t.size == 1:
        return x, Status.OK, 0
    limit = BLOW_UP * np.maximum(np.abs(x0), scale)

    def slope(at: float, y: Array) -> Array:
        return field(y[None], controls.at(at)[0])[0]

    with np.errstate(all="ignore"), warnings.catch_warnings():
        # LSODA warns where it gives up; the status says so.
        warnings.simplefilter("ignore", UserWarning)
        solver = LSODA(slope, t[0], x0, t[-1], max_step=longest_step(controls, t), rtol=RTOL, atol=ATOL * scale)
        done = 1
        while solver.status == "running" and solver.nfev < MAX_EVALUATIONS:
            solver.step()
            if solver.status == "failed" or not (np.abs(solver.y) <= limit).all():
                break
            upto = int(np.searchsorted(t, solver.t, side="right"))
            if upto > done:
                x[done:upto] = np.clip(solver.dense_output()(t[done:upto]).T, low, high)
                done = upto
    return x, Status.OK if done == t.size else Status.DIVERGED, solver.nfev


def longest_step(controls: Controls, t: Array) -> float:
    """The narrowest gap in hours between samples of the controls, so that no bump is stepped over; bounded below."""
    inside = controls.t[(controls.t > t[0]) & (controls.t < t[-1])]
    gaps = np.diff(np.concatenate([t[:1], inside, t[-1:]]))
    return float(max(gaps.min(), (t[-1] - t[0]) / 1000))
