"""What the report and the site are built of: templates, plots, and what they say of a group."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from omicsbench.data.protocols import PROTOCOLS, Protocol
from omicsbench.data.tasks import Task
from omicsbench.files import write
from omicsbench.leaderboard import charts
from omicsbench.leaderboard.figures import Figure, Panel, Style, panels, styles
from omicsbench.records import Record
from omicsbench.results import formats
from omicsbench.results.summary import Entry, Group, median_record
from omicsbench.results.truth import Splits, split_for
from omicsbench.results.verdict import TOLERANCE, Verdict, judge
from omicsbench.scoring.cell import at_target
from omicsbench.trajectory import Array

HOME = Path(__file__).parent
PLOTLY = HOME / "assets" / "plotly-basic.min.js"
"""plotly.js-basic-dist-min 4.1.1 (MIT): scatter and bar are all that is drawn, at a quarter of the full bundle."""
MANY_FOLDS = 6
"""Beyond this many folds, plots are shown for one fold of each number of training strains."""


DERIVED: Mapping[str, str] = {
    "rank": "rank of final product",
    "best_decile": "best tenth found",
    "derivative_nrmse": "NRMSE of dx/dt",
    "intervention_sign": "doubled protein: right direction",
    "intervention_rank": "doubled protein: rank",
    "intervention_nrmse": "doubled protein: NRMSE",
}
"""Scores that only a simulated task knows (``omicsbench.scoring.probes``), as a reader would call them."""


@functools.cache
def environment() -> jinja2.Environment:
    """The templates; a name that is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HOME / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "skill", "interval", "seconds", "percent"):
        made.filters[name] = getattr(formats, name)
    made.globals.update(asset=lambda name: Markup((HOME / "assets" / name).read_text(encoding="utf-8")))
    made.globals.update(tolerance=TOLERANCE, derived_names=DERIVED)
    return made


def write_with_plotly(out: Path, html: str) -> None:
    """Write a page, and the script that draws its plots beside it. Raises ``RequestError`` where that cannot be."""
    write(out, html)
    plotly = out.parent / PLOTLY.name
    if not plotly.exists() or plotly.stat().st_size != PLOTLY.stat().st_size:
        write(plotly, PLOTLY.read_bytes())


class Plots:
    """The figures of one page, in the order they are placed."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def place(self, figure: Figure, alt: str, kind: str = "panel") -> Markup:
        """The place a figure is drawn in, with its words for those who do not see it."""
        self.figures.append(figure)
        html = '<div class="plot {kind}" role="img" aria-label="{alt}" data-plot="{n}"></div>'
        return Markup(html).format(kind=kind, alt=alt, n=len(self.figures) - 1)

    def data(self) -> Markup:
        """All figures as JSON that is safe within a script element."""
        text = json.dumps(self.figures, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        return Markup(text.replace("<", "\\u003c"))


@dataclass(frozen=True, eq=False)
class FoldPlots:
    """The panels of a fold, strain by strain."""

    name: str
    training_strains: int
    published: bool
    strains: Sequence[Sequence[Panel]]


@dataclass(frozen=True, eq=False)
class Section:
    """One group, ready for a template. ``verdicts`` by entry label and state: (where, verdict)."""

    anchor: str
    group: Group
    task: Task | None
    protocol: Protocol
    looks: Mapping[str, Style]
    folds: Sequence[FoldPlots]
    hidden_folds: int
    verdicts: Mapping[tuple[str, str], Sequence[tuple[str, Verdict]]]
    has_truth: bool
    learning: tuple[Figure, str] | None
    latency: tuple[Figure, str] | None
    spread: tuple[Figure, str] | None
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def excluded(self) -> Mapping[str, str]:
        """States left out of means, with the reason."""
        return {e.state: e.reason for e in self.task.excluded} if self.task else {}

    @property
    def failures(self) -> list[tuple[Entry, list[Record]]]:
        """Every cell without a result, and every one that diverged; those of one model and one reason together."""
        found: dict[tuple[str, str, str], tuple[Entry, list[Record]]] = {}
        for entry in self.group.ordered():
            for record in entry.records:
                if record.status != "ok":
                    reason = record.error.message if record.error else ""
                    found.setdefault((entry.label, record.status, reason), (entry, []))[1].append(record)
        return list(found.values())


def section(group: Group, task: Task | None, splits: Splits) -> Section:
    """What there is to say of a group."""
    units = {state.name: state.unit for state in task.states} if task else {}
    shown = _shown_folds(group)
    published = {fold.name for fold in task.folds if fold.published} if task else set()
    folds = [
        FoldPlots(fold, size, fold in published, found)
        for fold, size in shown
        if (found := panels(group, fold, units, splits))
    ]
    learns = len(group.training_sizes) > 1
    verdicts = {
        (entry.label, state): _verdicts(group, entry, column, splits, learns)
        for entry in group.entries
        for column, state in enumerate(group.states)
    }
    return Section(
        anchor=f"{group.task}-{group.protocol}",
        group=group,
        task=task,
        protocol=PROTOCOLS[group.protocol],
        looks=styles(group),
        folds=folds,
        hidden_folds=len(group.folds) - len(shown),
        verdicts=verdicts,
        has_truth=any(verdicts.values()),
        learning=charts.learning(group),
        latency=charts.error_latency(group),
        spread=charts.spread(group),
        units=units,
    )


def _shown_folds(group: Group) -> list[tuple[str, int]]:
    sizes = {r.cell.fold: r.training_strains for e in group.entries for r in e.records}
    if len(sizes) <= MANY_FOLDS and len(group.training_sizes) == 1:
        return list(sizes.items())
    first = {size: fold for fold, size in sorted(sizes.items(), reverse=True)}
    return [(first[size], size) for size in group.training_sizes]


def _verdicts(group: Group, entry: Entry, column: int, splits: Splits, learns: bool) -> list[tuple[str, Verdict]]:
    """By fold the verdict on the median seed; by number of training strains where folds differ in that."""
    pooled: dict[str, list[tuple[Array, Array]]] = {}
    for fold in entry.folds:
        record = median_record(r for r in entry.of_fold(fold) if not r.scores or r.prediction is not None)
        pair = None if record is None else _pair(record, splits, column)
        if record is not None and pair is not None:
            pooled.setdefault(f"n={record.training_strains}" if learns else fold, []).append(pair)
    return [
        (where, judge(np.concatenate([truth for truth, _ in pairs]), np.concatenate([x for _, x in pairs])))
        for where, pairs in sorted(pooled.items(), key=lambda item: (len(item[0]), item[0]))
    ]


def _pair(record: Record, splits: Splits, column: int) -> tuple[Array, Array] | None:
    """Truth and prediction (B, T) of one state; a failed cell predicted nothing; None where either is not to be had."""
    split = split_for(record, splits)
    if split is None:
        return None
    truth = split.targets[0].truth[:, :, column]
    if record.prediction is None:
        return truth, np.full(truth.shape, np.nan)
    x = at_target(record.prediction, split.targets[0], split)
    return None if x is None else (truth, x[:, :, column])
