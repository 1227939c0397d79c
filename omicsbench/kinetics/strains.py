"""How a virtual strain expresses its enzymes, grows and eats: the inputs of the field as functions of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike

from omicsbench.kinetics.world import ENZYMES, INPUTS, STATES, World
from omicsbench.trajectory import Array

HORIZON = 72.0
"""Hours."""

_OPERON = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
"""AtoB HMGS HMGR · MK PMK PMD · Idi GPPS · limonene synthase NudB: genes of one operon vary together."""
_MEDIAN_POOLS = np.array([0.25, 0.03, 0.01, 0.05, 0.05, 0.01, 0.05, 0.05, 0.005, 0.0])


@dataclass(frozen=True, eq=False)
class Strains:
    """Parameters of ``B`` strains: what a genotype and an inoculum are here. Arrays (B, 10), one column an enzyme.

    Each enzyme follows ``level * [b + (1 - b)(1 - exp(-(t/tau)^n))]``, declines linearly by ``decline`` from
    ``onset`` to 72 h, and wobbles by three sines (B, 10, 3); a ``repressed`` one falls to a quarter. ``od`` (B,)
    is OD at 0 h; ``pools`` (B, 10) are x(0) at stiffness 1.
    """

    level: Array
    basal: Array
    tau: Array
    order: Array
    decline: Array
    onset: Array
    amplitude: Array
    period: Array
    phase: Array
    repressed: Array
    od: Array
    pools: Array

    @staticmethod
    def draw(set: int, ks: Sequence[int]) -> Strains:
        """Strains ``ks`` of a set, each from ``default_rng([7002, set, k])``: independent of which others are drawn.

        The distributions match the measured protein curves in their ratios of first, 4 h and last value to the
        maximum.
        """
        drawn = [_draw_one(np.random.default_rng([7002, set, k])) for k in ks]
        return Strains(**{f.name: np.stack([one[f.name] for one in drawn]) for f in fields(Strains)})

    def __len__(self) -> int:
        return len(self.od)

    def __getitem__(self, rows: slice) -> Strains:
        """Some of the strains."""
        return Strains(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def stack(parts: Sequence[Strains]) -> Strains:
        """All strains of ``parts`` in one batch."""
        return Strains(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Strains)})

    def raised(self, enzyme: str, factor: float) -> Strains:
        """The same strains with ``factor`` times as much of one enzyme at every time."""
        level = self.level.copy()
        level[:, ENZYMES.index(enzyme)] *= factor
        return replace(self, level=level)

    def x0(self, world: World) -> Array:
        """All ten states at 0 h: (B, 10)."""
        return self.pools * world.fast_pools

    def inputs(self, world: World, t: ArrayLike) -> Array:
        """The field's inputs at times ``t`` (T,): (B, T, 12).

        OD is logistic; the fraction of glucose left solves dg/dt = -qg OD g. Enzymes that strains of this pathway
        were not given stay at 1, so that ``World.controls`` determine the field.
        """
        t = np.asarray(t, dtype=np.float64)
        v = np.ones((len(self), t.size, len(INPUTS)))
        for enzyme in world.proteins:
            v[:, :, INPUTS.index(enzyme)] = self._enzyme(ENZYMES.index(enzyme), t)
        grown = self.od[:, None] / world.Kod * np.expm1(world.r * t)
        v[:, :, 10] = self.od[:, None] * np.exp(world.r * t) / (1.0 + grown)
        v[:, :, 11] = (1.0 + grown) ** (-world.qg * world.Kod / world.r)
        return v

    def _enzyme(self, e: int, t: Array) -> Array:
        level, basal, tau, order, decline, onset = (
            a[:, e, None] for a in (self.level, self.basal, self.tau, self.order, self.decline, self.onset)
        )
        rise = basal + (1.0 - basal) * -np.expm1(-((t / tau) ** order))
        fall = 1.0 - decline * np.clip((t - onset) / (HORIZON - onset), 0.0, 1.0)
        amplitude, period, phase = (a[:, e, :, None] for a in (self.amplitude, self.period, self.phase))
        wobble = np.exp((amplitude * np.sin(2.0 * np.pi * t / period + phase)).sum(axis=1))
        repression = np.where(self.repressed[:, e, None], 0.25 + 0.75 * np.exp(-t / 4.0), 1.0)
        return np.asarray(level * rise * fall * wobble * repression)


def _draw_one(rng: np.random.Generator) -> dict[str, Array]:
    genes, operons = len(ENZYMES), 4

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    spread = 0.55 * rng.normal(size=operons)[_OPERON] + 0.75 * rng.normal(size=genes)
    basal = np.full(genes, log_uniform(0.01, 0.3))
    tau = log_uniform(2.0, 7.0) * rng.lognormal(0.0, 0.25, size=genes)
    order = rng.uniform(1.2, 2.5, size=genes)
    decline = 0.7 * rng.uniform(0.0, 0.45, size=operons)[_OPERON] + 0.3 * rng.uniform(0.0, 0.45, size=genes)
    onset = rng.uniform(12.0, 48.0, size=genes)
    amplitude = rng.normal(0.0, 0.04, size=(genes, 3))
    period = rng.uniform(14.0, 60.0, size=(genes, 3))
    phase = rng.uniform(0.0, 2.0 * np.pi, size=(genes, 3))
    repressed = rng.uniform(size=genes) < 0.04
    od = np.array(log_uniform(0.6, 1.7))
    pools = _MEDIAN_POOLS * rng.lognormal(0.0, 0.5, size=len(STATES))
    if rng.uniform() < 0.2:
        pools[STATES.index("Mev")] *= 8.0
    return {
        "level": np.exp(np.clip(spread, -np.log(4.5), np.log(4.5))),
        "basal": basal,
        "tau": tau,
        "order": order,
        "decline": decline,
        "onset": onset,
        "amplitude": amplitude,
        "period": period,
        "phase": phase,
        "repressed": repressed,
        "od": od,
        "pools": pools,
    }
