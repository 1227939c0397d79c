"""The table of a task under a protocol: one place where its cells are made, for Markdown, CSV and HTML alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench.data.tasks import Task
from omicsbench.results.formats import csv_text, interval, markdown_text, number, percent, seconds, skill
from omicsbench.results.ranking import Standing, standings
from omicsbench.results.summary import Group
from omicsbench.trajectory import Array

MANY_FOLDS = 6


@dataclass(frozen=True)
class Column:
    """A heading and what it means. ``plain``: it stands in the Markdown table too, which is kept narrow."""

    name: str
    meaning: str
    plain: bool = True
    text: bool = False


@dataclass(frozen=True)
class Cell:
    """What is read, and what it is sorted by: a number, or None to stand last."""

    text: str
    value: float | str | None


@dataclass(frozen=True, eq=False)
class Row:
    """One line of a table."""

    standing: Standing
    cells: tuple[Cell, ...]


@dataclass(frozen=True, eq=False)
class Board:
    """The table of a group."""

    group: Group
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"{self.group.task}-{self.group.protocol}"


def board(group: Group, task: Task | None) -> Board:
    """The table of a group. Ranks are over the task's own folds; of an unknown task over all there are."""
    folds = None if task is None else [fold.name for fold in task.folds]
    found = standings(group, folds)
    sizes = group.training_sizes if len(group.training_sizes) > 1 else ()
    shown = () if sizes or len(group.folds) > MANY_FOLDS else group.folds
    return Board(group, _columns(sizes, shown), tuple(_row(standing, sizes, shown) for standing in found))


def _columns(sizes: Sequence[int], folds: Sequence[str]) -> tuple[Column, ...]:
    return (
        Column("rank", "1 + how many are told apart as better; those that cannot be told apart share a rank"),
        Column("model", "with what tells it from others of its name", text=True),
        Column("runs on", "ranks are given for the CPU and each GPU apart", text=True),
        Column("skill", "1 − NRMSE / NRMSE of the best trivial baseline; median over folds and seeds"),
        Column("95 %", "bootstrap interval of the median skill: folds, then seeds"),
        Column("NRMSE", "RMSE / SD of the state, mean over states; median over folds and seeds"),
        *(Column(f"NRMSE, n={size}", f"median over draws and seeds with {size} training strains") for size in sizes),
        *(Column(f"skill {fold}", f"median over seeds with {fold} held out") for fold in folds),
        Column("< 0", "share of predicted concentrations below zero", plain=False),
        Column("latency", "one strain on 200 points, steady state"),
        Column("seeds", "the fewest of any fold; 1 where the model is deterministic"),
        Column("folds", "that it has a cell of, of those that count"),
        Column("ok", "cells with a result, of all"),
        Column("note", "provisional: fewer than five seeds", text=True),
        Column("integration error", "of the latency's trajectory against the model's own field", plain=False),
        Column("fit", "median seconds of a fit", plain=False),
        Column("hardware", "what the times were taken on", plain=False, text=True),
    )


def _row(standing: Standing, sizes: Sequence[int], folds: Sequence[str]) -> Row:
    entry = standing.entry
    negative = entry.median("negative_share")
    error = max(entry.integration_errors, default=None)
    latencies = sorted(entry.latencies().items())
    cells = (
        Cell("–" if standing.rank is None else str(standing.rank), standing.rank),
        Cell(entry.label, entry.label),
        Cell("CPU" if entry.place == "cpu" else entry.place, entry.place),
        _skill(standing.skill),
        Cell(interval(standing.skill_interval), _sortable(standing.skill_interval[0])),
        _number(standing.nrmse),
        *(_number(_median(entry.at_size(size))) for size in sizes),
        *(_skill(entry.median("skill", [fold])) for fold in folds),
        Cell(percent(negative), negative if np.isfinite(negative) else None),
        Cell("; ".join(seconds(value) for _, value in latencies) or "–", latencies[0][1] if latencies else None),
        Cell(str(standing.seeds), standing.seeds),
        Cell(f"{standing.folds}/{standing.folds_of}", standing.folds),
        Cell(f"{entry.ok}/{len(entry.records)}", entry.ok / len(entry.records)),
        Cell(_note(standing), _note(standing)),
        Cell("–" if error is None else f"{error:.1e}", error),
        Cell(seconds(entry.seconds("fit")), _sortable(entry.seconds("fit"))),
        Cell("; ".join(name for name, _ in latencies) or entry.hardware, entry.hardware),
    )
    return Row(standing, cells)


def _note(standing: Standing) -> str:
    role = "" if standing.entry.role == "model" else standing.entry.role
    parts = [role, f"not ranked: {standing.unranked}" if standing.unranked else ""]
    parts.append("provisional" if standing.provisional and standing.entry.role == "model" else "")
    return ", ".join(part for part in parts if part)


def _number(value: float) -> Cell:
    return Cell(number(value), _sortable(value))


def _skill(value: float) -> Cell:
    return Cell(skill(value), _sortable(value))


def _sortable(value: float) -> float | None:
    """Failures sort as the worst of all, what is not known as nothing."""
    if np.isnan(value):
        return None
    return float(np.clip(value, -1e12, 1e12))


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size else float("nan")


def markdown(table: Board) -> str:
    """The table as GitHub shows it: what tells rows apart, without the columns that are for looking things up."""
    shown = [n for n, column in enumerate(table.columns) if column.plain]
    head = [table.columns[n].name for n in shown]
    text = [n for n, column in enumerate(shown) if table.columns[column].text]
    return markdown_table(head, [[row.cells[n].text for n in shown] for row in table.rows], text)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Collection[int] = (0,)) -> str:
    """A table as GitHub shows it; columns of ``text`` to the left, numbers to the right."""
    rule = ["---" if n in text else "---:" for n in range(len(head))]
    lines = [_line(head), f"| {' | '.join(rule)} |", *map(_line, rows)]
    return "".join(f"{line}\n" for line in lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(markdown_text, cells)) + " |"


def to_csv(table: Board) -> str:
    """The table for programs: numbers to six digits, empty where there is none, one line a row."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["task", "protocol", *(_plain(column.name) for column in table.columns), "tied"])
    for row in table.rows:
        values = [_csv(column, cell) for column, cell in zip(table.columns, row.cells, strict=True)]
        writer.writerow([table.group.task, table.group.protocol, *values, "; ".join(row.standing.tied)])
    return stream.getvalue()


def _plain(name: str) -> str:
    renamed = {"95 %": "skill interval", "< 0": "negative share", "latency": "latency [s]", "fit": "fit [s]"}
    return renamed.get(name, name)


def _csv(column: Column, cell: Cell) -> str:
    if column.text or column.name in ("95 %", "folds", "ok", "integration error"):
        return csv_text(cell.text) if column.text else cell.text
    if cell.value is None:
        return ""
    return "failed" if abs(float(cell.value)) >= 1e12 else f"{float(cell.value):.6g}"
