"""``omicsbench audit``: faults of a task's data, and leaks in its splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omicsbench.cli.common import (
    all_tasks,
    console,
    data_option,
    emit_json,
    exits,
    json_option,
    registry_of,
    tasks_option,
)

if TYPE_CHECKING:
    from omicsbench.audit import Audit
    from omicsbench.tasks import Task


@click.command("audit")
@click.argument("task")
@json_option
@data_option
@tasks_option
@exits
def command(task: str, as_json: bool, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> int:
    """Look for faults in a task's data and for leaks in its splits. Exit code 1 where a split leaks."""
    from omicsbench.audit import audit
    from omicsbench.tasks import data_dir_of, pick

    found = pick(all_tasks(registry_of(()), tasks_dirs), task)
    result = audit(found, data_dir_of(data_dir))
    if as_json:
        emit_json(_json(result))
    else:
        _print(found, result)
    return 0 if result.passed else 1


def _json(result: Audit) -> dict[str, Any]:
    return {
        "task": result.task,
        "times": result.times,
        "measured": [{"strain": s, "series": n, "values": v} for (s, n), v in result.measured.items()],
        "duplicates": [{"series": c, "strains": [a, b]} for c, a, b in result.duplicates],
        "out_of_range": result.out_of_range,
        "leak_tests": [
            {"fold": t.fold, "protocol": t.protocol, "leaks": t.leaks, "expected": t.expected}
            for t in result.leak_tests
        ],
        "passed": result.passed,
    }


def _print(task: Task, result: Audit) -> None:
    from rich.table import Table

    out = console()
    strains = list(result.times)
    out.print(f"[bold]{task.name}[/bold]: {task.title}")
    for fault in task.faults:
        out.print(f"  known: {fault}", markup=False)
    out.print()
    table = Table(title="measured values", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("series")
    for strain in strains:
        table.add_column(f"{strain} (of {result.times[strain]})", justify="right")
    for name in (*task.info.states, *task.info.controls):
        table.add_row(name, *[str(result.measured[strain, name]) for strain in strains])
    out.print(table)
    out.print()
    out.print("[bold]duplicated series between strains[/bold] (every column of the file)")
    used = {quantity.column or quantity.name for quantity in (*task.states, *task.controls)}
    for column, one, other in result.duplicates:
        use = "used by the task" if column in used else "not used by the task"
        out.print(f"  {column}: {one} = {other} at every time ({use})", markup=False)
    if not result.duplicates:
        out.print("  none")
    out.print()
    out.print("[bold]controls of the held-out strain outside the training range[/bold] (factor of peaks, above 1.05)")
    for fold, factors in result.out_of_range.items():
        beyond = sorted(((f, name) for name, f in factors.items() if f > 1.05), reverse=True)
        out.print(f"  {fold}: " + (", ".join(f"{name} {f:.3g}×" for f, name in beyond) or "none"), markup=False)
    out.print()
    out.print("[bold]leak test[/bold] (every held-out value but x(0) and u(t) replaced)")
    for test in result.leak_tests:
        word = "inputs change" if test.leaks else "no input changes"
        verdict = "as it must be" if test.leaks == test.expected else "[bold red]LEAK[/bold red]"
        out.print(f"  {test.fold} {test.protocol}: {word}: {verdict}")
