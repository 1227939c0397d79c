"""``omicsbench compare``: models against a baseline, and the published claim beside it."""

from __future__ import annotations

from pathlib import Path

import click

from omicsbench.cli.bench import print_boards
from omicsbench.cli.common import PathType, all_tasks, console, emit_json, json_option, registry_of, tasks_option


@click.command("compare")
@click.argument("folders", nargs=-1, type=PathType(path_type=Path))
@click.option("--baseline", default="derivative-ml", show_default=True, help="The model that others are held against.")
@json_option
@tasks_option
def command(folders: tuple[Path, ...], baseline: str, as_json: bool, tasks_dirs: tuple[Path, ...]) -> None:
    """Hold models against a baseline, in error and in speed. FOLDERS of records; default: results."""
    from omicsbench.cli.report import warn_of_outdated
    from omicsbench.errors import RequestError, suggest
    from omicsbench.leaderboard.claims import compare, verdict
    from omicsbench.leaderboard.claims_text import tables
    from omicsbench.records import Record
    from omicsbench.records.speeds import SpeedRecord, read_all_speeds
    from omicsbench.records.store import read_records
    from omicsbench.results.speed import boards, one_strain, throughput
    from omicsbench.results.summary import groups

    records: list[Record] = []
    measured: list[SpeedRecord] = []
    for folder in folders or (Path("results"),):
        if not folder.is_dir():
            raise RequestError(f"{folder}: no such folder of records; make one with `omicsbench run --out {folder}`")
        records += read_records(folder)
        measured += read_all_speeds(folder)
    warn_of_outdated(records)
    known = {record.cell.model for record in records} | {record.cell.model for record in measured}
    if baseline not in known:
        raise RequestError(f"--baseline {baseline!r}: no record of such a model here: {suggest(baseline, known)}")
    found = compare(groups(records), all_tasks(registry_of(()), tasks_dirs), baseline)
    if not found and not measured:
        raise RequestError("nothing to compare: no measured task has records of both a model and the baseline")
    if as_json:
        errors = [{"task": c.task, "verdict": verdict(c), "tables": dict(tables(c))} for c in found]
        speed = [{"title": b.title, "tables": [one_strain(b, baseline), throughput(b)]} for b in boards(measured)]
        emit_json({"errors": errors, "speed": speed})
        return
    from rich.table import Table

    out = console()
    for comparison in found:
        out.print(comparison.task, style="bold")
        for title, (head, *rows) in tables(comparison):
            table = Table(*head, title=title, title_justify="left", show_edge=False, pad_edge=False)
            for row in rows:
                table.add_row(*row)
            out.print(table)
            out.print()
        out.print(verdict(comparison))
        out.print()
    print_boards(measured, baseline)
