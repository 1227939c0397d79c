"""``omicsbench list``: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from omicsbench.cli.common import all_tasks, console, emit_json, json_option, plugins_option, registry_of, tasks_option
from omicsbench.errors import ContractError


@click.command("list")
@click.argument("what", type=click.Choice(["models", "tasks", "protocols", "metrics"]))
@json_option
@plugins_option
@tasks_option
def command(what: str, as_json: bool, plugins_dirs: tuple[Path, ...], tasks_dirs: tuple[Path, ...]) -> None:
    """List models, tasks, protocols or metrics."""
    registry = registry_of(plugins_dirs)
    if what == "models":
        rows = _models(registry)
    elif what == "tasks":
        rows = [
            {
                "task": task.name,
                "title": task.title,
                "states": len(task.states),
                "controls": len(task.controls),
                "folds": [fold.name for fold in task.folds],
                "licence": task.licence,
            }
            for task in all_tasks(registry, tasks_dirs).values()
        ]
    elif what == "protocols":
        from omicsbench.data.protocols import PROTOCOLS

        rows = [{"protocol": p.name, "ranked": p.ranked, "summary": p.summary} for p in PROTOCOLS.values()]
    else:
        from omicsbench.scoring.metrics import DERIVED, METRICS

        found = (*METRICS, *registry.metrics)
        rows = [{"metric": m.name, "unit": m.unit, "better": m.better, "summary": m.summary} for m in found]
        rows += [{"metric": name, "unit": "1", "better": "higher", "summary": text} for name, text in DERIVED.items()]
    if as_json:
        emit_json(rows)
    else:
        _print(rows)


def _models(registry: Any) -> list[dict[str, Any]]:
    from omicsbench.parameters import parameters_of

    rows = []
    for offer in registry.models.values():
        spec = offer.spec
        try:
            parameters = {p.name: p.default for p in parameters_of(spec.factory).values()}
        except ContractError as error:
            parameters = {"unreadable": str(error)}
        rows.append(
            {
                "model": spec.name,
                "role": spec.role,
                "devices": list(spec.devices),
                "version": offer.version,
                "summary": spec.summary,
                "citation": spec.citation,
                "parameters": parameters,
            }
        )
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    """A table where it fits one; parameters and other long cells wrap."""
    from rich.table import Table

    table = Table(show_edge=False, pad_edge=False)
    hidden = {"citation"}
    for column in rows[0]:
        if column not in hidden:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[_text(value) for column, value in row.items() if column not in hidden])
    console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
