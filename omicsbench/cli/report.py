"""``omicsbench report``: the HTML report of a folder of records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from omicsbench.cli.common import PathType, all_tasks, data_option, registry_of, say, tasks_option, warn

if TYPE_CHECKING:
    from omicsbench.data.tasks import Task
    from omicsbench.records import Record
    from omicsbench.results.truth import Splits
    from omicsbench.split import Split


@click.command("report")
@click.argument("folder", type=PathType(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=PathType(dir_okay=False, path_type=Path), help="The file to write. [FOLDER/report.html]")
@data_option
@tasks_option
def command(folder: Path, out: Path | None, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Make the HTML report of a folder of records."""
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import RequestError
    from omicsbench.records.store import read_records

    records = read_records(folder)
    if not records:
        raise RequestError(f"{folder}: no record in this folder; `omicsbench run --out {folder}` makes them")
    warn_of_outdated(records)
    known = all_tasks(registry_of(()), tasks_dirs)
    say(write(records, known, out or folder / "report.html", data_dir_of(data_dir)))


def warn_of_outdated(records: Sequence[Record]) -> None:
    """Say which records are left out of tables and plots, because others of their task are newer and not like them."""
    from omicsbench.results.summary import outdated

    for reason, old in outdated(records).items():
        warn(f"{len(old)} records are left out: made before what newer ones of the task stand on changed ({reason})")


def write(records: Sequence[Record], tasks: Mapping[str, Task], out: Path, data_dir: Path | None) -> Path:
    """Write the report, with measured points where the data can be had; where not, that is one line on stderr."""
    from omicsbench.leaderboard.report import write_report

    return write_report(records, tasks, out, splits_of(tasks, data_dir))


def splits_of(tasks: Mapping[str, Task], data_dir: Path | None, hidden: Collection[str] = ()) -> Splits:
    """The splits of these tasks; a task whose data cannot be had is named once and has none.

    Those in ``hidden`` that are not in ``tasks`` have none either, and nothing is said of it.
    """
    from omicsbench.data.measured import fold_data
    from omicsbench.data.setting import setting_of
    from omicsbench.data.splits import split_of
    from omicsbench.errors import RequestError

    without = set(hidden) - set(tasks)

    def splits(record: Record, protocol: str) -> Split | None:
        task, cell = record.cell.task, record.cell
        if task in without:
            return None
        if task not in tasks:
            without.add(task)
            warn(f"task {task!r} is not known here: shown without its data; name its folder by --tasks-dir")
            return None
        try:
            fold = tasks[task].fold(cell.fold)
            now = setting_of(tasks[task], cell.protocol, fold_data(tasks[task], fold, data_dir))
            return None if now.differences(cell.setting) else split_of(tasks[task], fold, protocol, data_dir)
        except RequestError as reason:
            without.add(task)
            warn(f"task {task!r} is shown without its data: {reason}")
            return None

    return splits
