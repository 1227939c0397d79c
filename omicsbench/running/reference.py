"""A model's own field integrated at tight tolerance: what its trajectories are held against.

Speed must not be bought with integration error, so the error stands beside the time.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np

from omicsbench.model import Model
from omicsbench.trajectory import Array, Controls

RTOL = 1e-9
BUDGET = 10.0
"""Seconds after which a reference is given up: fields that jump (trees) have no cheap one."""


class NoReference(Exception):
    """Why there is no reference trajectory."""


def reference(model: Model, x0: Array, t: Array, controls: Controls, budget: float = BUDGET) -> Array:
    """x (T, S) of one strain: DOP853 at rtol 1e-9, restarted at every control sample.

    ``x0`` (S,), ``t`` (T,) hours. Raises ``NoReference`` where the model has no field, its field is not
    finite, or the budget of seconds is spent.
    """
    from scipy.integrate import DOP853

    end = time.perf_counter() + budget

    def field(x: Array, u: Array) -> Array:
        if time.perf_counter() > end:
            raise NoReference(f"not reached in {budget:g} s")
        value = model.field(x[None], u)
        if value is None:
            raise NoReference("the model has no field of its own")
        if not np.isfinite(value).all():
            raise NoReference("the field is not finite along the trajectory")
        return np.asarray(value[0], dtype=np.float64)

    field(x0, controls.at(t[:1])[0])
    scale = np.maximum(np.abs(x0), 1e-3)
    knots = controls.t[(controls.t > t[0]) & (controls.t < t[-1])]
    pieces = np.unique(np.concatenate([t[:1], knots, t[-1:]]))
    x = np.empty((t.size, x0.size))
    x[0], now = x0, np.array(x0)
    step = 0.0
    for left, right in pairwise(pieces):
        # scipy's stubs know only a number for atol; the solver takes one a state.
        ends = controls.at([left, right])[0]

        def between(now: float, x: Array, left: float = left, right: float = right, ends: Array = ends) -> Array:
            # Between two knots u(t) is linear; Controls.at would take most of the time.
            share = (now - left) / (right - left)
            return field(x, ends[:1] * (1.0 - share) + ends[1:] * share)

        # The longest step of the last piece's end: growing one anew takes most of the evaluations.
        first = min(step, right - left) if step else None
        solver = DOP853(between, left, now, right, rtol=RTOL, atol=RTOL * scale, first_step=first)  # type: ignore[arg-type]
        while solver.status == "running":
            step = solver.h_abs
            if solver.step() is not None:
                raise NoReference("the solver gave up")
            inside = (t > solver.t_old) & (t <= solver.t)
            if inside.any():
                x[inside] = solver.dense_output()(t[inside]).T
        now, step = solver.y, max(step, solver.h_abs)  # the last one was cut
    return x


def integration_error(x: Array, against: Array) -> float:
    """Largest |x − reference| over times, relative to the largest |reference| of the state; worst state.

    ``x`` and ``against`` (T, S).
    """
    size = np.maximum(np.abs(against).max(axis=0), np.finfo(float).tiny)
    return float((np.abs(x - against).max(axis=0) / size).max())
