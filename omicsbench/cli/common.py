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

    from omicsbench.plugins import Problem, Registry
    from omicsbench.tasks import Task

Command = Callable[..., Any]

plugins_option = click.option(
    "--plugins-dir",
    "plugins_dirs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A folder of one-file plugins. May be repeated.",
)
tasks_option = click.option(
    "--tasks-dir",
    "tasks_dirs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A task folder, or a folder of them. May be repeated.",
)
data_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
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
    from omicsbench.errors import RequestError
    from omicsbench.tasks import find_tasks

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
    click.echo(f"warning: {text}", err=True)


def emit_json(value: Any) -> None:
    """A value as JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def console(stderr: bool = False) -> Console:
    """A rich console; as wide as it needs to be where output is not a terminal."""
    import sys

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else 200, highlight=False, soft_wrap=not stream.isatty()
    )


def exits(command: Command) -> Command:
    """Let a command return its exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> int:
        return int(command(*args, **kwargs) or 0)

    return wrapped
