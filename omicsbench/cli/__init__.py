"""The command line. A command is one file, imported when it is called."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "run": "Fit models, predict held-out strains, score them.",
    "bench": "Measure the time that models take, on one task.",
    "compare": "Hold models against a baseline, in error and in time.",
    "report": "Make the HTML report of a folder of records.",
    "list": "List models, tasks, protocols or metrics.",
    "data": "Show, fetch, locate or make the data of tasks.",
    "audit": "Look for faults in a task's data and for leaks in its splits.",
    "check": "Check that a model plugin keeps the interface.",
    "new-plugin": "Write a model plugin that works as it stands, to change into your own.",
    "new-task": "Write a task from a CSV of one row a strain and time.",
    "leaderboard": "Make the leaderboards from their records, or check that they agree.",
    "verify": "Run the cells of records again and compare.",
    "submit": "Collect records for the leaderboards, checked as data.",
    "doctor": "Say what is installed, what is broken and why.",
}
"""Name to one-line help, so that --help imports no command."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is called, and that knows the commands of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_plugin_commands()
        return [*COMMANDS, *sorted(set(self.commands) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"omicsbench.cli.{name.replace('-', '_')}").command
            return command
        self._load_plugin_commands()
        return self.commands.get(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            added = self.commands.get(name)
            rows.append((name, COMMANDS[name] if added is None else added.get_short_help_str(80)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from omicsbench.errors import suggest

        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}: {suggest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def _load_plugin_commands(self) -> None:
        if not getattr(self, "_asked", False):
            self._asked = True
            from omicsbench.plugins import discover

            discover().call("omicsbench_commands", cli=self)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="omicsbench")
def cli() -> None:
    """Which model predicts a strain it has not seen, how well, and how fast?"""


def _show_log() -> None:
    """Let each line that the library logs be one on stderr."""
    import logging

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)

    logging.getLogger("omicsbench").handlers = [Lines()]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some cells failed, 2 the request was wrong, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _show_log()
    debug = "--debug" in arguments
    _open_streams()
    code = _run([argument for argument in arguments if argument != "--debug"], debug)
    try:
        sys.stdout.flush()
    except OSError as error:
        # Whatever is left in the buffer is lost; without this the interpreter would try again and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141 if isinstance(error, BrokenPipeError) else _complain(f"standard output: {error.strerror}")
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    from omicsbench.errors import ContractError, RequestError

    streams = sys.stdout, sys.stderr
    try:
        code = cli.main(args=arguments, prog_name="omicsbench", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except (RequestError, ContractError, click.ClickException) as error:
        if debug:
            raise
        return _complain(error.format_message() if isinstance(error, click.ClickException) else str(error))
    except SystemExit:
        if sys.stdout is streams[0]:
            raise
        sys.stdout, sys.stderr = streams  # click muffles them where whoever read this has gone, and says 1
        return 141  # as a shell says of what SIGPIPE ended
    except OSError as error:
        if debug:
            raise
        where = f"{os.fspath(error.filename)!r}: " if isinstance(error.filename, str | bytes) else ""
        if not where and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):  # files are named, streams are not
            where = "standard output: "
        return _complain(f"{where}{error.strerror or error}")
    except MemoryError:
        if debug:
            raise
        return _complain("out of memory; ask for less at a time")
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept, the same command goes on from there", err=True)
        return 130
    return code if isinstance(code, int) else 0


def _complain(text: str) -> int:
    from omicsbench.cli.common import say

    with suppress(OSError, ValueError):
        say(f"error: {text}", err=True)
    return 2


def _open_streams() -> None:
    """Let output never fail for its encoding, nor where a stream was closed before the start."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lives as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
