"""Whatever can be called or implemented is documented and tested."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from omicsbench import hookspecs
from omicsbench.cli import COMMANDS, cli

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("omicsbench_"))


def _commands() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        subcommands = list(command.commands) if isinstance(command, click.Group) else []
        yield from [(name, sub) for sub in subcommands] or [(name,)]


@functools.cache
def _tests() -> dict[Path, str]:
    found = [*(ROOT / "tests").rglob("*.py"), *ROOT.glob("plugins/*/tests/*.py")]
    return {path: path.read_text(encoding="utf-8") for path in found if path.parent != Path(__file__).parent}


def _calls(text: str, command: tuple[str, ...]) -> bool:
    """Whether a test calls something with the command's name first, and names its subcommand."""
    nodes = list(ast.walk(ast.parse(text)))
    constants = {node.value for node in nodes if isinstance(node, ast.Constant)}
    first = {
        node.args[0].value
        for node in nodes
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
    }
    return command[0] in first and set(command) <= constants


@pytest.mark.parametrize("command", list(_commands()), ids=" ".join)
def test_every_command_is_documented_and_tested(command: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"Usage: omicsbench {' '.join(command)} " in page, "run `python docs/generate.py`"
    assert any(_calls(text, command) for text in _tests().values()), "no test calls it"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_tested(hook: str) -> None:
    page = (ROOT / "docs" / "bring-a-model.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{hook}\(", page, re.MULTILINE), "it has no line in the table of hooks"
    assert f"@hookimpl\ndef {hook}(" in page, "no example implements it"
    assert any(f"def {hook}(" in text for text in _tests().values()), "no test implements it"
