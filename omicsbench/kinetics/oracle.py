"""The oracle: the true field with what models see. No model of a simulated task can do better but by luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from omicsbench.kinetics.integrate import integrate
from omicsbench.kinetics.rates import field
from omicsbench.kinetics.virtual import observe
from omicsbench.kinetics.world import STATES, World
from omicsbench.model import Model, Progress, Simulation, Status, TaskInfo
from omicsbench.trajectory import Array, Controls, Trajectory

_STEP = 0.5
"""Hours. Against a twenty-fifth of it, in the unit of NRMSE: RMS 7e-6 and at most 3e-4, over the suite's tasks; what an
oracle misses is 0.03."""
_SEEN = tuple(STATES.index(state) for state in ("AcCoA", "HMG-CoA", "Mev", "MevP"))
_ISOMERS = [STATES.index("IPP"), STATES.index("DMAPP")]


@dataclass(frozen=True, eq=False)
class Revealed:
    """What an oracle is shown of ``B`` held-out strains: the constants, and ``pools`` (B, 10), every state at 0 h."""

    world: World
    pools: Array


class Oracle(Model):
    """The true field, driven by controls linear between their samples, from the x(0) that models are given.

    It is shown by ``reveal``, before it simulates, the constants, the pools at 0 h that are not observed, and how much
    of IPP/DMAPP is IPP. Strains of a batch are the revealed ones in their order, repeated if need be.
    """

    def __init__(self, *, seed: int, device: str) -> None:
        self.revealed: Revealed | None = None

    def reveal(self, truth: Revealed) -> None:
        """Show the held-out strains."""
        self.revealed = truth

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        pass

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        shown = self._shown()
        pools = shown.pools[np.arange(len(x0)) % len(shown.pools)]
        x = _solved(shown.world, *map(_Values.of, (_complete(x0, pools), t, controls.t, controls.u)))
        x = x.copy() if x0.shape[1] == len(STATES) else observe(x)
        x[:, 0] = x0
        return Simulation(x=x, status=np.full(len(x0), Status.OK, dtype=np.int64))

    def field(self, x: Array, u: Array) -> Array | None:
        """The true dx/dt, where all ten states are observed; six do not determine it."""
        if x.shape[1] != len(STATES):
            return None
        world = self._shown().world
        return field(world, x, world.inputs_of(u))

    def _shown(self) -> Revealed:
        if self.revealed is None:
            raise ValueError("the oracle was not shown the truth: it runs on simulated tasks only")
        return self.revealed


@dataclass(frozen=True)
class _Values:
    """An array that can be a key."""

    content: bytes
    shape: tuple[int, ...]

    @staticmethod
    def of(array: Array) -> _Values:
        return _Values(np.ascontiguousarray(array).tobytes(), array.shape)

    @property
    def array(self) -> Array:
        return np.frombuffer(self.content).reshape(self.shape)


@lru_cache(maxsize=4)
def _solved(world: World, x0: _Values, t: _Values, knots: _Values, u: _Values) -> Array:
    """All ten states (B, T, 10). The folds of a task hold the same strains out and ask the same: it is solved once."""
    controls, asked = Controls(knots.array, u.array), t.array
    inner = controls.t[(controls.t > asked[0]) & (controls.t < asked[-1])]
    times = np.union1d(asked, inner)  # no step may cross a kink of u(t)
    x = integrate(world, x0.array, times, lambda rows, at: world.inputs_of(controls[rows].at(at)), _STEP)
    return x[:, np.searchsorted(times, asked)]


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
