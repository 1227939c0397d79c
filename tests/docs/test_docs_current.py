"""The documentation says what the code does: generated parts, keys, anchors and links."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from omicsbench.conformance import CHECKS
from omicsbench.data import tasks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINKED = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md")),
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / "tasks").glob("*/README.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]
KEYS: dict[str, Any] = {
    "task": tasks.Task,
    "states and controls": tasks.Quantity,
    "folds": tasks.Fold,
    "excluded": tasks.Excluded,
    "source": tasks.Source,
    "simulated": tasks.Simulated,
    "sbml": tasks.Sbml,
}


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_generated_parts_are_current(generate: ModuleType) -> None:
    pages = generate.pages()
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert {found[2] for found in generate.BLOCK.finditer(text)} == set(generate.PARTS)
    for page in pages:
        before = page.read_text(encoding="utf-8")
        assert generate.filled(before) == before, f"run `python docs/generate.py`: {page.name} is out of date"


@pytest.mark.parametrize("section", KEYS)
def test_every_key_of_task_toml_is_explained(section: str) -> None:
    text = (DOCS / "bring-a-task.md").read_text(encoding="utf-8").partition("## The keys of task.toml")[2]
    table = re.search(rf"^### {section}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    rows = re.findall(r"^\| (\*\*)?(\w+)(?:\*\*)? \| (.+) \|$", table[1], re.MULTILINE)
    written = {key: bool(bold) for bold, key, _ in rows if key != "key"}
    hidden = ("name", "folder") if section == "task" else ()
    fields = [field for field in msgspec.structs.fields(KEYS[section]) if field.name not in hidden]
    assert written == {field.name: field.required for field in fields}


def test_every_check_says_where_to_read() -> None:
    for check in CHECKS.values():
        page, _, anchor = check.where.partition("#")
        assert anchor in anchors(ROOT / page), f"check {check.name!r} refers to {check.where}"


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(place), f"{target}: no such heading"
