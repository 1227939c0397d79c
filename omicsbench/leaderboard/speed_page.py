"""Speed records as pages and Markdown: the tables of ``speed``, and latency against batch size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omicsbench.leaderboard.board import markdown_table
from omicsbench.leaderboard.figures import COLOURS, SYMBOLS, Figure
from omicsbench.leaderboard.pages import Plots, environment, write_with_plotly
from omicsbench.leaderboard.report import environments
from omicsbench.records.speeds import SpeedRecord
from omicsbench.results.formats import markdown_item, markdown_text, plot_text, seconds
from omicsbench.results.speed import Board, Table, boards, notes, one_strain, rate, throughput


@dataclass(frozen=True, eq=False)
class Part:
    """What a page shows of a board."""

    title: str
    tables: tuple[Table, Table]
    figure: tuple[Figure, str] | None
    notes: list[str]


def parts(records: Sequence[SpeedRecord], baseline: str) -> list[Part]:
    """Board by board, with ratios to ``baseline``."""
    return [
        Part(board.title, (one_strain(board, baseline), throughput(board)), latency_figure(board), notes(board))
        for board in boards(records)
    ]


def latency_figure(board: Board) -> tuple[Figure, str] | None:
    """Seconds of one call against the strains in it, one line a row; None where no batch was reached."""
    colours = {variant: n for n, variant in enumerate(sorted({row.variant for row in board.rows}))}
    traces, said = [], []
    for row in board.rows:
        x = [strains for strains in row.batches if np.isfinite(row.call(strains))]
        if not x:
            continue
        n = colours[row.variant]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": plot_text(row.label),
                "meta": row.label,
                "x": x,
                "y": [row.call(strains) for strains in x],
                "text": [f"{rate(row, strains)} strains/s" for strains in x],
                "line": {"color": COLOURS[n % len(COLOURS)], "dash": "solid" if row.device == "cpu" else "dash"},
                "marker": {"symbol": SYMBOLS[n % len(SYMBOLS)], "size": 8},
                "hovertemplate": "%{fullData.name}<br>%{x} strains: <b>%{y:.3g} s</b><br>%{text}<extra></extra>",
            }
        )
        said.append(f"{row.label} from {seconds(row.call(x[0]))} for {x[0]} to {seconds(row.call(x[-1]))} for {x[-1]}")
    if not traces:
        return None
    layout = {
        "xaxis": {"title": {"text": "virtual strains in one call"}, "type": "log", "tickvals": board.batches},
        "yaxis": {"title": {"text": "seconds"}, "type": "log", "dtick": 1, "exponentformat": "power"},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.15},
        "height": 480 + 20 * len(traces),
    }
    return {"data": traces, "layout": layout}, "Seconds of one call against strains. " + "; ".join(said) + "."


def markdown(records: Sequence[SpeedRecord], baseline: str) -> str:
    """The same as Markdown."""
    text = []
    for part in parts(records, baseline):
        text += [
            f"## {markdown_text(part.title)}",
            *(markdown_table(head, rows).rstrip() for head, rows in part.tables),
        ]
        text += ["\n".join(markdown_item(note) for note in part.notes)] * bool(part.notes)
    return "\n\n".join(text) + "\n"


def write_page(records: Sequence[SpeedRecord], baseline: str, out: Path) -> Path:
    """Write the HTML page of speed records to the file ``out``, plotly beside it."""
    html = (
        environment()
        .get_template("bench.html.j2")
        .render(
            title="omicsbench bench",
            parts=parts(records, baseline),
            started=min(record.started for record in records),
            environments=environments(records),
            plots=Plots(),
        )
    )
    write_with_plotly(out, html)
    return out
