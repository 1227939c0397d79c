"""What commands share: options, the registry, output to a terminal or a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from omicsbench.data.tasks import Task
    from omicsbench.plugins import Problem, Registry

Command = Callable[..., Any]


class PathType(click.Path):
    """A path; an empty one is refused, for it would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("", b""):
            self.fail("the name is empty; write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A positive number of seconds."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=1e7)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return number


MOST_SEEDS = 10_000
"""Seeds a model may be run with."""

plugins_option = click.option(
    "--plugins-dir",
    "plugins_dirs",
    multiple=True,
    type=PathType(path_type=Path),
    help="A folder of one-file plugins. May be repeated.",
)
tasks_option = click.option(
    "--tasks-dir",
    "tasks_dirs",
    multiple=True,
    type=PathType(path_type=Path),
    help="A task folder, or a folder of them. May be repeated.",
)
data_option = click.option(
    "--data-dir",
    type=PathType(path_type=Path),
    help="A folder looked in first for data files (default: OMICSBENCH_DATA).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")


def registry_of(plugins_dirs: tuple[Path, ...]) -> Registry:
    """All plugins; each problem met on the way is one line on stderr."""
    from omicsbench.plugins import discover

    registry = discover(plugins_dirs)
    warn_of(registry.problems)
    return registry


def warn_of(problems: Sequence[Problem]) -> None:
    """One line on stderr for each problem with a plugin."""
    for problem in dict.fromkeys(problems):
        warn(f"plugin {problem.plugin!r}: {problem.reason}")


def all_tasks(registry: Registry, tasks_dirs: tuple[Path, ...]) -> dict[str, Task]:
    """The suite's tasks, those in ``--tasks-dir``, and those of plugins; a plugin's broken folder is left out."""
    from omicsbench.data.tasks import find_tasks
    from omicsbench.errors import RequestError

    folders = list(tasks_dirs)
    for folder in registry.task_folders:
        try:
            find_tasks([*folders, folder])
        except RequestError as error:
            warn(f"the tasks of a plugin are left out: {error}")
        else:
            folders.append(folder)
    return find_tasks(folders)


def warn(text: str) -> None:
    """One line on stderr."""
    click.echo(f"warning: {plain(text)}", err=True)


def plain(text: str) -> str:
    """Text that a terminal shows and does not obey: what cannot be shown is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def emit_json(value: Any) -> None:
    """A value as JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def console(stderr: bool = False) -> Console:
    """A rich console; as wide as it needs to be where output is not a terminal.

    Text is text: what is in brackets is no markup, whatever a task or a record is called.
    """
    import sys

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else 200,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
    )


def exits(command: Command) -> Command:
    """Let a command return its exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> int:
        return int(command(*args, **kwargs) or 0)

    return wrapped
