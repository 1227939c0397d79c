"""Virtual strains: what a simulated task measures of strains whose every pool is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.kinetics.cache import cached, content_key
from omicsbench.kinetics.field import field
from omicsbench.kinetics.integrate import integrate
from omicsbench.kinetics.strains import HORIZON, Strains
from omicsbench.kinetics.world import STATE_UNITS, STATES, Pathway, World
from omicsbench.trajectory import Array, Controls, Trajectory, read_only

DENSE_TIMES = read_only(np.linspace(0.0, HORIZON, 200))
MEASURED_TIMES = read_only([0, 4, 8, 12, 18, 24, 36, 48, 72])
"""When the measured tasks measured proteins and most states; Acetyl-CoA and HMG-CoA were left out at three times."""

HELD_OUT, SCALE_POOL, GATE = 0, 1, 2
"""Set numbers: strains that are held out, strains whose SD scales the scores, strains that assess a world."""

NOISE = 0.05
_UNMEASURED_TIMES, _UNMEASURED_STATES = np.array([2, 6, 8]), np.array([0, 1])
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
    """``B`` strains of a world: the truth. ``x_full`` (B, T, 10) at times ``t`` (T,), noise-free, read-only."""

    world: World
    set: int
    ks: tuple[int, ...]
    strains: Strains
    t: Array
    x_full: Array

    def __len__(self) -> int:
        return len(self.ks)

    @property
    def names(self) -> tuple[str, ...]:
        """The strains' names."""
        return tuple(f"V{self.set}-{k}" for k in self.ks)

    @property
    def x(self) -> Array:
        """The six observed states, (B, T, 6)."""
        return observe(self.x_full)

    def at(self, t: ArrayLike) -> VirtualStrains:
        """The same strains at some of their times. Raises ``ValueError`` for a time that was not simulated."""
        t = read_only(t)
        where = np.clip(np.searchsorted(self.t, t), 0, self.t.size - 1)
        if not np.array_equal(self.t[where], t):
            raise ValueError(f"not simulated at {t[self.t[where] != t]} h")
        return replace(self, t=t, x_full=read_only(self.x_full[:, where]))

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
) -> VirtualStrains:
    """Strains ``ks`` of a set in a world, simulated at ``t`` (hours from 0; the dense and the measured times if None).

    Deterministic; kept on disk. Raises ``RequestError`` for an unknown pathway or stiffness; whether the world is
    worth simulating is what ``require`` says.
    """
    drawn = World.draw(pathway, world, stiffness)
    t = read_only(np.union1d(DENSE_TIMES, MEASURED_TIMES) if t is None else t)
    if t.ndim != 1 or t.size == 0 or t[0] != 0.0 or np.any(np.diff(t) <= 0):
        raise ValueError("times must start at 0 h and increase")
    strains = Strains.draw(set, ks)
    key = content_key(of="strains", world=asdict(drawn), set=set, ks=list(ks), t=t.tolist())
    x = cached(key, (len(ks), t.size, len(STATES)), lambda: simulate(drawn, strains, t))
    return VirtualStrains(drawn, set, tuple(ks), strains, t, read_only(x))


def simulate(world: World, strains: Strains, t: Array) -> Array:
    """All ten states of strains at times ``t`` (T,), hours from 0: (B, T, 10). Memory is bounded by chunks."""
    return integrate(world, strains.x0(world), t, lambda rows, times: strains[rows].inputs(world, times))


def exact(strains: VirtualStrains, t: ArrayLike, every_state: bool = False) -> list[Trajectory]:
    """One trajectory a strain: noise-free, states and controls at times ``t``."""
    return _trajectories(strains, t, [1.0] * len(strains), every_state)


def measured(strains: VirtualStrains, every_state: bool = False) -> list[Trajectory]:
    """One trajectory a strain, as a laboratory would have it: nine times, holes where the measured tasks have them,
    5 % lognormal noise on states (on x(0) too) from ``default_rng([7003, set, k])``; controls at the nine times.
    """
    size = (MEASURED_TIMES.size, len(state_names(strains.world.pathway, every_state)))
    noise = [np.random.default_rng([7003, strains.set, k]).lognormal(0.0, NOISE, size) for k in strains.ks]
    if not every_state:
        for factor in noise:
            factor[np.ix_(_UNMEASURED_TIMES, _UNMEASURED_STATES)] = np.nan
    return _trajectories(strains, MEASURED_TIMES, noise, every_state)


def _trajectories(
    strains: VirtualStrains, t: ArrayLike, factors: Sequence[Array | float], every_state: bool
) -> list[Trajectory]:
    shown = strains.at(t)
    x = shown.x_full if every_state else shown.x
    controls = shown.controls(t)
    return [
        Trajectory(name, shown.t, x[b] * factor, controls[b : b + 1])
        for b, (name, factor) in enumerate(zip(shown.names, factors, strict=True))
    ]


def true_derivative(strains: VirtualStrains, every_state: bool = False) -> Array:
    """The true dx/dt (B, T, S) per hour of the observed states at the strains' times."""
    dx = field(strains.world, strains.x_full, strains.inputs(strains.t))
    return dx if every_state else observe(dx)


def intervene(strains: VirtualStrains, factor: float = 2.0) -> Array:
    """What raising one protein by ``factor`` at all times does to the final product: (B, proteins) of
    log(product with / product without), columns in the order of ``World.proteins``. From the true x(0), to 72 h.
    """
    world, t = strains.world, np.array([0.0, HORIZON])
    proteins = world.proteins

    def make() -> Array:
        raised = [strains.strains, *(strains.strains.raised(protein, factor) for protein in proteins)]
        product = simulate(world, Strains.stack(raised), t)[:, -1, _P].reshape(len(raised), len(strains))
        return np.ascontiguousarray(np.log(product[1:] / product[0]).T)

    key = content_key(
        of="interventions", world=asdict(world), set=strains.set, ks=list(strains.ks), factor=float(factor)
    )
    return cached(key, (len(strains), len(proteins)), make)
