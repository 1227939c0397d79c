"""``omicsbench new-task``: a task of one's own from a CSV, with every guess in sight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from omicsbench.cli.common import PathType, all_tasks, registry_of, say, tasks_option

if TYPE_CHECKING:
    from omicsbench.templates.columns import Table


@click.command("new-task")
@click.argument("name")
@click.option("--csv", "csv_file", type=PathType(path_type=Path), required=True, help="The measured series.")
@click.option(
    "--dir", "folder", type=PathType(path_type=Path), default=Path(), help="Where to write it (default: here)."
)
@tasks_option
def command(name: str, csv_file: Path, folder: Path, tasks_dirs: tuple[Path, ...]) -> None:
    """Write a task NAME from a CSV of one row a strain and time: task.toml, a data card, a copy of the file.

    Columns are guessed. Each guess says why it was made, and what is not sure is a line that begins with
    "# ?", for you to correct.
    """
    import re

    from omicsbench.errors import RequestError
    from omicsbench.templates.columns import guess, read

    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name):
        raise RequestError(f"task name {name!r}: use lower-case letters, digits, single dots and dashes, as in my-task")
    if name in all_tasks(registry_of(()), tasks_dirs):
        raise RequestError(f"task name {name!r}: there is a task of that name; choose another")
    target = folder / name
    if target.exists():
        raise RequestError(f"{target} exists already; choose another name or --dir")
    table = guess(read(csv_file))
    _write(name, csv_file, table, target)
    for file in ("task.toml", "README.md", csv_file.name):
        say(target / file)
    unsure = sum(not column.sure for column in (*table.states, *table.controls))
    say(
        f"{csv_file.name} was copied into the task; {len(table.strains)} strains, "
        f"{len(table.states)} columns taken for states and {len(table.controls)} for controls, {unsure} of them unsure",
        err=True,
    )
    say(
        f'next: look for "?" in {target / "task.toml"}, then omicsbench run --tasks-dir {target} --task {name} '
        "--model all",
        err=True,
    )


def _write(name: str, csv_file: Path, table: Table, target: Path) -> None:
    """The folder of the task, whole or not at all: what the suite would refuse to load is not written."""
    import shutil
    import tempfile

    from omicsbench.data.measured import read_series, sha256_of
    from omicsbench.data.tasks import load_task
    from omicsbench.errors import RequestError
    from omicsbench.templates import render

    values = {"name": name, "file": csv_file.name, "sha256": sha256_of(csv_file), "table": table}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as made:
            draft = Path(made) / name
            draft.mkdir()
            for file in ("task.toml", "README.md"):
                (draft / file).write_text(render(f"task/{file}.j2", **values), encoding="utf-8")
            shutil.copyfile(csv_file, draft / csv_file.name)
            read_series(load_task(draft), csv_file)
            draft.rename(target)
    except OSError as error:
        raise RequestError(f"{target} cannot be written: {error.strerror}") from None
