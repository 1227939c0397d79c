"""What a simulated task consists of, as arrays: how strains are shown to models, and what is known of held-out ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from omicsbench.kinetics.sampling import DENSE_TIMES, MEASURED_TIMES, SCORED_TIMES, Truth, exact, measured
from omicsbench.kinetics.strains import HORIZON
from omicsbench.kinetics.virtual import VirtualStrains, intervene
from omicsbench.trajectory import Array

GENERATOR = 1
"""The version of all that stands here and below; a change that moves any number beyond rounding raises it."""
POOL = 300
"""Strains whose SD is the unit of NRMSE, those that assess the world: the SD of two training strains would change
the metric with every draw, and that of a hundred still hangs on a few strains in which mevalonate piles up."""

Sampling = Literal["measured", "dense"]


@dataclass(frozen=True, eq=False)
class Times:
    """Hours: ``scored`` (T,), where the truth is known; ``shown`` (K,), where models see strains and controls."""

    scored: Array
    shown: Array

    @staticmethod
    def of(sampling: Sampling, horizon: float) -> Times:
        """Those of a task: the suite's, stretched to its horizon."""
        stretch = horizon / HORIZON
        return Times(SCORED_TIMES * stretch, (DENSE_TIMES if sampling == "dense" else MEASURED_TIMES) * stretch)

    @property
    def all(self) -> Array:
        """Both, sorted: where strains are simulated."""
        return np.union1d(self.scored, self.shown)


@dataclass(frozen=True, eq=False)
class Shown:
    """What models are shown of ``B`` strains at K times: ``x`` (B, K, S), NaN where unmeasured, and ``u`` (B, K, C)."""

    x: Array
    u: Array

    @staticmethod
    def of(strains: Truth, times: Times, sampling: Sampling) -> Shown:
        """Strains without noise (``dense``) or as a laboratory would have them (``measured``)."""
        seen = (exact if sampling == "dense" else measured)(strains, times.shown)
        return Shown(np.stack([strain.x for strain in seen]), strains.controls(times.shown).u)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """All that is known of ``B`` held-out strains.

    ``x`` (B, T, S) and ``u`` (B, T, C): the truth at the scored times. ``controls`` (B, K, C) are given to models, and
    ``measured`` (B, K, S) is what a laboratory would have, None where nothing is measured with noise. Of the suite's
    own pathway also ``dx`` (B, T, S) per hour; ``response`` (B, P), the log ratio of final products with more of each
    protein; ``pools`` (B, 10), every state at 0 h. Of an SBML model these are None.
    """

    x: Array
    u: Array
    controls: Array
    measured: Array | None = None
    dx: Array | None = None
    response: Array | None = None
    pools: Array | None = None

    @staticmethod
    def of(strains: Truth, times: Times, sampling: Sampling, factor: float) -> HeldOut:
        """Of strains that were simulated at ``times.all``; proteins are raised ``factor``-fold."""
        true, shown = strains.at(times.scored), Shown.of(strains, times, sampling)
        known = HeldOut(true.x, true.controls(times.scored).u, shown.u, None if sampling == "dense" else shown.x)
        if not isinstance(true, VirtualStrains):
            return known
        return replace(known, dx=true.dx, response=intervene(true, factor), pools=true.strains.x0(true.world))


def spread(pool: Truth, times: Times) -> Array:
    """The unit of NRMSE of each state (S,): its SD over a pool of strains and the scored times; 1 where it is 0."""
    x = pool.at(times.scored).x
    sd = x.reshape(-1, x.shape[-1]).std(axis=0)
    return np.where(sd > 0, sd, 1.0)
