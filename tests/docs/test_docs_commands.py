"""Every command in README, the pages and the data cards is run, or is marked as not run with the reason.

A page is a story told in one folder: its blocks run in order. An HTML comment on the line before a block may say of it
``not run: REASON``, ``needs: data`` (run where ``OMICSBENCH_DATA`` is set), ``file: PATH`` (written, so that later
commands find it).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "tasks").glob("*/README.md"))]
BLOCK = re.compile(
    r"^ *<!-- (?P<mark>[a-z ]+): (?P<note>[^\n]+?) -->\n^ *```(?P<marked>[^\n`]*)\n(?P<body>.*?)^ *```$"
    r"|^ *```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
SHELL = ("bash", "console", "sh", "shell")
MARKS = ("not run", "needs", "file")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page and what is said of it."""

    language: str
    text: str
    mark: str = ""
    note: str = ""

    @property
    def commands(self) -> str:
        """What is typed: all of it, or in a console what stands behind a $."""
        if self.language != "console":
            return self.text
        return "\n".join(line[2:] for line in self.text.splitlines() if line.startswith("$ "))


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = textwrap.dedent(match["body"] if match["mark"] else match["text"])
        found.append(Block(match["marked"] or match["language"] or "", text, match["mark"] or "", match["note"] or ""))
    return found


def name_of(page: Path) -> str:
    """The page as the report of the tests names it."""
    return page.relative_to(ROOT).as_posix()


TOLD = [page for page in PAGES if any(block.language in SHELL for block in blocks_of(page))]


@pytest.mark.parametrize("page", TOLD, ids=name_of)
def test_commands_of_a_page_run(page: Path, tmp_path: Path) -> None:
    data = os.environ.get("OMICSBENCH_DATA")
    clean = {name: value for name, value in os.environ.items() if name not in ("OMICSBENCH_DATA", "OMICSBENCH_PLUGINS")}
    clean |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "XDG_CACHE_HOME": str(tmp_path / ".cache"),
        "OMP_NUM_THREADS": "1",
    }
    left_out = 0
    for block in blocks_of(page):
        if block.mark == "file":
            target = tmp_path / block.note
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language in SHELL and block.mark != "not run":
            if block.mark == "needs" and not data:
                left_out += 1
                continue
            environment = {**clean, "OMICSBENCH_DATA": str(Path(data).resolve())} if block.mark and data else clean
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.commands],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, f"{block.commands}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
    if left_out:
        pytest.skip(f"{left_out} blocks need the measured data: set OMICSBENCH_DATA; the others ran")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_marks_are_known_and_give_reasons(page: Path) -> None:
    for block in blocks_of(page):
        if block.mark:
            assert block.mark in MARKS, f"<!-- {block.mark}: … -->"
        if block.mark == "not run":
            assert len(block.note.split()) >= 3, f"{block.text}: say why it is not run"
        if block.mark == "needs":
            assert block.note == "data"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_hides_in_an_unnamed_block(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language, f"name the language of this block:\n{block.text}"
        if block.language not in SHELL:
            typed = [line for line in block.text.splitlines() if re.match(r"(\$ )?(omicsbench|make|pip) ", line)]
            assert not typed, f"commands belong in a bash block: {typed}"
