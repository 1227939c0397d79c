"""``omicsbench data``: where the measured files are, and how they are had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_a_simulated_task_has_no_file(cli: Cli) -> None:
    ran = cli("data", "path", "limonene-sim")
    assert ran.code == 2
    assert "task 'limonene-sim' is simulated and has no data file" in ran.err


def test_the_measured_files_are_found_by_variable_and_by_option(cli: Cli, measured_data: Path) -> None:
    by_variable = cli("data", "path", "limonene", OMICSBENCH_DATA=measured_data)
    by_option = cli("data", "path", "limonene", "--data-dir", measured_data)
    assert by_variable.out == by_option.out == f"{measured_data}/limonene_data.csv\n"
