"""A comparison in words and tables: Markdown for claims.md and for the terminal alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omicsbench.leaderboard.claims import (
    BEST_TRIVIAL,
    PAPER,
    PUBLISHED_MAXIMUM,
    PUBLISHED_SPEEDUP,
    SCOPES,
    Comparison,
    Spread,
    verdict,
)
from omicsbench.results.formats import markdown_text, number, seconds

Table = list[list[str]]
AS_PUBLISHED = ("neural ODE, as published", "the 2018 pipeline")


def markdown(comparisons: Sequence[Comparison], baseline: str) -> str:
    """The whole of claims.md."""
    parts = [
        "# The published claim, put to the test",
        f"{PAPER}, reports neural ODEs that cut RMSE by up to 94.38 % (limonene) and 97.65 % (isopentenol) against the "
        f"2018 pipeline, and infer 1000× faster. Below, the same comparison from records that anyone can re-run, "
        f"against `{baseline}`. Improvement is 100 (1 − RMSE / RMSE of the baseline), per state; median over seeds "
        "with a 95 % bootstrap interval, the maximum and the mean over the states that count.",
    ]
    for comparison in comparisons:
        parts += [f"## {markdown_text(comparison.task)}", markdown_text(verdict(comparison))]
        for title, table in tables(comparison):
            parts += [f"### {title}", _markdown(table)]
    return "\n\n".join(parts) + "\n"


def tables(comparison: Comparison) -> list[tuple[str, Table]]:
    """Titles and tables of one task: RMSE by state, gains by scope, ratios of inference time."""
    found = []
    for scope in SCOPES:
        models = [model for at, model in comparison.rmse if at == scope]
        if models:
            found.append((f"RMSE by state · {scope}", _rmse(comparison, scope, models)))
            found.append((f"Improvement % · {scope}", _gains(comparison, scope)))
    if comparison.ratios:
        found.append(("Inference of one strain, 200 points", _ratios(comparison)))
    return found


def _rmse(comparison: Comparison, scope: object, models: Sequence[str]) -> Table:
    head = ["state", *models]
    rows = []
    for n, (state, unit) in enumerate(zip(comparison.states, comparison.units, strict=True)):
        mark = "" if comparison.counted[n] else " (not counted)"
        values = [comparison.rmse[at, model][n] for at, model in comparison.rmse if at == scope]
        rows.append([f"{state} [{unit}]{mark}", *[number(float(value)) for value in values]])
    return [head, *rows]


def _gains(comparison: Comparison, scope: object) -> Table:
    mine = [gain for gain in comparison.gains if gain.scope == scope]
    head = ["model", "against", "maximum", "of", "best seed", "mean", "cells"]
    rows = []
    if scope == SCOPES[0] and comparison.task in PUBLISHED_MAXIMUM:
        claim = f"up to {PUBLISHED_MAXIMUM[comparison.task]}"
        rows.append(
            ["neural ODE, as published", "the 2018 pipeline", claim, "not said", "not said", "not said", "not said"]
        )
    for gain in sorted(mine, key=lambda g: (g.baseline == BEST_TRIVIAL, g.baseline, -g.maximum.median)):
        best = number(gain.maximum.best)
        rows.append(
            [
                gain.model,
                gain.baseline,
                _spread(gain.maximum),
                gain.state,
                best,
                _spread(gain.mean),
                str(gain.mean.cells),
            ]
        )
    return [head, *rows]


def _ratios(comparison: Comparison) -> Table:
    head = ["model", "against", "baseline's path", "times as fast", "model", "baseline", "hardware"]
    claim = [*AS_PUBLISHED, "not said", f"{PUBLISHED_SPEEDUP:.0f}", "–", "–", "not said"]
    rows = [
        [r.model, r.baseline, r.path, number(r.ratio), seconds(r.latency), seconds(r.baseline_latency), r.hardware]
        for r in sorted(comparison.ratios, key=lambda r: (r.path, r.baseline, r.model))
    ]
    return [head, claim, *rows]


def _spread(value: Spread) -> str:
    if not np.isfinite(value.median):
        return "failed"
    return f"{value.median:.1f} [{value.lower:.1f}, {value.upper:.1f}]"


def _markdown(table: Table) -> str:
    head, *rows = table
    lines = [_row(head), f"| {' | '.join(['---'] * len(head))} |", *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_text, cells)) + " |"
