"""Two ways to integrate dx/dt = f(x, u(t)): all strains at once on a fixed grid, and one by one as published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853

from omicsbench import Array, Controls, Simulation, Status

Field = Callable[[Array, Array], Array]

RTOL, ATOL = 1e-4, 1e-6
"""Tolerances of the published path, the absolute one in units of each state's ``scale``."""
MAX_EVALUATIONS = 10_000
"""Of the field for one strain on the published path: where a solver that makes no headway gives up."""
BLOW_UP = 1e6
"""Multiples of a state's training maximum (or of its x(0)) beyond which a trajectory counts as diverged."""


@dataclass(frozen=True, eq=False)
class Box:
    """Where trajectories may go. Arrays (B, S), per strain since x(0) is always inside.

    ``low`` and ``high``: walls that the field does not cross, infinite without clamping, so that leaving them is
    numerical error and is put back. ``limit``: the modulus beyond which a strain has diverged.
    """

    low: Array
    high: Array
    limit: Array

    @staticmethod
    def around(x0: Array, top: Array | None, scale: Array) -> Box:
        """Walls at 0 and ``top`` (S,), none where it is None; ``scale`` (S,): the training maximum of the modulus."""
        low = np.full_like(x0, -np.inf) if top is None else np.minimum(x0, 0.0)
        high = np.full_like(x0, np.inf) if top is None else np.maximum(x0, top)
        return Box(low, high, BLOW_UP * np.maximum(np.abs(x0), scale))

    def put_back(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)

    def escaped(self, x: Array) -> Array:
        """Which strains (B,) of ``x`` (B, S) have diverged; NaN counts."""
        return ~(np.abs(x) <= self.limit).all(axis=1)

    def of(self, strain: int) -> Box:
        rows = slice(strain, strain + 1)
        return Box(self.low[rows], self.high[rows], self.limit[rows])


def rk4(field: Field, x0: Array, t: Array, controls: Controls, step: float, box: Box) -> Simulation:
    """All strains at once by the classical Runge-Kutta method, every ``step`` hours from ``t[0]``.

    The grid depends on neither the other strains nor the requested times: those between grid points are filled in by
    the cubic Hermite polynomial, which is of the order of the method.
    """
    steps = int(np.ceil((t[-1] - t[0]) / step - 1e-9))
    grid = t[0] + step * np.arange(steps + 1)
    due = np.searchsorted(t, grid + 1e-9 * step, side="right")
    due[-1] = t.size
    x = np.full((len(x0), t.size, x0.shape[1]), np.nan)
    x[:, 0] = x0
    alive = np.ones(len(x0), dtype=bool)
    now, evaluations = x0.copy(), np.zeros(len(x0), dtype=np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        slope = field(now, controls.at(grid[0])[:, 0]) if steps else now
        for i in range(steps):
            middle, end = np.moveaxis(controls.at([grid[i] + step / 2, grid[i + 1]]), 1, 0)
            k2 = field(now + step / 2 * slope, middle)
            k3 = field(now + step / 2 * k2, middle)
            k4 = field(now + step * k3, end)
            after = box.put_back(now + step / 6 * (slope + 2 * k2 + 2 * k3 + k4))
            evaluations[alive] += 4
            alive &= ~box.escaped(after)
            after[~alive] = x0[~alive]
            slope_after = field(after, end)
            for k in range(due[i], due[i + 1]):
                reached = box.put_back(_hermite(now, after, slope, slope_after, step, (t[k] - grid[i]) / step))
                x[alive, k] = reached[alive]
            now, slope = after, slope_after
            if not alive.any():
                break
    return Simulation(x, np.where(alive, Status.OK, Status.DIVERGED), evaluations)


def _hermite(x0: Array, x1: Array, f0: Array, f1: Array, step: float, s: float) -> Array:
    # Written so that a state at rest stays exactly where it is.
    return x0 + (x1 - x0) * (3 - 2 * s) * s**2 + step * (f0 * s * (1 - s) ** 2 - f1 * (1 - s) * s**2)


def dop853(field: Field, x0: Array, t: Array, controls: Controls, step: float, box: Box, scale: Array) -> Simulation:
    """Strain by strain by the adaptive DOP853, with steps of at most ``step`` hours."""
    x = np.full((len(x0), t.size, x0.shape[1]), np.nan)
    x[:, 0] = x0
    status = np.full(len(x0), Status.OK, dtype=np.int64)
    evaluations = np.zeros(len(x0), dtype=np.int64)
    for strain in range(len(x0)) if t.size > 1 else ():  # DOP853 refuses an interval of no length
        one = controls[[strain]]

        def slope(at: float, y: Array, one: Controls = one) -> Array:
            return field(y[None], one.at(at)[0])[0]

        walls = box.of(strain)
        with np.errstate(over="ignore", invalid="ignore"):
            solver = DOP853(slope, t[0], x0[strain], t[-1], max_step=step, rtol=RTOL, atol=ATOL * scale)
            done = 1
            while solver.status == "running" and solver.nfev < MAX_EVALUATIONS:
                solver.step()
                if solver.status == "failed" or walls.escaped(solver.y[None])[0]:
                    break
                upto = int(np.searchsorted(t, solver.t, side="right"))
                if upto > done:
                    x[strain, done:upto] = walls.put_back(solver.dense_output()(t[done:upto]).T)
                    done = upto
        if done < t.size:
            status[strain] = Status.DIVERGED
        evaluations[strain] = solver.nfev
    return Simulation(x, status, evaluations)
