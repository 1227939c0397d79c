"""The gate: a world in which one enzyme decides everything, or nothing moves, teaches nothing and is refused."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from omicsbench.errors import RequestError
from omicsbench.kinetics.rates import jacobian
from omicsbench.kinetics.virtual import GATE, virtual_strains
from omicsbench.kinetics.world import STATES, Pathway, World
from omicsbench.trajectory import Array

MOST_SPEARMAN = 0.75
SOME_SPEARMAN, HOW_MANY = 0.15, 4
LEAST_MOVEMENT = 0.2
FASTEST_MILD, FASTEST_STIFF, STIFF = 50.0, 1000.0, 1000.0


@dataclass(frozen=True)
class Gate:
    """What a world is like, over ``strains`` of its strains.

    ``spearman``: of each protein's mean over time with the final product. ``r2_best``, ``r2_all``: share of the
    variance of log final product that the best single log protein explains, and all of them (linear fits).
    ``movement``: per state, range over time / mean over time, median over strains. ``lowest``: the lowest
    concentration. ``fastest``, ``fastest_median``: max |eigenvalue| of the Jacobian along trajectories, 1/h.
    """

    world: World
    strains: int
    spearman: dict[str, float]
    r2_best: float
    r2_all: float
    movement: dict[str, float]
    lowest: float
    fastest: float
    fastest_median: float

    @property
    def passed(self) -> bool:
        """Whether tasks may use this world."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not, one phrase a failed condition."""
        found = []
        best = max(self.spearman, key=lambda protein: abs(self.spearman[protein]))
        if abs(self.spearman[best]) >= MOST_SPEARMAN:
            found.append(
                f"{best} alone ranks the final product (|Spearman| {abs(self.spearman[best]):.2f}, "
                f"must be below {MOST_SPEARMAN})"
            )
        telling = sum(abs(rho) > SOME_SPEARMAN for rho in self.spearman.values())
        if telling < HOW_MANY:
            found.append(f"only {telling} proteins matter (|Spearman| > {SOME_SPEARMAN}), {HOW_MANY} are needed")
        still = [state for state, moved in self.movement.items() if moved <= LEAST_MOVEMENT]
        if still:
            found.append(f"{', '.join(still)} moves by no more than {LEAST_MOVEMENT:.0%} of its mean")
        if self.lowest < 0.0:
            found.append(f"a concentration falls to {self.lowest:.2g}")
        if self.world.stiffness == 1.0 and self.fastest >= FASTEST_MILD:
            found.append(f"max |eigenvalue| is {self.fastest:.3g} 1/h, must be below {FASTEST_MILD:g} at stiffness 1")
        if self.world.stiffness >= STIFF and self.fastest <= FASTEST_STIFF:
            found.append(f"max |eigenvalue| is {self.fastest:.3g} 1/h, too slow for stiffness {STIFF:g}")
        return tuple(found)


@lru_cache(maxsize=16)
def assess(pathway: Pathway, world: int, stiffness: float = 1.0, n: int = 300) -> Gate:
    """The gate's numbers for a world, from the first ``n`` strains of the set kept for it."""
    from scipy.stats import spearmanr

    drawn = virtual_strains(pathway, world, GATE, range(n), stiffness)
    x, v = drawn.x_full, drawn.inputs(drawn.t)
    proteins = drawn.world.controls_of(v).mean(axis=1)[:, : len(drawn.world.proteins)]
    product = x[:, -1, -1]
    levels, log_product = np.log(proteins), np.log(product)
    with np.errstate(divide="ignore", invalid="ignore"):
        movement = np.median(np.ptp(x, axis=1) / x.mean(axis=1), axis=0)
    eigenvalues = np.linalg.eigvals(jacobian(drawn.world, x[:, ::5], v[:, ::5]))
    rates = np.abs(eigenvalues).max(axis=-1)
    return Gate(
        world=drawn.world,
        strains=n,
        spearman={
            name: float(spearmanr(column, product).statistic)
            for name, column in zip(drawn.world.proteins, proteins.T, strict=True)
        },
        r2_best=max(_r2(column[:, None], log_product) for column in levels.T),
        r2_all=_r2(levels, log_product),
        movement={state: float(moved) for state, moved in zip(STATES, movement, strict=True)},
        lowest=float(x.min()),
        fastest=float(rates.max()),
        fastest_median=float(np.median(rates)),
    )


def require(pathway: Pathway, world: int, stiffness: float = 1.0) -> Gate:
    """The numbers of a world that passes the gate; raises ``RequestError`` with the reasons for one that does not."""
    gate = assess(pathway, world, stiffness)
    if not gate.passed:
        raise RequestError(f"{pathway} world {world} is refused: {'; '.join(gate.reasons)}; choose another world")
    return gate


def _r2(predictors: Array, y: Array) -> float:
    design = np.column_stack([np.ones(len(y)), predictors])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1.0 - residual.var() / y.var())
