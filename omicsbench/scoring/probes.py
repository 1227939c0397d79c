"""Questions that only a simulated task can ask, because it knows the truth.

How well is the derivative learned, are strains ranked by their final product, and what does raising one protein do?
A worker asks a fitted model (``ask``), after everything else; the harness scores the answers (``score``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from omicsbench.model import Model, check_simulation
from omicsbench.trajectory import Array, Controls

RAISE = 2.0
"""By how much a protein is raised in an intervention, at all times."""
TELLING = float(np.log(1.02))
"""Interventions whose true response is smaller say nothing of the sign."""
BEST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Probes:
    """What a model is asked. ``x`` (N, S) and ``u`` (N, C): true states and controls for its field;
    ``x0`` (B, S), ``controls`` of B strains and ``horizon`` hours for interventions on the controls ``proteins``.
    """

    x: Array
    u: Array
    x0: Array
    controls: Controls
    proteins: tuple[int, ...]
    horizon: float
    product: int


@dataclass(frozen=True, eq=False)
class Reality:
    """The true answers: ``dx`` (N, S) per hour; ``response`` (B, P), the log ratio of final products."""

    dx: Array
    response: Array


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers: ``dx`` (N, S) or None where it has no field; ``response`` (B, P)."""

    dx: Array | None
    response: Array


def ask(model: Model, name: str, probes: Probes) -> Answers:
    """A fitted model's answers. Raises what the model raises."""
    dx = model.field(probes.x.copy(), probes.u.copy())
    t = np.array([0.0, probes.horizon])
    raised = [probes.controls.u]
    for protein in probes.proteins:
        u = probes.controls.u.copy()
        u[:, :, protein] *= RAISE
        raised.append(u)
    x0 = np.tile(probes.x0, (len(raised), 1))
    sim = model.simulate(x0, t, Controls(probes.controls.t, np.concatenate(raised)))
    final = check_simulation(sim, name, (len(x0), 2, x0.shape[1])).x[:, -1, probes.product]
    # A product at or below zero has no ratio; the smallest positive one of the batch stands in for it.
    positive = final[np.isfinite(final) & (final > 0)]
    floor = positive.min() if positive.size else 1.0
    final = np.where(final > floor, final, np.where(np.isnan(final), np.nan, floor)).reshape(len(raised), -1)
    return Answers(None if dx is None else np.asarray(dx, dtype=np.float64), np.log(final[1:] / final[0]).T)


def score(answers: Answers, reality: Reality) -> dict[str, float]:
    """Scores of a model's answers, by name; NaN where not defined.

    ``derivative_nrmse``: RMSE of dx/dt on true states / SD of the true dx/dt, mean over states.
    ``intervention_sign``: share of interventions with a telling response whose direction is right.
    ``intervention_nrmse``: RMSE of the log response / its root mean square; 1 is that of "nothing happens".
    ``intervention_rank``: Spearman correlation of predicted and true log response.
    """
    derivative = float("nan")
    if answers.dx is not None:
        spread = reality.dx.std(axis=0)
        error = np.sqrt(((answers.dx - reality.dx) ** 2).mean(axis=0))
        derivative = float((error / np.where(spread > 0, spread, 1.0)).mean())
    telling = np.abs(reality.response) > TELLING
    right = np.sign(answers.response) == np.sign(reality.response)
    size = np.sqrt((reality.response**2).mean())
    return {
        "derivative_nrmse": derivative,
        "intervention_sign": float(right[telling].mean()) if telling.any() else float("nan"),
        "intervention_nrmse": float(np.sqrt(((answers.response - reality.response) ** 2).mean()) / size),
        "intervention_rank": spearman(answers.response.ravel(), reality.response.ravel()),
    }


def score_ranking(predicted: Array, true: Array) -> dict[str, float]:
    """How well strains are ranked by final product, from ``predicted`` and ``true`` (B,).

    ``rank``: Spearman correlation. ``best_decile``: share of the truly best tenth that is in the predicted one.
    """
    best = max(1, round(BEST_SHARE * true.size))
    found = set(np.argsort(-predicted, kind="stable")[:best]) & set(np.argsort(-true, kind="stable")[:best])
    alike = np.ptp(predicted) == 0 or not np.isfinite(predicted).all()
    return {
        "rank": spearman(predicted, true),
        "best_decile": float("nan") if alike else len(found) / best,
    }


def spearman(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two vectors; NaN where one is constant or not finite."""
    from scipy.stats import rankdata

    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
