"""``omicsbench new-plugin``: what it writes works as it stands."""

import os
import subprocess
import sys

import pytest


def test_the_distribution_installs_passes_check_and_its_own_test(cli, tmp_path):
    ran = cli("new-plugin", "my-first-model", "--dir", tmp_path)
    home, place = tmp_path / "my-first-model", tmp_path / "installed"
    assert ran.code == 0
    assert sorted(ran.out.split()) == sorted(str(path) for path in home.rglob("*") if path.is_file())
    assert "pip install -e" in ran.err

    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", place, home]
    subprocess.run(pip, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(place), "OMICSBENCH_PLUGINS": "my-first-model"}

    def python(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)

    checked = python("-m", "omicsbench", "check", "my-first-model")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " 0 failed" in checked.stdout
    tested = python("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", home / "tests")
    assert tested.returncode == 0, tested.stdout
    linted = python("-m", "ruff", "check", "--isolated", "--line-length", 120, home)
    assert linted.returncode == 0, linted.stdout


def test_the_init_of_a_distribution_is_short(cli, tmp_path):
    cli("new-plugin", "short-one", "--dir", tmp_path)
    lines = (tmp_path / "short-one" / "omicsbench_short_one" / "__init__.py").read_text().split("\n")
    assert len([line for line in lines if line.strip()]) <= 6


def test_the_single_file_runs_on_a_task(cli, tmp_path, make_task):
    ran = cli("new-plugin", "one-file-model", "--single-file", "--dir", tmp_path)
    assert ran.code == 0
    assert ran.out.split() == [str(tmp_path / "one_file_model.py")]
    task = make_task("new-plugin-toy")
    done = cli(
        "run", "--model", "one-file-model", "--plugins-dir", tmp_path, "--tasks-dir", task, "--task", "new-plugin-toy",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "one-file-model" in done.out


@pytest.mark.parametrize("form", [[], ["--single-file"]])
def test_what_exists_is_left_alone(cli, tmp_path, form):
    assert cli("new-plugin", "twice-made", *form, "--dir", tmp_path).code == 0
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    ran = cli("new-plugin", "twice-made", *form, "--dir", tmp_path)
    assert ran.code == 2
    assert "exists already" in ran.err
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My-Model", "lower-case letters"),
        ("2nd-model", "a letter first"),
        ("my--model", "single dashes"),
        ("my_model", "lower-case letters"),
        ("../escape", "lower-case letters"),
        ("persistence", "is offered by omicsbench"),
    ],
)
def test_a_bad_or_taken_name_is_refused_in_one_line(cli, tmp_path, name, said):
    ran = cli("new-plugin", name, "--dir", tmp_path)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json", "class"])
def test_a_single_file_may_not_hide_a_module(cli, tmp_path, name):
    ran = cli("new-plugin", name, "--single-file", "--dir", tmp_path)
    assert ran.code == 2
    assert list(tmp_path.iterdir()) == []
