"""``omicsbench leaderboard``: tables and pages from records, and whether the two agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from omicsbench.cli.common import (
    PathType,
    all_tasks,
    data_option,
    emit_json,
    exits,
    json_option,
    registry_of,
    say,
    tasks_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omicsbench.data.tasks import Task
    from omicsbench.records import Record
    from omicsbench.records.speeds import SpeedRecord

HOME = Path("leaderboards")
SITE, LOCAL = Path("site/leaderboards"), Path("site-measured")

records_option = click.option(
    "--records",
    type=PathType(path_type=Path),
    default=HOME / "records",
    show_default=True,
    help="The folder of records.",
)


@click.group("leaderboard")
def command() -> None:
    """Make the leaderboards from their records, or check that they agree."""


@command.command("build")
@records_option
@click.option("--out", type=PathType(path_type=Path), default=HOME, show_default=True, help="Where to write.")
@data_option
@tasks_option
def build(records: Path, out: Path, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Make the tables from the records, those in README too."""
    from omicsbench.files import read_text
    from omicsbench.files import write as write_file
    from omicsbench.leaderboard.build import fill, tables, write

    tasks = all_tasks(registry_of(()), tasks_dirs)
    files = tables(*_load(records, tasks))
    write(files, out)
    readme = out.parent / "README.md"
    if out.resolve() == HOME.resolve() and readme.is_file():
        write_file(readme, fill(read_text(readme), files))
    say(out / "README.md")


@command.command("site")
@records_option
@click.option("--out", type=PathType(path_type=Path), help="Where to write. [site/leaderboards, or site-measured]")
@click.option("--with-measured", is_flag=True, help="Show the measured points: a local copy, never to be published.")
@data_option
@tasks_option
def site(
    records: Path, out: Path | None, with_measured: bool, data_dir: Path | None, tasks_dirs: tuple[Path, ...]
) -> None:
    """Make the pages, and the tables beside them."""
    from omicsbench.cli.report import splits_of
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.leaderboard.build import pages, write

    out = out or (LOCAL if with_measured else SITE)
    tasks = all_tasks(registry_of(()), tasks_dirs)
    shown = tasks if with_measured else {name: task for name, task in tasks.items() if task.redistributable}
    found, _, speed = _load(records, tasks)
    write(pages(found, tasks, splits_of(shown, data_dir_of(data_dir), hidden=tuple(tasks)), speed), out)
    say(out / "index.html")


@command.command("check")
@records_option
@click.option("--out", type=PathType(path_type=Path), default=HOME, show_default=True, help="The made tables.")
@click.option("--records-only", is_flag=True, help="Check the records, not what is made from them.")
@json_option
@data_option
@tasks_option
@exits
def check(
    records: Path,
    out: Path,
    records_only: bool,
    as_json: bool,
    data_dir: Path | None,
    tasks_dirs: tuple[Path, ...],
) -> int:
    """Check records, and that the tables are what they give. Exit code 1 where something is wrong."""
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import RequestError
    from omicsbench.leaderboard.build import tables
    from omicsbench.publishing.check import check_made, check_records
    from omicsbench.publishing.rerun import repeat

    if not records.is_dir():
        raise RequestError(f"--records {records}: no such folder")
    registry = registry_of(())
    tasks, folder = all_tasks(registry, tasks_dirs), data_dir_of(data_dir)
    findings = check_records(records, registry, tasks, folder)
    for again in repeat(findings.copies, registry, tasks, folder):
        if again.outcome in ("differs", "not repeated"):
            findings.problems.append(f"{again.record.cell.label}: run again: {again.outcome}: {again.reason}")
    made = 0
    if not records_only and findings.records:
        files = tables(findings.records, tasks, findings.speed)
        findings.problems += check_made(files, out)
        made = len(files)
    if as_json:
        emit_json(
            {
                "records": len(findings.records),
                "speed_records": len(findings.speed),
                "rescored": findings.rescored,
                "run_again": len(findings.copies),
                "files": made,
                "unchecked": dict(findings.unchecked),
                "problems": findings.problems,
            }
        )
    else:
        for problem in findings.problems:
            say(problem)
        for reason, n in findings.unchecked.items():
            say(f"not checked: {n} records: {reason}")
        say(
            f"{len(findings.records)} records: {findings.rescored} predictions scored again, {len(findings.copies)} "
            f"cells run again; {len(findings.speed)} speed records; {made} files made from them; "
            f"{len(findings.problems)} problems"
        )
    return 1 if findings.problems else 0


def _load(folder: Path, tasks: Mapping[str, Task]) -> tuple[list[Record], Mapping[str, Task], list[SpeedRecord]]:
    """The records of a store, the tasks, and its speed records; what is left out of tables is said."""
    from omicsbench.cli.report import warn_of_outdated
    from omicsbench.errors import RequestError
    from omicsbench.records.speeds import files_of_speeds, read_speeds
    from omicsbench.records.store import read_cells

    if not folder.is_dir():
        raise RequestError(f"--records {folder}: no such folder; run this in a checkout, or name the folder of records")
    records = read_cells(folder)
    if not records:
        raise RequestError(f"--records {folder}: no record in this folder")
    warn_of_outdated(records)
    return records, tasks, [record for path in files_of_speeds(folder) for record in read_speeds(path)]
