"""Scores: pure functions of truth and prediction, per state and then averaged over the states that count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from omicsbench.texts import say
from omicsbench.trajectory import Array

VERSION = 2
"""Of scoring. It rises whenever a score of the same prediction changes: cells of another version run again."""


@dataclass(frozen=True, eq=False)
class Scored:
    """What a metric is given.

    ``truth`` and ``prediction`` (B, T, S), truth NaN where not scored; ``scale`` (S,) the unit of NRMSE;
    ``samples`` (N, B, T, S) or None.
    """

    truth: Array
    prediction: Array
    scale: Array
    samples: Array | None = None


@dataclass(frozen=True)
class Metric:
    """A named score. ``function`` gives one value a state (S,), NaN where it is not defined.

    ``unit``: ``native`` means the state's own, so it is never averaged over states; ``1`` is dimensionless.
    """

    name: str
    summary: str
    unit: Literal["native", "1"]
    better: Literal["lower", "higher", "none"]
    function: Callable[[Scored], Array]


def _mean(values: Array, axes: tuple[int, ...] = (0, 1)) -> Array:
    """Mean over strains and times of what is not NaN; NaN where nothing is."""
    seen = ~np.isnan(values)
    count = seen.sum(axis=axes)
    total = np.where(seen, values, 0.0).sum(axis=axes)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def rmse(s: Scored) -> Array:
    """Root mean squared error over strains and scored times, in native units."""
    return np.sqrt(_mean((s.prediction - s.truth) ** 2))


def nrmse(s: Scored) -> Array:
    """RMSE / SD of the state's measurements in training (or of a fixed pool of strains)."""
    return rmse(s) / s.scale


def r2(s: Scored) -> Array:
    """Coefficient of determination: 1 − Σ(prediction − truth)² / Σ(truth − mean truth)²."""
    residual = _mean((s.prediction - s.truth) ** 2)
    spread = _mean((s.truth - _mean(s.truth)) ** 2)
    return np.where(spread > 0, 1.0 - residual / np.where(spread > 0, spread, 1.0), np.nan)


def final_error(s: Scored) -> Array:
    """Mean absolute error at each strain's last scored time of the state, in native units."""
    seen = ~np.isnan(s.truth)
    last = s.truth.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
    rows = np.arange(s.truth.shape[0])[:, None]
    columns = np.arange(s.truth.shape[2])[None]
    error = np.abs(s.prediction[rows, last, columns] - s.truth[rows, last, columns])
    return _mean(np.where(seen.any(axis=1), error, np.nan), axes=(0,))


def negative_share(s: Scored) -> Array:
    """Share of predicted concentrations below zero at the scored times."""
    return _mean(np.where(np.isnan(s.truth), np.nan, s.prediction < 0))


def crps(s: Scored) -> Array:
    """Continuous ranked probability score of the samples, in native units: E|X − y| − ½ E|X − X′|.

    Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102:359, eq. 21; over all pairs of samples.
    """
    if s.samples is None:
        return np.full(s.truth.shape[2], np.nan)
    n = s.samples.shape[0]
    ordered = np.sort(s.samples, axis=0)
    # Σ|x_i − x_j| over all pairs of sorted values is Σ 2 (2i − n − 1) x_i, i from 1.
    weights = (2.0 * np.arange(1, n + 1) - n - 1)[:, None, None, None]
    spread = 2.0 * (weights * ordered).sum(axis=0) / n**2
    return _mean(np.abs(s.samples - s.truth).mean(axis=0) - 0.5 * spread)


def coverage90(s: Scored) -> Array:
    """Share of truth within the 5 % to 95 % quantiles of the samples; 0.9 is right."""
    if s.samples is None:
        return np.full(s.truth.shape[2], np.nan)
    low, high = np.quantile(s.samples, (0.05, 0.95), axis=0)
    inside = (s.truth >= low) & (s.truth <= high)
    return _mean(np.where(np.isnan(s.truth), np.nan, inside))


METRICS: Sequence[Metric] = (
    Metric("rmse", "root mean squared error", "native", "lower", rmse),
    Metric("nrmse", "RMSE / SD of the state's measurements in training", "1", "lower", nrmse),
    Metric("r2", "coefficient of determination", "1", "higher", r2),
    Metric("final_error", "absolute error at the last scored time", "native", "lower", final_error),
    Metric("negative_share", "share of predicted concentrations below zero", "1", "lower", negative_share),
    Metric("crps", "continuous ranked probability score of the samples", "native", "lower", crps),
    Metric("coverage90", "share of truth within the central 90 % of the samples", "1", "none", coverage90),
)

NEED_SAMPLES = ("crps", "coverage90")
"""Metrics of the samples, which no record holds: they cannot be made again from a prediction."""
DERIVED_SCORES = (
    "derivative_nrmse",
    "intervention_sign",
    "intervention_nrmse",
    "intervention_rank",
    "rank",
    "best_decile",
)
"""Scores that only a simulated task knows (``omicsbench.scoring.probes``)."""

DERIVED: Mapping[str, str] = {
    "skill": "1 − NRMSE / NRMSE of the best trivial baseline on the fold; below 0 is worse than no model",
    "improvement": "% by which RMSE is below that of a named baseline, per state, maximum and mean",
}
"""Scores that need the records of other models, so they are made where records are compared."""


def score(scored: Scored) -> dict[str, Array]:
    """Every metric of the core: name to (S,).

    Raises ``ValueError`` naming a metric that fails or gives another shape.
    """
    return {metric.name: evaluate(metric, scored) for metric in METRICS}


def evaluate(metric: Metric, scored: Scored) -> Array:
    """One metric of a prediction (S,). Raises ``ValueError`` naming it where it fails or gives another shape."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            values = np.asarray(metric.function(scored), dtype=np.float64)
        except Exception as error:
            raise ValueError(f"metric {metric.name!r} failed: {say(error)}") from error
    if values.shape != scored.scale.shape:
        raise ValueError(f"metric {metric.name!r} must give one value a state {scored.scale.shape}, got {values.shape}")
    return values


def mean_over_states(values: Array, counted: Sequence[bool]) -> float:
    """Mean of per-state values (S,) over the states that count; NaN where one of them is."""
    return float(np.mean(values[np.asarray(counted, dtype=bool)]))


def skill(nrmse_model: float, nrmse_best_trivial: float) -> float:
    """1 − NRMSE / NRMSE of the best trivial baseline on the same fold; NaN where that makes no error at all."""
    return 1.0 - nrmse_model / nrmse_best_trivial if nrmse_best_trivial > 0 else float("nan")


def improvement(rmse_model: Array, rmse_baseline: Array) -> Array:
    """Improvement % over a baseline, per state (S,): 100 (1 − RMSE / RMSE of the baseline).

    The figure of Habaraduwa & Lixandru 2025. NaN where the baseline's error is zero.
    """
    safe = np.where(rmse_baseline > 0, rmse_baseline, np.nan)
    return 100.0 * (1.0 - rmse_model / safe)
