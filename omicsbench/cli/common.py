"""What commands share: options, the registry, output to a terminal or a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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
    """A path; an empty one is refused, for it would mean the current folder, and one that no file can have."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("", b""):
            self.fail("the name is empty; write . for the current folder", param, ctx)
        if isinstance(value, str) and "\0" in value:
            self.fail(f"{value!r} holds a character that no file's name may have", param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number within bounds; what is no number is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class Seconds(Number):
    """A positive number of seconds."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=1e7)


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


def settings_of(settings: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and value of each ``--set``. Raises ``RequestError`` where one is malformed."""
    from omicsbench.errors import RequestError

    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or not setting.isprintable():
            raise RequestError(f"--set {setting!r}: must be NAME=VALUE or MODEL.NAME=VALUE, in text that can be shown")
        yield name, value


def warn(text: str) -> None:
    """One line on stderr."""
    say(f"warning: {text}", err=True)


def say(text: object, err: bool = False) -> None:
    """One line on stdout or stderr, whatever the text holds."""
    click.echo(plain(str(text)), err=err)


def plain(text: str, kept: str = "", limit: int = 2000) -> str:
    """Text that a terminal shows and does not obey: what cannot be shown, but for ``kept``, is written as an escape.

    Of a text that is longer than ``limit``, the middle is left out.
    """
    if len(text) > limit:
        text = f"{text[: limit // 2]} … {text[-limit // 2 :]}"
    return "".join(
        c if c.isprintable() or c in kept else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def emit_json(value: Any) -> None:
    """A value as JSON on stdout; what a terminal would obey is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def console(stderr: bool = False) -> Console:
    """A rich console; as wide as it needs to be where output is not a terminal.

    Text is text: what is in brackets is no markup, whatever a task or a record is called, and nothing in it is
    obeyed by a terminal.
    """
    import sys

    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(plain(text, kept="\n", limit=20_000), **options)

        def on_broken_pipe(self) -> None:
            raise  # as it came: it is called where the error is handled

    stream = sys.stderr if stderr else sys.stdout
    return Plain(
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
