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
    from omicsbench.data.audit import Audit
    from omicsbench.data.tasks import Task


@click.command("audit")
@click.argument("task")
@json_option
@data_option
@tasks_option
@exits
def command(task: str, as_json: bool, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> int:
    """Look for faults in a task's data and for leaks in its splits. Exit code 1 where a split leaks."""
    from omicsbench.data.audit import audit
    from omicsbench.data.tasks import data_dir_of, pick

    found = pick(all_tasks(registry_of(()), tasks_dirs), task)
    if found.virtual is not None:
        return _audit_simulated(found, as_json)
    result = audit(found, data_dir_of(data_dir))
    if as_json:
        emit_json(_json(result))
    else:
        _print(found, result)
    return 0 if result.passed else 1


def _audit_simulated(task: Task, as_json: bool) -> int:
    """The gate of a simulated task's world: what its strains are like, and whether it may be used."""
    from dataclasses import asdict

    from omicsbench.data.audit import leak_test
    from omicsbench.errors import RequestError
    from omicsbench.kinetics import assess

    if task.simulated is None:
        raise RequestError(f"task {task.name!r} is read from SBML: there is no gate for a model of one's own")
    gate = assess(task.simulated.pathway, task.simulated.world, task.simulated.stiffness)
    leak = leak_test(task, task.folds[0], "measured")
    if as_json:
        numbers = {name: value for name, value in asdict(gate).items() if name != "world"}
        emit_json({"task": task.name, "gate": numbers, "reasons": gate.reasons, "leaks": leak.leaks})
        return 0 if gate.passed and not leak.leaks else 1
    out = console()

    def line(text: str) -> None:
        out.print(text)

    line(f"{task.name}: {task.title}")
    for fault in task.faults:
        line(f"  known: {fault}")
    line(f"\n{task.simulated.pathway} world {task.simulated.world}, {gate.strains} strains of it:")
    line("  Spearman of a protein with the final product: " + _pairs(gate.spearman, "{:.2f}"))
    line(f"  share of variance of log final product: {gate.r2_best:.2f} best protein, {gate.r2_all:.2f} all of them")
    line("  range over time / mean, median over strains: " + _pairs(gate.movement, "{:.2f}"))
    line(f"  fastest rate: {gate.fastest_median:.3g} 1/h median, {gate.fastest:.3g} 1/h at most")
    line(f"  lowest concentration: {gate.lowest:.2g}")
    line("gate: passed" if gate.passed else f"gate: REFUSED: {'; '.join(gate.reasons)}")
    line(f"leak test ({leak.fold}, measured): {'LEAK' if leak.leaks else 'no input changes'}")
    return 0 if gate.passed and not leak.leaks else 1


def _pairs(values: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in values.items())


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
    out.print(f"{task.name}: {task.title}", style="bold")
    for fault in task.faults:
        out.print(f"  known: {fault}")
    out.print()
    table = Table(title="measured values", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("series")
    for strain in strains:
        table.add_column(f"{strain} (of {result.times[strain]})", justify="right")
    for name in (*task.info.states, *task.info.controls):
        table.add_row(name, *[str(result.measured[strain, name]) for strain in strains])
    out.print(table)
    out.print()
    out.print("duplicated series between strains (every column of the file)", style="bold")
    used = {quantity.column or quantity.name for quantity in (*task.states, *task.controls)}
    for column, one, other in result.duplicates:
        use = "used by the task" if column in used else "not used by the task"
        out.print(f"  {column}: {one} = {other} at every time ({use})")
    if not result.duplicates:
        out.print("  none")
    out.print()
    out.print("controls of the held-out strain outside the training range (factor of peaks, above 1.05)", style="bold")
    for fold, factors in result.out_of_range.items():
        beyond = sorted(((f, name) for name, f in factors.items() if f > 1.05), reverse=True)
        out.print(f"  {fold}: " + (", ".join(f"{name} {f:.3g}×" for f, name in beyond) or "none"))
    out.print()
    out.print("leak test (every held-out value but x(0) and u(t) replaced)", style="bold")
    for test in result.leak_tests:
        word = "inputs change" if test.leaks else "no input changes"
        right = test.leaks == test.expected
        verdict = "as it must be" if right else "LEAK"
        out.print(f"  {test.fold} {test.protocol}: {word}: {verdict}", style="" if right else "bold red")
