"""The table a run ends with: states down, models across."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from omicsbench.data.tasks import Task
from omicsbench.results.formats import number, seconds
from omicsbench.results.summary import Entry, Group


def run_table(group: Group, task: Task | None) -> Table:
    """States × models: RMSE in native units with NRMSE in brackets, then skill by fold, then time."""
    entries = group.ordered()
    units = {state.name: state.unit for state in task.states} if task else {}
    excluded = {item.state for item in task.excluded} if task else set()
    table = Table(title=f"{group.task} · {group.protocol}", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("RMSE (NRMSE), median")
    for entry in entries:
        table.add_column(entry.label, justify="right", style="dim" if entry.role == "trivial" else "")
    for n, state in enumerate(group.states):
        unit = f" [{units[state]}]" if state in units else ""
        name = f"{state}{unit}{' *' if state in excluded else ''}"
        cells = [f"{number(e.per_state('rmse')[n])} ({number(e.per_state('nrmse')[n])})" for e in entries]
        table.add_row(name, *cells, end_section=n == len(group.states) - 1)
    table.add_row("mean NRMSE", *[number(e.median("nrmse")) for e in entries])
    folds = list(dict.fromkeys(fold for e in entries for fold in e.folds))
    for fold in folds if len(folds) > 1 else []:
        table.add_row(f"  skill {fold}", *[number(e.median("skill", [fold]), 2) for e in entries])
    table.add_row("skill", *[number(e.median("skill"), 2) for e in entries], style="bold", end_section=True)
    rows: Sequence[tuple[str, Callable[[Entry], str]]] = (
        ("latency, one strain", lambda e: seconds(e.seconds("latency"))),
        ("fit", lambda e: seconds(e.seconds("fit"))),
        ("cells ok", lambda e: f"{e.ok}/{len(e.records)}"),
    )
    for name, show in rows:
        table.add_row(name, *[show(entry) for entry in entries])
    if excluded & set(group.states):
        table.caption = (
            "* left out of means: " + "; ".join(f"{e.state}: {e.reason}" for e in task.excluded) if task else ""
        )
        table.caption_justify = "left"
    return table
