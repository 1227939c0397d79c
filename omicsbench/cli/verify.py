"""``omicsbench verify``: run the cells of records again and compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omicsbench.cli.common import (
    Number,
    PathType,
    Seconds,
    all_tasks,
    data_option,
    emit_json,
    exits,
    json_option,
    plugins_option,
    registry_of,
    say,
    tasks_option,
)

if TYPE_CHECKING:
    from omicsbench.records import Record


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, metavar="RECORD...", type=PathType(exists=True, path_type=Path))
@click.option("--row", help="Only the cells of this row of a leaderboard, by its label.")
@click.option("--sample", type=click.IntRange(min=1), help="Only so many of them, drawn at random.")
@click.option(
    "--tolerance",
    type=Number(min=0, max=1e6),
    help="Largest relative difference of any state's NRMSE that is still the same result. [0.05]",
)
@click.option("--timeout", type=Seconds(), default=1800.0, show_default=True, metavar="S")
@json_option
@data_option
@tasks_option
@plugins_option
@exits
def command(
    paths: tuple[Path, ...],
    row: str | None,
    sample: int | None,
    tolerance: float | None,
    timeout: float,
    as_json: bool,
    data_dir: Path | None,
    tasks_dirs: tuple[Path, ...],
    plugins_dirs: tuple[Path, ...],
) -> int:
    """Run the cells of records again and compare. RECORD is a file or a folder of them.

    Exit code 1 where a result differs or a cell cannot be repeated here. Times are not compared.
    """
    import random

    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import RequestError
    from omicsbench.publishing.rerun import TOLERANCE, repeat
    from omicsbench.records.store import read_records

    records = list({record.key: record for path in paths for record in read_records(path)}.values())
    if not records:
        raise RequestError(f"{', '.join(map(str, paths))}: no record in there")
    if row is not None:
        records = _row(records, row)
    if sample is not None and sample < len(records):
        records = random.sample(records, sample)
    registry = registry_of(plugins_dirs)
    tasks = all_tasks(registry, tasks_dirs)
    limit = TOLERANCE if tolerance is None else tolerance
    results = []
    for result in repeat(records, registry, tasks, data_dir_of(data_dir), timeout, limit):
        results.append(result)
        if not as_json:
            say(f"{result.outcome:<12}  {result.record.cell.label}  {result.reason}")
    bad = [result for result in results if result.outcome in ("differs", "not repeated")]
    if as_json:
        emit_json(
            [
                {
                    "cell": r.record.cell.label,
                    "key": r.record.key,
                    "outcome": r.outcome,
                    "difference": r.difference if r.difference < float("inf") else None,
                    "reason": r.reason,
                }
                for r in results
            ]
        )
    else:
        say(f"{len(results)} cells, {len(results) - len(bad)} the same within {limit:g}, {len(bad)} not")
    return 1 if bad else 0


def _row(records: Sequence[Record], label: str) -> list[Record]:
    """The records of the rows with that label. Raises ``RequestError`` with the nearest known one."""
    from omicsbench.errors import RequestError, suggest
    from omicsbench.results.summary import groups

    entries = [entry for group in groups(records) for entry in group.entries]
    found = [record for entry in entries if entry.label == label for record in entry.records]
    if not found:
        raise RequestError(f"--row {label!r}: no such row here: {suggest(label, {entry.label for entry in entries})}")
    return found
