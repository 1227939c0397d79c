"""Plots as plotly figures (plain dicts): the page's script draws them, nothing here depends on plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omicsbench.records import Record
from omicsbench.results.formats import number, plot_text
from omicsbench.results.summary import Entry, Group, median_record
from omicsbench.results.truth import Curve, Splits, curves, split_for
from omicsbench.scoring.cell import at_target
from omicsbench.scoring.metrics import Scored, nrmse
from omicsbench.trajectory import Array

Figure = dict[str, Any]

COLOURS = ("#0072B2", "#C44E00", "#00795A", "#A3377B", "#6A3D9A", "#8A6A00", "#A61C1C", "#3B6E8F", "#5B7F00", "#7A4B2A")
"""Each at least 4.5:1 on white, told apart by the colour-blind together with ``SYMBOLS``."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon", "cross", "x")
TRIVIAL_COLOUR = "#767676"
TRIVIAL_DASHES = ("dot", "dash", "dashdot", "longdash")
ORACLE_COLOUR = "#444444"
TRUTH_COLOUR = "#000000"
MANY_TIMES = 20
"""Beyond this many scored times only the median seed is drawn."""
HEADROOM = 3.0
"""Plots open at most this many times as high as the truth; what leaves them is said in words."""


def rounded(values: Array) -> list[float | None]:
    """Values to five significant digits, as JSON: a plot shows no more, and machines agree on them."""
    return [None if np.isnan(value) else float(f"{value:.5g}") for value in values]


@dataclass(frozen=True)
class Style:
    """How an entry is drawn, the same in every plot of a page."""

    colour: str
    symbol: str
    dash: str
    dimmed: bool


def styles(group: Group) -> dict[str, Style]:
    """A style for each entry, by label: models in colours, trivial baselines in grey."""
    result = {}
    models = trivial = 0
    for entry in sorted(group.entries, key=lambda e: e.label):
        if entry.role == "trivial":
            result[entry.label] = Style(TRIVIAL_COLOUR, "circle", TRIVIAL_DASHES[trivial % len(TRIVIAL_DASHES)], True)
            trivial += 1
        elif entry.role == "oracle":
            result[entry.label] = Style(ORACLE_COLOUR, "cross", "longdashdot", True)
        else:
            n, again = models % len(COLOURS), models // len(COLOURS)
            result[entry.label] = Style(COLOURS[n], SYMBOLS[n], ("solid", "dash", "dot")[again % 3], False)
            models += 1
    return result


@dataclass(frozen=True, eq=False)
class Line:
    """A predicted target of one record: ``t`` (T,), ``x`` (B, T, S). ``main``: its seed has the median error."""

    entry: Entry
    record: Record
    main: bool
    t: Array
    x: Array


@dataclass(frozen=True)
class Panel:
    """One state of one held-out strain: a figure and what it shows in words."""

    state: str
    unit: str
    strain: str
    figure: Figure
    alt: str
    notes: tuple[str, ...]


def lines(group: Group, fold: str) -> list[Line]:
    """Every stored prediction of a fold; of many times the median seed's only."""
    found = []
    for entry in group.ordered():
        stored = [record for record in entry.of_fold(fold) if record.prediction is not None]
        middle = median_record(stored)
        for record in stored:
            assert record.prediction is not None
            if record is middle or record.prediction.t.size <= MANY_TIMES:
                found.append(Line(entry, record, record is middle, record.prediction.t, record.prediction.x))
    return found


def telling_strains(drawn: Sequence[Line], splits: Splits, most: int = 3) -> list[tuple[int, str]]:
    """Which held-out strains to show, as (row, caption): all where they are few, else best, median and worst.

    By NRMSE of the model with the highest skill.
    """
    split = split_for(drawn[0].record, splits)
    fold, count = drawn[0].record.cell.fold, drawn[0].x.shape[0]
    # A fold of one strain is named after it; where the data are not at hand there is no other name.
    names = [fold] if count == 1 else [f"strain {n + 1}" for n in range(count)]
    names = names if split is None else list(split.held_out)
    if len(names) <= most or split is None:
        return list(enumerate(names))[:most]
    line = next((line for line in drawn if line.entry.role == "model"), drawn[0])
    prediction = line.record.prediction
    x = None if prediction is None else at_target(prediction, split.targets[0], split)
    if x is None:
        return list(enumerate(names))[:most]
    truth = split.targets[0].truth
    errors = [
        float(np.nanmean(nrmse(Scored(truth[row : row + 1], x[row : row + 1], split.scale))))
        for row in range(len(names))
    ]
    order = np.argsort(errors, kind="stable")
    return [
        (int(row), f"{names[row]}, {which} of {len(names)} for {line.entry.label}")
        for which, row in (("best", order[0]), ("median", order[len(order) // 2]), ("worst", order[-1]))
    ]


def panels(group: Group, fold: str, units: Mapping[str, str], splits: Splits) -> list[list[Panel]]:
    """Predicted against known, for each strain that is shown one panel a state. Empty where nothing is stored."""
    drawn = lines(group, fold)
    if not drawn:
        return []
    looks = styles(group)
    known = curves(drawn[0].record, splits)
    split = split_for(drawn[0].record, splits)
    x0 = None if split is None else split.inputs.x0
    return [
        [
            _panel(fold, state, units.get(state, ""), column, row, caption, drawn, known, x0, looks)
            for column, state in enumerate(group.states)
        ]
        for row, caption in telling_strains(drawn, splits)
    ]


def _panel(
    fold: str,
    state: str,
    unit: str,
    column: int,
    row: int,
    caption: str,
    drawn: Sequence[Line],
    known: Sequence[Curve],
    x0: Array | None,
    looks: Mapping[str, Style],
) -> Panel:
    traces = [_prediction(line, row, column, unit, x0, looks[line.entry.label]) for line in reversed(drawn)]
    traces += [_known(curve, row, column, unit) for curve in known]
    truth = [curve.x[row, :, column] for curve in known]
    low, high, outside = _window(drawn, row, column, truth)
    shapes = []
    notes = [f"{label} leaves the plot, {extreme} {unit}" for label, extreme in outside]
    below = [line for line in drawn if line.main and np.nanmin(line.x[row, :, column], initial=0.0) < 0]
    if below:
        shapes.append(_band(low))
    for line in below:
        if line.entry.role == "model":
            negative = float(np.mean(line.x[row, line.t > 0, column] < 0))  # x(0) is given, not predicted
            notes.append(f"{line.entry.label} is below zero at {100 * negative:.0f} % of the times")
    figure = {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": "hours"}, "rangemode": "tozero"},
            "yaxis": {"range": rounded(np.array([low, high]))},
            "shapes": shapes,
        },
    }
    return Panel(state, unit, caption, figure, _alt(state, unit, caption, drawn, known, row, column), tuple(notes))


def _prediction(line: Line, row: int, column: int, unit: str, x0: Array | None, look: Style) -> Figure:
    t, x = line.t, line.x[row, :, column]
    few = t.size <= MANY_TIMES
    if x0 is not None and t[0] > 0:
        t, x = np.concatenate([[0.0], t]), np.concatenate([[x0[row, column]], x])
    elif x0 is not None and np.isnan(x[0]) and not np.isnan(x[1:]).all():
        x = np.concatenate([[x0[row, column]], x[1:]])
    seed = "" if line.record.deterministic else f", seed {line.record.cell.seed}"
    return {
        "type": "scatter",
        "mode": "lines+markers" if few and not look.dimmed and line.main else "lines",
        "name": plot_text(f"{line.entry.label}{seed}"),
        "meta": line.entry.label,
        "x": rounded(t),
        "y": rounded(x),
        "line": {"color": look.colour, "dash": look.dash, "width": (1.5 if look.dimmed else 2) if line.main else 1},
        "marker": {"symbol": look.symbol, "size": 6},
        "opacity": 1.0 if line.main else 0.35,
        "hovertemplate": f"%{{fullData.name}}<br>%{{x:.3~g}} h: <b>%{{y:.4~g}} {plot_text(unit)}</b><extra></extra>",
    }


def _known(curve: Curve, row: int, column: int, unit: str) -> Figure:
    x = curve.x[row, :, column]
    seen = ~np.isnan(x)
    name = {"measured": "measured", "interpolated": "interpolated and smoothed", "truth": "truth"}[curve.name]
    return {
        "type": "scatter",
        "mode": "markers" if curve.points else "lines",
        "name": plot_text(name),
        "meta": "",
        "x": rounded(curve.t[seen]),
        "y": rounded(x[seen]),
        "line": {"color": TRUTH_COLOUR, "width": 1.5},
        "marker": {"symbol": "circle-open", "size": 9, "color": TRUTH_COLOUR, "line": {"width": 2}},
        "hovertemplate": f"{plot_text(name)}<br>%{{x:.3~g}} h: <b>%{{y:.4~g}} {plot_text(unit)}</b><extra></extra>",
    }


def _window(
    drawn: Sequence[Line], row: int, column: int, truth: Sequence[Array]
) -> tuple[float, float, list[tuple[str, str]]]:
    """Lowest and highest value to show, and which main lines leave that window, to where."""
    lows, highs = {}, {}
    for line in drawn:
        x = line.x[row, :, column]
        if line.main and np.isfinite(x).any():
            lows[line.entry.label], highs[line.entry.label] = float(np.nanmin(x)), float(np.nanmax(x))
    top = max((float(np.nanmax(x)) for x in truth if np.isfinite(x).any()), default=0.0)
    limit = HEADROOM * top if top > 0 else 3.0 * float(np.median(list(highs.values()) or [1.0]))
    limit = limit if limit > 0 else 1.0
    high = 1.05 * min(limit, max([*highs.values(), top], default=1.0))
    high = high if high > 0 else limit
    low = 1.05 * max(-limit / 2, min([*lows.values(), 0.0]))
    models = {line.entry.label for line in drawn if line.entry.role == "model"}
    outside = [(label, f"up to {number(value)}") for label, value in highs.items() if value > high and label in models]
    outside += [(label, f"down to {number(value)}") for label, value in lows.items() if value < low and label in models]
    return min(low, -0.04 * high), high, outside


def _band(low: float) -> Figure:
    """What no concentration can be."""
    return {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 10 * low,
        "y1": 0,
        "fillcolor": "#C00000",
        "opacity": 0.09,
        "line": {"width": 0},
        "layer": "below",
    }


def _alt(
    state: str, unit: str, caption: str, drawn: Sequence[Line], known: Sequence[Curve], row: int, column: int
) -> str:
    def ends(x: Array) -> str:
        values = x[np.isfinite(x)]
        return f"ends at {number(float(values[-1]))} {unit}" if values.size else "has no value"

    said = [f"{curve.name} {ends(curve.x[row, :, column])}" for curve in known[-1:]]
    said += [f"{line.entry.label} {ends(line.x[row, :, column])}" for line in drawn if line.main]
    return f"{state} of {caption} over time. " + "; ".join(said) + "."
