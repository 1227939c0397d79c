"""A fast start: what the light commands may not import, installed plugins included."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "torchdiffeq",
    "jax",
    "jaxlib",
    "diffrax",
    "equinox",
    "sklearn",
    "pysindy",
    "pandas",
    "matplotlib",
    "plotly",
    "scipy",
    "distributed",
}

SCRIPT = """
import sys
from omicsbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stopped:
    assert stopped.code == 0, stopped.code
print("\\n".join({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The packages that a command has imported when it ends."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


@pytest.fixture(scope="module", autouse=True)
def known() -> None:
    """A plugin that was not met before is tried out first; that is no start as they all are."""
    imported("--help")


@pytest.mark.parametrize(
    ("command", "light"),
    [
        ("--help", {"numpy", "msgspec"}),
        ("--version", {"numpy", "msgspec"}),
        ("list models", {"numpy"}),
        ("list models --json", {"numpy"}),
        ("run --help", {"numpy"}),
        ("list tasks", set()),
        ("list protocols", set()),
        ("list metrics", set()),
    ],
)
def test_light_commands_import_nothing_heavy(command: str, light: set[str]) -> None:
    found = imported(*command.split())
    assert "omicsbench" in found
    assert not found & (HEAVY | light)


def test_what_a_plugin_author_imports_is_light() -> None:
    script = "import sys; from omicsbench import ModelSpec, hookimpl; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {name.partition(".")[0] for name in found} & (HEAVY | {"numpy", "click", "msgspec"})
