"""The oracle: the true field with what models see. No model of a simulated task can do better but by luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omicsbench.kinetics.integrate import integrate
from omicsbench.kinetics.rates import field
from omicsbench.kinetics.virtual import VirtualStrains, observe
from omicsbench.kinetics.world import STATES
from omicsbench.model import Model, Progress, Simulation, Status, TaskInfo
from omicsbench.trajectory import Array, Controls, Trajectory

_SEEN = tuple(STATES.index(state) for state in ("AcCoA", "HMG-CoA", "Mev", "MevP"))
_ISOMERS = [STATES.index("IPP"), STATES.index("DMAPP")]


class Oracle(Model):
    """The true field, driven by controls linear between their samples, from the x(0) that models are given.

    It is shown the truth by ``reveal`` before it simulates: the constants, the pools at 0 h that are not observed,
    and how much of IPP/DMAPP is IPP. Strains of a batch are the revealed ones in their order, repeated if need be.
    """

    def __init__(self, *, seed: int, device: str) -> None:
        self.truth: VirtualStrains | None = None

    def reveal(self, truth: VirtualStrains) -> None:
        """Show the held-out strains."""
        self.truth = truth

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        pass

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        truth = self._shown()
        world = truth.world
        pools = truth.strains.x0(world)[np.arange(len(x0)) % len(truth)]
        knots = controls.t[(controls.t > t[0]) & (controls.t < t[-1])]
        times = np.union1d(t, knots)  # no step may cross a kink of u(t)
        x = integrate(world, _complete(x0, pools), times, lambda rows, at: world.inputs_of(controls[rows].at(at)))[
            :, np.searchsorted(times, t)
        ]
        x = x if x0.shape[1] == len(STATES) else observe(x)
        x[:, 0] = x0
        return Simulation(x=x, status=np.full(len(x0), Status.OK, dtype=np.int64))

    def field(self, x: Array, u: Array) -> Array | None:
        """The true dx/dt, where all ten states are observed; six do not determine it."""
        if x.shape[1] != len(STATES):
            return None
        world = self._shown().world
        return field(world, x, world.inputs_of(u))

    def _shown(self) -> VirtualStrains:
        if self.truth is None:
            raise ValueError("the oracle was not shown the truth: it runs on simulated tasks only")
        return self.truth


def _complete(x0: Array, pools: Array) -> Array:
    """All ten states (B, 10) of the observed ones ``x0`` and, where they say nothing, of the true ``pools``."""
    if x0.shape[1] == len(STATES):
        return x0
    full = pools.copy()
    full[:, _SEEN] = x0[:, :4]
    isomers = pools[:, _ISOMERS]
    full[:, _ISOMERS] = x0[:, 4:5] * isomers / isomers.sum(axis=1, keepdims=True)
    full[:, -1] = x0[:, 5]
    return full
