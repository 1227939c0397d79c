"""The candidate terms: products of states and transformed controls, and how they read in native units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pysindy import PolynomialLibrary

from omicsbench import Array, TaskInfo
from omicsbench.preprocessing import ControlTransform

Exponents = NDArray[np.integer]
Powers = tuple[int, ...]


def candidate_powers(kind: Literal["polynomial", "bilinear"], degree: int, states: int, controls: int) -> Exponents:
    """Exponents (M, S + C) of the candidate terms, the constant first.

    ``polynomial``: all monomials up to ``degree``. ``bilinear``: those and every state times every control.
    """
    powers = (
        PolynomialLibrary(degree=degree if kind == "polynomial" else max(degree, 2))
        .fit(np.zeros((1, states + controls)))
        .powers_
    )
    total = powers.sum(axis=1)
    crossed = (powers[:, :states].sum(axis=1) == 1) & (powers[:, states:].sum(axis=1) == 1)
    return powers[(total <= degree) | (crossed & (total == 2))]


@dataclass(frozen=True, eq=False)
class Library:
    """Terms in scaled units: states over ``scale`` (S,), controls standardised by ``transform``.

    ``powers`` (M, S + C). ``clip``: controls are held within their training range.
    """

    powers: Exponents
    scale: Array
    transform: ControlTransform
    clip: bool

    @cached_property
    def factors(self) -> Exponents:
        """Each term as a list of its inputs (M, D), filled up with the 1 that ``terms`` puts behind the inputs."""
        inputs = self.powers.shape[1]
        factors = np.full((len(self.powers), max(1, int(self.powers.sum(axis=1).max()))), inputs)
        for row, power in zip(factors, self.powers, strict=True):
            listed = np.repeat(np.arange(inputs), power)
            row[: listed.size] = listed
        return factors

    def terms(self, x: Array, u: Array) -> Array:
        """Values (N, M) of the terms at states ``x`` (N, S) and controls ``u`` (N, C)."""
        z = self.transform(u)
        if self.clip:
            z = np.clip(z, self.transform.low, self.transform.high)
        inputs = np.concatenate([x / self.scale, z, np.ones((len(x), 1))], axis=1)
        return inputs[:, self.factors].prod(axis=2)

    def part(self, keep: NDArray[np.bool_]) -> Library:
        """The same with some of the terms."""
        return Library(self.powers[keep], self.scale, self.transform, self.clip)

    def native(self, coefficients: Array, state: int) -> dict[Powers, float]:
        """d(state)/dt per hour in native units: coefficients by exponents of states and transformed controls.

        ``coefficients`` (M,) are those of the scaled terms and the scaled state. The standardisation of the controls,
        (g - mean) / sd, is multiplied out.
        """
        result: dict[Powers, float] = defaultdict(float)
        states = self.scale.size
        mean, sd = self.transform.mean, self.transform.sd
        for coefficient, power in zip(coefficients, self.powers, strict=True):
            if coefficient == 0.0:
                continue
            of_states, of_controls = power[:states], power[states:]
            front = coefficient * self.scale[state] / np.prod(self.scale**of_states) / np.prod(sd**of_controls)
            for kept in product(*(range(p + 1) for p in of_controls)):
                ways = np.prod([comb(p, k) for p, k in zip(of_controls, kept, strict=True)])
                rest = np.prod((-mean) ** (of_controls - np.array(kept, dtype=int)))
                result[(*map(int, of_states), *kept)] += float(front * ways * rest)
        return dict(sorted(result.items(), key=lambda term: not any(term[0])))  # the constant last


def input_names(task: TaskInfo, transform: ControlTransform) -> list[str]:
    """How states and transformed controls are spelt in the equations."""

    def spelt(name: str, half: float) -> str:
        return {"log": f"log10({name})", "hill": f"({name} / ({name} + {half:.6g}))", "raw": name}[transform.kind]

    return [f"[{state}]" for state in task.states] + [
        spelt(name, half) for name, half in zip(task.controls, transform.half, strict=True)
    ]


def bounds(task: TaskInfo, transform: ControlTransform, clip: bool) -> list[str]:
    """What a reader must do to a control before the equations hold, one line a control; none where nothing."""
    if clip:
        low, high = (bound * transform.sd + transform.mean for bound in (transform.low, transform.high))
        undo = {"log": lambda g: 10.0**g, "hill": lambda g: transform.half * g / (1.0 - g), "raw": lambda g: g}
        ends = zip(task.controls, undo[transform.kind](low), undo[transform.kind](high), strict=True)
        return [f"{name} held within {a:.6g} and {b:.6g}" for name, a, b in ends]
    if transform.kind == "log":
        return [f"{name} at least {floor:.6g}" for name, floor in zip(task.controls, transform.floor, strict=True)]
    return [f"{name} at least 0" for name in task.controls] if transform.kind == "hill" else []


def term_name(power: Powers, names: list[str]) -> str:
    """``"[Mevalonate]^2 log10(AtoB)"``, ``"1"`` for the constant."""
    spelt = [name if p == 1 else f"{name}^{p}" for name, p in zip(names, power, strict=True) if p]
    return " ".join(spelt) or "1"


def equation(state: str, unit: str, native: Mapping[Powers, float], names: list[str]) -> str:
    """``"d[Mevalonate]/dt = 0.12 [HMG-CoA] - 0.03 [Mevalonate] + 0.5 (g/L/h)"``."""
    text = ""
    for power, coefficient in native.items():
        sign = "-" if coefficient < 0 else "+"
        lead = f" {sign} " if text else ("-" if coefficient < 0 else "")
        name = f" {term_name(power, names)}" if any(power) else ""
        text += f"{lead}{abs(coefficient):.6g}{name}"
    return f"d[{state}]/dt = {text or '0'} ({unit}/h)"
