"""Plots of scores: learning curves, error against latency, the spread over folds and seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from omicsbench.leaderboard.figures import Figure, Style, styles
from omicsbench.results.formats import number, plot_text, seconds
from omicsbench.results.summary import Entry, Group

FOLD_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_TICKS = [base * 10.0**power for power in range(-3, 4) for base in (1, 2, 5)]
_LOG = {"type": "log", "tickvals": _TICKS, "ticktext": [f"{tick:g}" for tick in _TICKS]}


def learning(group: Group) -> tuple[Figure, str] | None:
    """Error against the number of training strains: median and quartiles over draws and seeds.

    A figure and what it shows in words; None where every fold trains on as many strains.
    """
    sizes = group.training_sizes
    if len(sizes) < 2:
        return None
    looks = styles(group)
    traces, said = [], []
    for entry in group.ordered():
        x, low, middle, high, cells = [], [], [], [], []
        for size in sizes:
            values = entry.at_size(size)
            finite = values[np.isfinite(values)]
            if finite.size * 2 <= values.size:
                continue  # The median cell failed.
            quartiles = np.quantile(values, (0.25, 0.5, 0.75), method="nearest")
            x.append(size)
            low.append(float(quartiles[0]))
            middle.append(float(quartiles[1]))
            high.append(float(quartiles[2]) if np.isfinite(quartiles[2]) else float(finite.max()))
            cells.append(f"{finite.size} of {values.size} cells")
        if not x:
            continue
        look = looks[entry.label]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plot_text(entry.label),
                "meta": entry.label,
                "x": x,
                "y": middle,
                "text": cells,
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [h - m for h, m in zip(high, middle, strict=True)],
                    "arrayminus": [m - w for m, w in zip(middle, low, strict=True)],
                    "thickness": 1,
                    "width": 4,
                },
                "line": {"color": look.colour, "dash": look.dash, "width": 1.5 if look.dimmed else 2},
                "marker": {"symbol": look.symbol, "size": 8},
                "hovertemplate": "%{fullData.name}<br>%{x} strains: <b>NRMSE %{y:.3~g}</b><br>%{text}<extra></extra>",
            }
        )
        said.append(f"{entry.label} from {number(middle[0])} at {x[0]} to {number(middle[-1])} at {x[-1]} strains")
    layout = {
        "xaxis": {"title": {"text": "training strains"}, "type": "log", "tickvals": list(sizes)},
        "yaxis": {"title": {"text": "NRMSE"}, **_LOG},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": layout}, "Error against the number of training strains. " + "; ".join(said) + "."


def error_latency(group: Group) -> tuple[Figure, str] | None:
    """Median error against median latency, one marker an entry and hardware; None where nothing was timed."""
    looks = styles(group)
    traces, said = [], []
    for entry in group.ordered():
        error = entry.median("nrmse")
        for hardware, latency in entry.latencies().items():
            if not np.isfinite(error):
                continue
            traces.append(_marker(entry, hardware, latency, error, looks))
            said.append(f"{entry.label} {number(error)} at {seconds(latency)}")
    if not traces:
        return None
    layout = {
        "xaxis": {
            "title": {"text": "latency of one strain, seconds"},
            "type": "log",
            "dtick": 1,
            "exponentformat": "power",
        },
        "yaxis": {"title": {"text": "NRMSE"}, "rangemode": "tozero"},
        "hovermode": "closest",
    }
    return {"data": traces, "layout": layout}, "Median NRMSE against latency. " + "; ".join(said) + "."


def _marker(entry: Entry, hardware: str, latency: float, error: float, looks: Mapping[str, Style]) -> Figure:
    look = looks[entry.label]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plot_text(entry.label),
        "meta": entry.label,
        "x": [latency],
        "y": [error],
        "text": [plot_text(hardware)],
        "marker": {"symbol": look.symbol, "size": 8 if look.dimmed else 12, "color": look.colour},
        "hovertemplate": (
            f"{plot_text(entry.label)}<br>NRMSE <b>%{{y:.3~g}}</b>, latency <b>{seconds(latency)}</b><br>%{{text}}"
            "<extra></extra>"
        ),
    }


def spread(group: Group) -> tuple[Figure, str] | None:
    """The error of every cell, one row an entry, folds told apart by their symbol; None where no cell has one."""
    looks = styles(group)
    traces, said = [], []
    for entry in reversed(group.ordered()):
        values = {cell: value for cell, value in entry.values("nrmse").items() if np.isfinite(value)}
        if not values:
            continue
        look = looks[entry.label]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plot_text(entry.label),
                "meta": entry.label,
                "x": list(values.values()),
                "y": [entry.label] * len(values),
                "text": [plot_text(f"fold {fold}, seed {seed}") for fold, seed in values],
                "marker": {
                    "symbol": [_fold_symbol(group, fold) for fold, _ in values],
                    "size": 9,
                    "color": look.colour,
                    "opacity": 0.75,
                },
                "hovertemplate": "%{fullData.name}<br>%{text}: <b>NRMSE %{x:.3~g}</b><extra></extra>",
            }
        )
        said.append(f"{entry.label} {number(min(values.values()))} to {number(max(values.values()))}")
    if not traces:
        return None
    names = [str(trace["meta"]) for trace in traces]
    texts = [
        plot_text(name).replace(" (", "<br>(").replace(", ", ",<br>") for name in names
    ]  # a phone has no room for more
    layout = {
        "xaxis": {"title": {"text": "NRMSE of each cell"}, **_LOG},
        "yaxis": {
            "type": "category",
            "automargin": True,
            "tickvals": names,
            "ticktext": texts,
            "tickfont": {"size": 11},
        },
        "hovermode": "closest",
        "height": 70 + len(names) * max(26, 12 + 14 * max(text.count("<br>") + 1 for text in texts)),
    }
    return {"data": traces, "layout": layout}, "NRMSE of each fold and seed. " + "; ".join(reversed(said)) + "."


def _fold_symbol(group: Group, fold: str) -> str:
    return f"{FOLD_SYMBOLS[group.folds.index(fold) % len(FOLD_SYMBOLS)]}-open"
