"""Virtual strains: what a simulated task observes of strains whose every pool is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.kinetics.cache import cached, content_key
from omicsbench.kinetics.integrate import integrate
from omicsbench.kinetics.rates import field
from omicsbench.kinetics.sampling import DENSE_TIMES, MEASURED_TIMES, rows_of
from omicsbench.kinetics.strains import Strains
from omicsbench.kinetics.world import STATE_UNITS, STATES, Pathway, World
from omicsbench.trajectory import Array, Controls, read_only

HELD_OUT, GATE = 0, 2
"""Set numbers: strains that are held out, strains that assess a world and whose SD scales the scores."""

_A, _H, _M, _N, _I, _D, _P = (STATES.index(s) for s in ("AcCoA", "HMG-CoA", "Mev", "MevP", "IPP", "DMAPP", "Product"))


def training_set(draw: int) -> int:
    """The set number of a draw of training strains; the first n of it train, so that sizes are nested."""
    return 10 + draw


def state_names(pathway: Pathway, every_state: bool = False) -> tuple[str, ...]:
    """What is observed: six states by the measured tasks' names, or all ten."""
    if every_state:
        return STATES
    return ("Acetyl-CoA", "HMG-CoA", "Mevalonate", "Mev-P", "IPP/DMAPP", pathway.capitalize())


def state_units(every_state: bool = False) -> tuple[str, ...]:
    """Units of ``state_names``."""
    return STATE_UNITS if every_state else ("mM",) * 5 + ("g/L",)


def observe(x: Array) -> Array:
    """The six observed states (..., 6) of all ten (..., 10): IPP and DMAPP are seen as their sum.

    It is linear, so it takes dx/dt to the observed dx/dt as well.
    """
    return np.stack([x[..., _A], x[..., _H], x[..., _M], x[..., _N], x[..., _I] + x[..., _D], x[..., _P]], axis=-1)


@dataclass(frozen=True, eq=False)
class VirtualStrains:
    """``B`` strains of a world: the truth. ``x_full`` (B, T, 10) at times ``t`` (T,), noise-free, read-only.

    Six states are observed, or all ten with ``every_state``.
    """

    world: World
    set: int
    ks: tuple[int, ...]
    strains: Strains
    t: Array
    x_full: Array
    every_state: bool = False

    def __len__(self) -> int:
        return len(self.ks)

    @property
    def names(self) -> tuple[str, ...]:
        """The strains' names."""
        return tuple(f"V{self.set}-{k}" for k in self.ks)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the observed states."""
        return state_names(self.world.pathway, self.every_state)

    @property
    def skipped(self) -> tuple[str, ...]:
        """States that a laboratory leaves out at 8, 36 and 72 h, as in the measured tasks."""
        return () if self.every_state else self.states[:2]

    @property
    def x(self) -> Array:
        """The observed states, (B, T, S)."""
        return self.x_full if self.every_state else observe(self.x_full)

    @property
    def dx(self) -> Array:
        """The true dx/dt per hour of the observed states at the true states, (B, T, S)."""
        dx = field(self.world, self.x_full, self.inputs(self.t))
        return dx if self.every_state else observe(dx)

    def at(self, t: ArrayLike) -> VirtualStrains:
        """The same strains at some of their times. Raises ``ValueError`` for a time that was not simulated."""
        t = read_only(t)
        return replace(self, t=t, x_full=read_only(self.x_full[:, rows_of(self.t, t)]))

    def inputs(self, t: ArrayLike) -> Array:
        """The field's inputs at times ``t`` (T,): (B, T, 12)."""
        return self.strains.inputs(self.world, t)

    def controls(self, t: ArrayLike) -> Controls:
        """What models are given, ``World.controls`` sampled at ``t`` (K,)."""
        return Controls(read_only(t), self.world.controls_of(self.inputs(t)))


def virtual_strains(
    pathway: Pathway,
    world: int,
    set: int,
    ks: Sequence[int],
    stiffness: float = 1.0,
    t: ArrayLike | None = None,
    every_state: bool = False,
) -> VirtualStrains:
    """Strains ``ks`` of a set in a world, simulated at ``t`` (hours from 0; the dense and the measured times if None).

    Deterministic; kept on disk. Raises ``RequestError`` for an unknown pathway or stiffness, ``ValueError`` for times
    that do not start at 0 and increase. Whether the world is worth simulating is what ``require`` says.
    """
    drawn = World.draw(pathway, world, stiffness)
    t = read_only(np.union1d(DENSE_TIMES, MEASURED_TIMES) if t is None else t)
    if t.ndim != 1 or t.size == 0 or t[0] != 0.0 or not np.all(np.diff(t) > 0):
        raise ValueError("times must start at 0 h and increase")
    strains = Strains.draw(set, ks)
    key = content_key(of="strains", world=asdict(drawn), set=set, ks=list(ks), t=t.tolist())
    x = cached(key, (len(ks), t.size, len(STATES)), lambda: simulate(drawn, strains, t))
    return VirtualStrains(drawn, set, tuple(ks), strains, t, read_only(x), every_state)


def simulate(world: World, strains: Strains, t: Array) -> Array:
    """All ten states of strains at times ``t`` (T,), hours from 0: (B, T, 10). Memory is bounded by chunks."""
    return integrate(world, strains.x0(world), t, lambda rows, times: strains[rows].inputs(world, times))


def intervene(strains: VirtualStrains, factor: float = 2.0) -> Array:
    """What ``factor`` times as much of one protein, at all times, does to the final product.

    (B, proteins): log(product at the last of their times with / without), from the true x(0); columns in the order of
    ``World.proteins``.
    """
    world, t = strains.world, np.array([0.0, strains.t[-1]])

    def make() -> Array:
        raised = [strains.strains, *(strains.strains.raised(protein, factor) for protein in world.proteins)]
        product = simulate(world, Strains.stack(raised), t)[:, -1, _P].reshape(len(raised), len(strains))
        return np.ascontiguousarray(np.log(product[1:] / product[0]).T)

    key = content_key(
        of="interventions",
        world=asdict(world),
        set=strains.set,
        ks=list(strains.ks),
        factor=float(factor),
        horizon=float(t[-1]),
    )
    return cached(key, (len(strains), len(world.proteins)), make)
