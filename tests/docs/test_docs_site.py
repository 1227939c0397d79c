"""The site builds without a warning, offline, and the places that the program refers to are on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from omicsbench.conformance import CHECKS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("CI") != "true":
        pytest.importorskip("sphinx", reason="the generator of the site is not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", out / "cache", ROOT / "docs", out]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return out


def test_every_page_is_there_and_in_the_menu(site: Path) -> None:
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        assert (site / path).is_file()
        assert path == "index.html" or f'href="{path}"' in start


def test_every_check_leads_to_its_section(site: Path) -> None:
    page = (site / "bring-a-model.html").read_text(encoding="utf-8")
    for check in CHECKS.values():
        assert f'id="{check.section}"' in page, check.name


def test_the_front_page_leads_to_what_make_site_puts_there() -> None:
    """Leaderboards, documentation and the pages of asv, each in the folder that its tool writes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    folders = {
        "docs": re.search(r"sphinx .* docs (\S+)", makefile),
        "asv": re.search(r'"html_dir": "(\S+)"', (ROOT / "asv.conf.json").read_text(encoding="utf-8")),
        "leaderboards": re.search(r"leaderboard site --out (site/leaderboards)$", makefile, re.MULTILINE),
    }
    assert {name: found and found[1] for name, found in folders.items()} == {
        "docs": "site/docs",
        "asv": "site/asv",
        "leaderboards": "site/leaderboards",
    }
    links = re.findall(r'href="([^"]+\.html)"', (ROOT / "docs" / "front.html").read_text(encoding="utf-8"))
    assert sorted(links) == [f"{name}/index.html" for name in ("asv", "docs", "leaderboards")]
