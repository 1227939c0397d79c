"""The constants of a kinetic mevalonate pathway: a world.

Units: mM in the cell, hours, enzymes relative to their median plateau; product in g per litre of culture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Literal

import numpy as np

from omicsbench.errors import RequestError, suggest
from omicsbench.trajectory import Array, read_only

Pathway = Literal["limonene", "isopentenol"]

STATES = ("AcCoA", "AcAcCoA", "HMG-CoA", "Mev", "MevP", "MevPP", "IPP", "DMAPP", "GPP", "Product")
STATE_UNITS = ("mM",) * 9 + ("g/L",)
ENZYMES = ("AtoB", "HMGS", "HMGR", "MK", "PMK", "PMD", "Idi", "GPPS", "Limonene Synthase", "NudB")
INPUTS = (*ENZYMES, "OD600", "Glucose")
"""What drives the field: dx/dt = f(x, v) has no explicit time."""

DEFAULT_WORLDS: dict[str, int] = {"limonene": 1, "isopentenol": 1}
"""Worlds that pass the gate, for whoever names none."""

_PROTEINS: dict[str, tuple[str, ...]] = {
    "limonene": ("AtoB", "GPPS", "HMGR", "HMGS", "Idi", "Limonene Synthase", "MK", "PMD", "PMK"),
    "isopentenol": ("AtoB", "HMGR", "HMGS", "Idi", "MK", "NudB", "PMD", "PMK"),
}
_NATIVE_PRENYL = 0.02
"""Capacity of GPPS and limonene synthase in a strain that was not given them, against one that was."""


def _between(low: float, high: float) -> float:
    """A constant drawn log-uniformly between two bounds."""
    return field(metadata={"range": (low, high)})  # type: ignore[no-any-return]


@dataclass(frozen=True)
class World:
    """A pathway with its constants, named as in the rate laws of ``rates``.

    ``J`` is the flux that capacities are balanced to (mM/h); ``phi1`` ... ``phi10`` are the ratios of
    capacity to it, in the order of ``ENZYMES``. Balancing them is what gives every enzyme a say. Several Km
    are effective, not in vitro.
    """

    pathway: Pathway
    seed: int
    stiffness: float
    J: float = _between(0.4, 0.8)
    phi1: float = _between(1.5, 3.5)
    phi2: float = _between(1.2, 2.5)
    phi3: float = _between(1.2, 3.0)
    phi4: float = _between(1.2, 3.0)
    phi5: float = _between(1.0, 2.2)
    phi6: float = _between(1.2, 3.0)
    phi7: float = _between(1.5, 4.0)
    phi8: float = _between(1.0, 2.5)
    phi9: float = _between(1.2, 3.0)
    phi10: float = _between(0.8, 2.0)
    Jin: float = _between(4.0, 7.0)
    Kg: float = _between(0.2, 0.5)
    KiA: float = _between(0.2, 0.5)
    Vtca: float = _between(0.5, 1.2)
    Ktca: float = _between(0.2, 0.6)
    K1: float = _between(0.4, 0.8)
    K1p: float = _between(0.1, 0.3)
    Keq1: float = _between(1.0, 3.0)
    K2A: float = _between(0.1, 0.4)
    K2B: float = _between(0.12, 0.3)
    Ks2: float = _between(0.5, 1.5)
    Ki2: float = _between(0.1, 0.4)
    Ki2n: float = _between(0.5, 1.5)
    K3: float = _between(0.12, 0.3)
    Ki3A: float = _between(0.5, 2.0)
    Ki3B: float = _between(0.2, 0.8)
    K4: float = _between(0.25, 0.7)
    Ki4G: float = _between(0.05, 0.25)
    Ki4D: float = _between(1.0, 4.0)
    Ks4: float = _between(5.0, 20.0)
    K5: float = _between(0.25, 0.9)
    K6: float = _between(0.2, 0.5)
    Ki6: float = _between(2.0, 8.0)
    K7: float = _between(0.4, 1.0)
    K7D: float = _between(0.4, 1.0)
    Keq7: float = _between(1.5, 5.0)
    K8I: float = _between(0.15, 0.6)
    K8D: float = _between(0.15, 0.6)
    Ki8: float = _between(0.1, 0.5)
    K9: float = _between(0.15, 0.4)
    Vf: float = _between(0.02, 0.08)
    Kf: float = _between(0.05, 0.2)
    K10: float = _between(0.5, 2.0)
    Vn: float = _between(0.01, 0.05)
    ksec: float = _between(0.02, 0.1)
    kdeg: float = _between(0.005, 0.03)
    kloss: float = _between(0.001, 0.006)
    rho: float = _between(0.0125, 0.0225)
    r: float = _between(0.25, 0.45)
    Kod: float = _between(3.2, 3.8)
    qg: float = _between(0.007, 0.014)

    @staticmethod
    def draw(pathway: Pathway, world: int, stiffness: float = 1.0) -> World:
        """World number ``world``: every constant log-uniform between its bounds, from ``default_rng([7001, world])``.

        Both pathways get the same constants. ``stiffness`` s divides every K of a fast pool by s and multiplies
        the capacity of Idi by the root of s; where the fluxes go hardly changes. Raises ``RequestError`` for an
        unknown pathway or s < 1.
        """
        if pathway not in _PROTEINS:
            raise RequestError(f"pathway {pathway!r} is not known; {suggest(pathway, _PROTEINS)}")
        if not stiffness >= 1.0:
            raise RequestError(f"stiffness must be at least 1, got {stiffness:g}")
        bounds = {f.name: f.metadata["range"] for f in fields(World) if "range" in f.metadata}
        z = np.random.default_rng([7001, world]).uniform(size=len(bounds))
        drawn = {
            name: float(low * (high / low) ** zi) for (name, (low, high)), zi in zip(bounds.items(), z, strict=True)
        }
        return World(pathway, world, float(stiffness), **drawn).stiffened()

    def stiffened(self) -> World:
        fast = ("K1p", "Keq1", "K2B", "Ks2", "Ki3B", "K6", "K9", "Kf", "Ki8", "Ki4G")
        return replace(
            self,
            phi7=self.phi7 * self.stiffness**0.5,
            **{name: getattr(self, name) / self.stiffness for name in fast},
        )

    @cached_property
    def V(self) -> tuple[float, ...]:
        """Capacities of the ten ``ENZYMES`` at their median plateau, mM/h."""
        capacity = [getattr(self, f"phi{i}") * self.J for i in range(1, 11)]
        prenyl = 0.5 if self.pathway == "limonene" else 0.5 * _NATIVE_PRENYL
        capacity[7] *= prenyl
        capacity[8] *= prenyl
        if self.pathway == "limonene":
            capacity[9] = 0.0
        return tuple(capacity)

    @property
    def proteins(self) -> tuple[str, ...]:
        """The enzymes that its strains were given, by the measured task's names in its order."""
        return _PROTEINS[self.pathway]

    @property
    def controls(self) -> tuple[str, ...]:
        """What models are given: the proteins, OD and the fraction of glucose left. They determine the field."""
        return (*self.proteins, "OD600", "Glucose")

    @property
    def control_units(self) -> tuple[str, ...]:
        """Units of ``controls``."""
        return ("relative to median",) * len(self.proteins) + ("OD600", "fraction of initial")

    @property
    def fast_pools(self) -> Array:
        """(10,): what initial pools are multiplied by in this world: 1/stiffness for the fast ones."""
        factor = np.ones(len(STATES))
        factor[[1, 5, 8]] /= self.stiffness
        return read_only(factor)

    def inputs_of(self, controls: Array) -> Array:
        """The field's inputs (..., 12) of ``controls`` (..., C); enzymes that strains were not given stay at 1."""
        v = np.ones((*controls.shape[:-1], len(INPUTS)))
        v[..., [INPUTS.index(name) for name in self.controls]] = controls
        return v

    def controls_of(self, inputs: Array) -> Array:
        """``controls`` (..., C) of the field's inputs (..., 12)."""
        return inputs[..., [INPUTS.index(name) for name in self.controls]]
