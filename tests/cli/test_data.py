"""``omicsbench data``: where the measured files are, and how they are had."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omicsbench.data.tasks import find_tasks

Cli = Callable[..., Any]
MakeTask = Callable[..., Path]


@pytest.fixture
def offline(make_task: MakeTask) -> Path:
    """A task whose file is nowhere, at an address where nobody listens."""
    url = 'url = "http://127.0.0.1:9/toy.csv"'
    return make_task("far", csv=None, sha256="0" * 64, toml=lambda text: text.replace("[source]", f"[source]\n{url}"))


def test_where_each_file_is(cli: Cli, make_task: MakeTask, offline: Path) -> None:
    here, altered = make_task("here"), make_task("altered", sha256="0" * 64)
    folders = [part for folder in (here, altered, offline) for part in ("--tasks-dir", folder)]
    ran = cli("data", "show", "--json", *folders)
    assert ran.code == 0
    rows = {row["task"]: row for row in json.loads(ran.out)}
    assert rows["here"]["state"] == "here, checked"
    assert rows["here"]["path"] == str(here / "toy.csv")
    assert rows["far"]["state"] == "not here"
    assert rows["limonene"]["state"] == "not here"
    assert "sha256 is" in rows["altered"]["state"]
    for row in rows.values():
        assert row["licence"]
        assert row["sha256"]
    assert "redistribution forbidden" in cli("data", "show", "limonene").out


def test_the_path_of_a_file(cli: Cli, make_task: MakeTask) -> None:
    folder = make_task()
    ran = cli("data", "path", "toy", "--tasks-dir", folder)
    assert (ran.code, ran.out) == (0, f"{folder}/toy.csv\n")


@pytest.mark.parametrize("command", ["path", "fetch"])
def test_a_file_that_cannot_be_had_is_an_error_with_the_three_ways(cli: Cli, offline: Path, command: str) -> None:
    ran = cli("data", command, "far", "--tasks-dir", offline)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: data of task 'far' cannot be had (")
    for way in ("omicsbench data fetch far", "OMICSBENCH_DATA", "--data-dir"):
        assert way in ran.err
    assert len(ran.err.splitlines()) == 1


def test_an_unknown_task_comes_with_the_nearest(cli: Cli) -> None:
    ran = cli("data", "path", "limonen")
    assert (ran.code, ran.err) == (2, "error: unknown task 'limonen': did you mean 'limonene'?\n")


def test_the_file_of_a_simulated_task_is_that_of_its_pinned_strains(cli: Cli) -> None:
    task = find_tasks()["limonene-sim"]
    path = Path(task.folder) / "strains.zip"
    ran = cli("data", "path", "limonene-sim")
    assert (ran.code, ran.out) == (0, f"{path}\n")
    rows = {row["task"]: row for row in json.loads(cli("data", "show", "--json").out)}
    assert {"limonene-sim", "isopentenol-sim", "limonene-sim-dense", "limonene-sim-stiff"} <= set(rows)
    row = rows["limonene-sim"]
    assert (row["state"], row["path"], row["file"]) == ("here, checked", str(path), "strains.zip")
    assert task.simulated is not None
    assert row["sha256"] == task.simulated.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_simulated_task_that_is_not_pinned_has_no_file(cli: Cli, tmp_path: Path) -> None:
    task = find_tasks()["limonene-sim"]
    assert task.simulated is not None
    folder = tmp_path / "unpinned"
    folder.mkdir()
    text = (Path(task.folder) / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace(f'sha256 = "{task.simulated.sha256}"\n', ""))
    ran = cli("data", "path", "unpinned", "--tasks-dir", folder)
    assert (ran.code, ran.err) == (
        2,
        "error: task 'unpinned' is simulated and has no data file; `omicsbench data make unpinned` makes one\n",
    )
    rows = json.loads(cli("data", "show", "--json", "--tasks-dir", folder).out)
    assert "unpinned" not in {row["task"] for row in rows}


def test_the_measured_files_are_found_by_variable_and_by_option(cli: Cli, measured_data: Path) -> None:
    by_variable = cli("data", "path", "limonene", OMICSBENCH_DATA=measured_data)
    by_option = cli("data", "path", "limonene", "--data-dir", measured_data)
    assert by_variable.out == by_option.out == f"{measured_data}/limonene_data.csv\n"
