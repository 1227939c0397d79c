"""Pinning a task's data: the file beside task.toml, its checksum within."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench.data.making import make, pin, with_checksum
from omicsbench.data.pinned import FILE, open_pin
from omicsbench.data.tasks import load_task
from omicsbench.errors import DataError, RequestError

pytest.importorskip("roadrunner")

TOML = """\
title = "Two steps"
citation = "made for a test"
licence = "CC0-1.0"
horizon = 24.0
final_product = "P"
states = [{ name = "S", unit = "mM" }, { name = "P", unit = "mM" }]
controls = [{ name = "k1", unit = "1/h" }]

[sbml]  # a comment
file = "two_step.xml"
vary = { k1 = [0.05, 0.5] }
held_out = 4
strains = [2, 3]
draws = 2
"""
NEW = "a" * 64


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICSBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "two-step"
    folder.mkdir()
    (folder / "task.toml").write_text(TOML)
    shutil.copy(Path(__file__).parents[1] / "kinetics" / "two_step.xml", folder)
    return folder


def test_the_file_and_its_checksum_are_written_and_nothing_else(folder: Path) -> None:
    content = make(load_task(folder))
    path = pin(load_task(folder), content)
    assert (path, path.read_bytes()) == (folder / FILE, content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert (folder / "task.toml").read_text() == f'{TOML}sha256 = "{sha256}"\n'
    assert sorted(found.name for found in folder.iterdir()) == ["strains.zip", "task.toml", "two_step.xml"]
    header = open_pin(path, sha256).header
    assert (header.draws, header.strains) == (2, 3)
    assert header.arrays["held-out/x"].shape == (4, 37, 2)
    assert header.arrays["train/1/u"].shape == (3, 9, 1)

    before = (folder / "task.toml").stat().st_mtime_ns
    assert make(load_task(folder)) == content, "made again it is the same"
    pin(load_task(folder), content)
    assert (folder / "task.toml").stat().st_mtime_ns == before


def test_the_command_says_both_checksums(cli: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere.zip"
    ran = cli("data", "make", "two-step", "--tasks-dir", folder, "--out", out)
    assert ran.code == 0, ran.err
    now = hashlib.sha256(out.read_bytes()).hexdigest()
    assert ran.out.splitlines() == [
        f"two-step: {out}, {out.stat().st_size} bytes",
        "  before  not pinned",
        f"  now     {now}",
    ]
    assert (folder / "task.toml").read_text() == TOML, "a file elsewhere leaves the task as it is"
    assert not (folder / FILE).exists()

    assert cli("data", "make", "two-step", "--tasks-dir", folder).code == 0
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("held_out = 4", "held_out = 5"))
    again = cli("data", "make", "two-step", "--tasks-dir", folder)
    assert f"  before  {now}" in again.out
    changed = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    assert f"  now     {changed}" in again.out
    assert changed != now
    assert f'sha256 = "{changed}"' in (folder / "task.toml").read_text()


def test_a_run_says_what_it_generates(cli: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    assert cli("data", "make", "two-step", "--tasks-dir", folder).code == 0
    run = ("run", "--model", "persistence", "--tasks-dir", folder, "--task", "two-step", "--out", tmp_path / "out")
    pinned = cli(*run)
    assert (pinned.code, "warning" in pinned.err) == (0, False)
    more = cli(*run, "--strains", "2,4")
    assert more.code == 0
    said = [line for line in more.err.splitlines() if line.startswith("warning: ")]
    assert said == ["warning: two-step: strains beyond those pinned (4 held out, 2 draws of 3) are generated"]


def test_a_measured_task_has_nothing_to_make(cli: Callable[..., Any], make_task: Callable[..., Path]) -> None:
    with pytest.raises(RequestError, match="'toy-made' is measured: its data are fetched"):
        make(load_task(make_task("toy-made")))
    ran = cli("data", "make", "limonene")
    assert ran.code == 2
    assert "task 'limonene' is measured" in ran.err


def test_a_place_that_cannot_be_written_is_one_line(cli: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = cli("data", "make", "two-step", "--tasks-dir", folder, "--out", tmp_path / "file" / "x.zip")
    assert ran.code == 2
    assert f"error: {tmp_path / 'file' / 'x.zip'}: cannot be written" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_table_that_cannot_be_edited_is_left_alone(folder: Path) -> None:
    text = TOML.split("[sbml]")[0] + (
        'sbml = { file = "two_step.xml", vary = { k1 = [0.05, 0.5] }, held_out = 4, strains = [2], draws = 1 }\n'
    )
    (folder / "task.toml").write_text(text)
    with pytest.raises(DataError, match=r'write sha256 = "[0-9a-f]{64}" into its table \'sbml\' by hand'):
        pin(load_task(folder), b"content")
    assert (folder / "task.toml").read_text() == text
    assert not (folder / FILE).exists()


LINES = st.lists(
    st.sampled_from(["", "# [simulated]", "draws = 3", 'pathway = "limonene"', "strains = [\n  2,\n  10,\n]"]),
    unique=True,
)


@given(LINES, st.sampled_from(["", 'sha256 = "was"', "  sha256='was' # pinned"]), LINES, st.booleans(), st.booleans())
def test_one_line_of_the_table_is_all_that_changes(
    above: list[str], own: str, below: list[str], following: bool, newline: bool
) -> None:
    after = ["", "[[folds]]", 'sha256 = "of another table"'] if following else []
    table = [line for line in dict.fromkeys([*above, own, *below]) if line != "" or not own]
    text = "\n".join(['title = "T"', "", "[simulated]", *table, *after]) + ("\n" if newline else "")
    changed = with_checksum(text, "simulated", NEW)
    assert changed is not None
    wanted = tomllib.loads(text)
    wanted["simulated"]["sha256"] = NEW
    assert tomllib.loads(changed) == wanted
    assert with_checksum(changed, "simulated", NEW) == changed
    lines = changed.splitlines()
    assert [line for line in lines if NEW not in line] == [line for line in text.splitlines() if "was" not in line]


def test_a_table_that_is_not_there_gets_no_checksum() -> None:
    assert with_checksum('title = "T"\n', "simulated", NEW) is None
