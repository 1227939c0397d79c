"""``omicsbench data``: the files that tasks are scored on."""

from __future__ import annotations

from pathlib import Path

import click

from omicsbench.cli.common import (
    PathType,
    all_tasks,
    console,
    data_option,
    emit_json,
    json_option,
    registry_of,
    say,
    tasks_option,
)


@click.group("data")
def command() -> None:
    """Show, fetch, locate or make the data of tasks."""


@command.command("show")
@click.argument("task", required=False)
@json_option
@data_option
@tasks_option
def show(task: str | None, as_json: bool, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Say of each task's file where it is, its checksum and its licence."""
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import DataError, DataUnavailable

    rows = []
    for found in _tasks(task, tasks_dirs):
        try:
            where, state = str(locate(found, data_dir_of(data_dir), download=False)), "here, checked"
        except DataUnavailable:
            where, state = "", "not here"
        except DataError as error:
            where, state = "", str(error)
        source, virtual = found.source, found.virtual
        rows.append(
            {
                "task": found.name,
                "state": state,
                "path": where,
                "file": source.file if source else Path(where).name,
                "sha256": source.sha256 if source else virtual.sha256 if virtual else "",
                "source": source.url if source else "",
                "licence": found.licence,
                "citation": found.citation,
            }
        )
    if as_json:
        emit_json(rows)
        return
    out = console()
    for row in rows:
        out.print(f"{row['task']}: {row['state']}", style="bold")
        for key in ("path", "file", "sha256", "source", "licence", "citation"):
            if row[key]:
                out.print(f"  {key:9}{row[key]}")


@command.command("fetch")
@click.argument("task", required=False)
@data_option
@tasks_option
def fetch(task: str | None, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Download the file of a task (of all tasks) into the user cache, once, and check it."""
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import data_dir_of

    for found in _tasks(task, tasks_dirs):
        if task is None and found.source is None:
            continue
        say(f"{found.name}: {locate(found, data_dir_of(data_dir))}")


@command.command("path")
@click.argument("task")
@data_option
@tasks_option
def path(task: str, data_dir: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Print the path of a task's checked file; nothing is downloaded."""
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import data_dir_of

    for found in _tasks(task, tasks_dirs):
        click.echo(locate(found, data_dir_of(data_dir), download=False))


@command.command("make")
@click.argument("task")
@click.option(
    "--out", type=PathType(path_type=Path, dir_okay=False), help="Write this file and leave the task as it is."
)
@tasks_option
def make(task: str, out: Path | None, tasks_dirs: tuple[Path, ...]) -> None:
    """Generate the strains of a simulated task and pin them.

    The file is written beside its task.toml, which then names its sha256.
    """
    from hashlib import sha256

    from omicsbench.data.making import make, pin
    from omicsbench.files import write

    (found,) = _tasks(task, tasks_dirs)
    content = make(found)
    if out is None:
        path = pin(found, content)
    else:
        write(path := out, content)
    say(f"{found.name}: {path}, {len(content)} bytes")
    say(f"  before  {found.virtual.sha256 or 'not pinned'}")
    say(f"  now     {sha256(content).hexdigest()}")


def _tasks(name: str | None, tasks_dirs: tuple[Path, ...]) -> list:  # type: ignore[type-arg]
    from omicsbench.data.tasks import pick

    tasks = all_tasks(registry_of(()), tasks_dirs)
    if name:
        return [pick(tasks, name)]
    return [task for task in tasks.values() if task.virtual is None or task.virtual.sha256]
