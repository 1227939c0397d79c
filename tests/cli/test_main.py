"""The command line as a whole: errors in one line, suggestions, exit codes, commands of plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omicsbench.cli import COMMANDS

Cli = Callable[..., Any]


def test_every_command_has_help(cli: Cli) -> None:
    listed = " ".join(cli("--help").out.split())
    for name, text in COMMANDS.items():
        assert text in listed
        ran = cli(name, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert f"omicsbench {name}" in ran.out


def test_a_mistyped_command_comes_with_the_nearest(cli: Cli) -> None:
    ran = cli("rnu")
    assert (ran.code, ran.out, ran.err) == (2, "", "error: no command 'rnu': did you mean 'run'?\n")


def test_a_mistyped_option_comes_with_the_nearest(cli: Cli) -> None:
    ran = cli("run", "--modle", "persistence")
    assert ran.code == 2
    assert ran.err.startswith("error: No such option")
    assert "--model" in ran.err


def test_no_command_shows_the_help(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 2
    assert "Usage: omicsbench" in ran.err


def test_debug_gives_the_traceback(cli: Cli) -> None:
    from omicsbench.cli import main
    from omicsbench.errors import RequestError

    with pytest.raises(RequestError, match="no such folder"):
        main(["--debug", "list", "models", "--plugins-dir", "/no/such/folder"])
    assert cli("list", "models", "--plugins-dir", "/no/such/folder").code == 2


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "omicsbench"], [f"{Path(sys.executable).parent}/omicsbench"]]
)
def test_as_a_module_and_as_a_script(command: list[str]) -> None:
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("omicsbench, version ")


def test_a_reader_that_has_had_enough_is_no_traceback(shell: Cli) -> None:
    process = shell("list", "models", "--json")
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_a_plugin_may_add_a_command(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "adds-1.0.dist-info").mkdir(parents=True)
    (site / "adds-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: adds\nVersion: 1.0\n")
    (site / "adds-1.0.dist-info" / "entry_points.txt").write_text("[omicsbench]\nadds = adds\n")
    (site / "adds.py").write_text(
        "import click\nfrom omicsbench import hookimpl\n\n\n@hookimpl\ndef omicsbench_commands(cli):\n"
        "    @cli.command('greet')\n    @click.argument('whom')\n    def greet(whom):\n"
        "        'Say hello.'\n        click.echo(f'hello {whom}')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(site), "OMICSBENCH_PLUGINS": "adds"}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "omicsbench", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert run("greet", "you") == "hello you\n"
    assert "greet" in run("--help")
    assert "Say hello." in run("--help")
