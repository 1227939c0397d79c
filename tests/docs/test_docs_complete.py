"""Whatever can be called or implemented is documented and tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from omicsbench import hookspecs

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("omicsbench_"))


@pytest.fixture(scope="module")
def sources() -> list[str]:
    """The text of every other test."""
    found = [*(ROOT / "tests").rglob("*.py"), *ROOT.glob("plugins/*/tests/*.py")]
    return [path.read_text(encoding="utf-8") for path in found if path.parent != Path(__file__).parent]


def calls(text: str) -> tuple[set[object], set[object]]:
    """What calls begin with, as in ``cli("data", "show")``, or follows the program in a list; and all constants.

    A command that a test imports, as ``from omicsbench.cli.verify import command``, is called by it.
    """
    nodes = list(ast.walk(ast.parse(text)))
    homes = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {home.rpartition(".")[2].replace("_", "-") for home in homes if home.startswith("omicsbench.cli.")}
    first = [node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args]
    for node in nodes:
        if isinstance(node, ast.List):
            after = zip(node.elts, node.elts[1:], strict=False)
            first += [word for program, word in after if getattr(program, "value", None) == "omicsbench"]
    return (
        {node.value for node in first if isinstance(node, ast.Constant)} | imported,
        {node.value for node in nodes if isinstance(node, ast.Constant)},
    )


def test_every_command_is_documented(generate: ModuleType) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    missing = [name for name in generate.command_names() if f"Usage: omicsbench {name} " not in page]
    assert not missing, f"run `python docs/generate.py`: {', '.join(missing)}"


def test_every_command_is_tested(generate: ModuleType, sources: list[str]) -> None:
    read = [calls(text) for text in sources]

    def tested(command: str) -> bool:
        words = command.split()
        return any(words[0] in first and set(words[1:]) <= constants for first, constants in read)

    untested = [name for name in generate.command_names() if not tested(name)]
    assert not untested, f"no test calls {', '.join(untested)}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_tested(hook: str, sources: list[str]) -> None:
    page = (ROOT / "docs" / "bring-a-model.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{hook}\(", page, re.MULTILINE), "it has no line in the table of hooks"
    assert f"@hookimpl\ndef {hook}(" in page, "no example implements it"
    assert any(f"def {hook}(" in text for text in sources), "no test implements it"
