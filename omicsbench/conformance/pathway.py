"""A made-up linear pathway: three states, two controls, three strains. Nothing to download, quick to fit.

dA/dt = 0.5 u₁/1000 − 0.3 A,  dB/dt = 0.06 A − 0.15 B,  dP/dt = 0.04 B + 0.002 u₂/50000 − 0.03 P  (per hour),
so that states differ in size as measured ones do, and controls are counts.
"""

from __future__ import annotations

import numpy as np

from omicsbench.model import TaskInfo
from omicsbench.trajectory import Array, Controls, Trajectory

HORIZON = 48.0
INFO = TaskInfo(("A", "B", "P"), ("mM", "mM", "g/L"), ("E1", "E2"), ("counts", "counts"), HORIZON)
COUNTS = np.array([1000.0, 50000.0])
RATES = np.array([[-0.3, 0.0, 0.0], [0.06, -0.15, 0.0], [0.0, 0.04, -0.03]])
PUSH = np.array([[0.5, 0.0], [0.0, 0.0], [0.0, 0.002]])
X0 = np.array([[0.4, 0.10, 0.00], [1.5, 0.20, 0.01], [3.0, 0.60, 0.03]])
KNOTS = np.array([0.0, 6.0, 18.0, 30.0, HORIZON])
SHAPES = np.array([[0.3, 1.0, 0.5, 1.2, 0.4], [1.0, 0.3, 1.1, 0.5, 1.3]])
"""Of the two controls over the knots; each strain has a level of its own."""
LEVELS = np.array([[0.6, 3.0], [1.5, 1.0], [4.0, 1.8]])
STEPS_PER_HOUR = 20
NAMES = ("low", "medium", "high")
COMPLETE = np.array([0.0, 2.0, 5.0, 9.0, 14.0, 20.0, 27.0, 36.0, HORIZON])
RAGGED = (COMPLETE, np.array([0.0, 4.0, 8.0, 18.0, 30.0, 41.0]), np.array([0.0, 1.0, 3.0, 6.0, 12.0, 24.0, HORIZON]))


def controls() -> Controls:
    """u(t) of the three strains."""
    return Controls(KNOTS, COUNTS * LEVELS[:, None, :] * SHAPES.T[None])


def solve(x0: Array, u: Controls) -> tuple[Array, Array]:
    """Times (T,) and states (B, T, 3) from ``x0`` (B, 3), by the classical Runge-Kutta method."""
    t = np.linspace(0.0, HORIZON, int(HORIZON * STEPS_PER_HOUR) + 1)
    step = t[1]
    left, middle, right = (u.at(t[:-1] + part * step) / COUNTS @ PUSH.T for part in (0.0, 0.5, 1.0))
    x = np.empty((len(x0), t.size, x0.shape[1]))
    x[:, 0] = x0
    for n in range(t.size - 1):
        k1 = x[:, n] @ RATES.T + left[:, n]
        k2 = (x[:, n] + step / 2 * k1) @ RATES.T + middle[:, n]
        k3 = (x[:, n] + step / 2 * k2) @ RATES.T + middle[:, n]
        k4 = (x[:, n] + step * k3) @ RATES.T + right[:, n]
        x[:, n + 1] = x[:, n] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return t, x


def strains(ragged: bool = False, holes: bool = False) -> list[Trajectory]:
    """The training strains, with arrays of their own that can be written to.

    ``ragged``: each at its own times. ``holes``: single values and the end of a series missing, B of the last strain
    never measured.
    """
    u = controls()
    dense, x = solve(X0, u)
    found = []
    for n, name in enumerate(NAMES):
        t = RAGGED[n] if ragged else COMPLETE
        measured = x[n, np.searchsorted(dense, t - 1e-9)]
        if holes:
            measured[1 + n, 0] = np.nan
            measured[-2:, 2 - n] = np.nan
            if n == 2:
                measured[:, 1] = np.nan
        found.append(writable(Trajectory(name, t, measured, u[[n]])))
    return found


def writable(trajectory: Trajectory) -> Trajectory:
    """The same, with arrays that can be written to: who does it is found out by comparing."""
    for owner, names in ((trajectory, ("t", "x")), (trajectory.controls, ("t", "u"))):
        for name in names:
            object.__setattr__(owner, name, getattr(owner, name).copy())
    return trajectory


def arrays(trajectories: list[Trajectory]) -> list[Array]:
    """Copies of everything numeric that a fit is given."""
    return [
        array.copy() for strain in trajectories for array in (strain.t, strain.x, strain.controls.t, strain.controls.u)
    ]
