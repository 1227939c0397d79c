"""``omicsbench report``: the HTML report of a folder of records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omicsbench.cli.common import all_tasks, data_option, registry_of, tasks_option, warn

if TYPE_CHECKING:
    from omicsbench.leaderboard.truth import Splits
    from omicsbench.records import Record
    from omicsbench.tasks import Task


@click.command("report")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write. [FOLDER/report.html]")
@data_option
@tasks_option
def command(folder: Path, out: Path | None, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Make the HTML report of a folder of records."""
    from omicsbench.errors import RequestError
    from omicsbench.records import find, load
    from omicsbench.tasks import data_dir_of

    records = [load(path) for path in find(folder)]
    if not records:
        raise RequestError(f"{folder}: no record in this folder; `omicsbench run --out {folder}` makes them")
    known = all_tasks(registry_of(()), tasks_dirs)
    click.echo(write(records, known, out or folder / "report.html", data_dir_of(data_dir)))


def write(records: Sequence[Record], tasks: Mapping[str, Task], out: Path, data_dir: Path | None) -> Path:
    """Write the report, with measured points where the data can be had; where not, that is one line on stderr."""
    from omicsbench.leaderboard.report import write_report

    return write_report(records, tasks, out, splits_of(tasks, data_dir))


def splits_of(tasks: Mapping[str, Task], data_dir: Path | None, hidden: Collection[str] = ()) -> Splits:
    """The splits of these tasks; a task whose data cannot be had is named once and has none.

    Those in ``hidden`` that are not in ``tasks`` have none either, and nothing is said of it.
    """
    from omicsbench.errors import RequestError
    from omicsbench.planning import split_of
    from omicsbench.protocols import Split

    without = set(hidden) - set(tasks)

    def splits(task: str, protocol: str, fold: str) -> Split | None:
        if task in without:
            return None
        if task not in tasks:
            without.add(task)
            warn(f"task {task!r} is not known here: shown without its data; name its folder by --tasks-dir")
            return None
        try:
            return split_of(tasks[task], tasks[task].fold(fold), protocol, data_dir)
        except RequestError as reason:
            without.add(task)
            warn(f"task {task!r} is shown without its data: {reason}")
            return None

    return splits
