"""Files from anybody, through every command that reads records: named and refused, never a traceback, never a hang."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omicsbench.data.tasks import find_tasks
from omicsbench.errors import RequestError
from omicsbench.records import Cell, find

Cli = Callable[..., Any]
Write = Callable[[Path, dict[str, Any]], object]


@pytest.fixture(scope="module")
def task(make_task: Callable[..., Path]) -> Path:
    return make_task()


@pytest.fixture(scope="module")
def whole(cli: Cli, task: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON values of a record of a real run."""
    out = tmp_path_factory.mktemp("results")
    ran = cli("run", "--model", "persistence", "--task", "toy", "--tasks-dir", task, "--fold", "S1", "--out", out)
    assert ran.code == 0, ran.err
    path = next(path for path in find(out) if path.name.startswith("persistence"))
    return json.loads(path.read_text())


def as_json(path: Path, raw: dict[str, Any]) -> None:
    path.write_text(json.dumps(raw))


def changed(**cell: Any) -> Write:
    """The record with other fields of its cell, and the key that belongs to them."""

    def write(path: Path, raw: dict[str, Any]) -> None:
        raw["cell"] |= cell
        sound = msgspec.convert(raw["cell"] | dict.fromkeys(cell, "cpu"), Cell)
        raw["key"] = msgspec.structs.replace(sound, **cell).key
        as_json(path, raw)

    return write


def link(path: Path, raw: dict[str, Any]) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path, raw: dict[str, Any]) -> None:
    os.mkfifo(path)


def predicting(**fields: Any) -> Write:
    return lambda path, raw: as_json(path, raw | {"prediction": raw["prediction"] | fields})


UNREADABLE: dict[str, tuple[Write, str]] = {
    "a pipe": (pipe, "cannot be read: not a regular file"),
    "a link to what never ends": (link, "cannot be read: not a regular file"),
    "a folder": (lambda path, raw: path.mkdir(), "cannot be read: not a regular file"),
    "nothing": (lambda path, raw: path.symlink_to("nowhere"), "cannot be read: No such file"),
    "no UTF-8": (lambda path, raw: path.write_bytes(b'{"schema": 2, "a": "\xff"}'), "not a whole JSON file"),
    "nested": (
        lambda path, raw: path.write_bytes(b'{"schema":2,"details":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
        "not a whole JSON file",
    ),
    "nested in part": (
        lambda path, raw: as_json(path, raw | {"details": {"a": json.loads("[" * 200 + "]" * 200)}}),
        "nested deeper than 30 levels",
    ),
    "no times": (predicting(t=[]), "the times of its prediction must increase"),
    "ragged times": (predicting(t=[[0], 1]), "$.prediction.t"),
    "ragged x": (predicting(x=[[[1.0, 2.0], [1.0]]]), "$.prediction.x"),
    "ragged states": (
        lambda path, raw: (
            raw["scores"]["measured"]["per_state"].update(nrmse=[1.0]),
            as_json(path, raw),
        ),
        "nrmse at 'measured' has 1 values for 2 states",
    ),
    "a task that leads out": (changed(task="../../x"), "$.cell.task"),
    "a model that leads out": (changed(model="/tmp/x"), "$.cell.model"),
    "a fold that leads out": (changed(fold="../x"), "$.cell.fold"),
    "a protocol that leads out": (changed(protocol=".."), "$.cell.protocol"),
    "a device that leads out": (changed(device="../../x"), "$.cell.device"),
    "a long name": (changed(model="m" * 300), "$.cell.model"),
    "a fold of many digits": (changed(fold=f"n{'9' * 5000}-d0"), "$.cell.fold"),
}
COMMANDS = {
    "report": lambda folder, task: ("report", folder, "--tasks-dir", task),
    "compare": lambda folder, task: ("compare", folder, "--baseline", "persistence", "--tasks-dir", task),
    "verify": lambda folder, task: ("verify", folder, "--tasks-dir", task),
    "submit": lambda folder, task: ("submit", folder, "--to", folder.parent / "store", "--tasks-dir", task),
}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_record_is_named(
    cli: Cli, whole: dict[str, Any], task: Path, tmp_path: Path, command: str, name: str
) -> None:
    write, complaint = UNREADABLE[name]
    folder = tmp_path / "around" / "results"
    folder.mkdir(parents=True)
    path = folder / "x.json"
    write(path, copy.deepcopy(whole))
    before = tree(tmp_path)
    ran = cli(*COMMANDS[command](folder, task))
    lines = [line for line in ran.err.splitlines() if str(path) in line]
    assert len(lines) == 1, ran.err
    assert complaint in lines[0]
    assert lines[0].startswith("refused: " if command == "submit" else "error: ")
    assert ran.code == (1 if command == "submit" else 2)
    assert "Traceback" not in ran.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["a pipe", "a link to what never ends", "a folder"])
def test_a_process_does_not_hang(shell: Cli, whole: dict[str, Any], tmp_path: Path, name: str) -> None:
    (tmp_path / "results").mkdir()
    UNREADABLE[name][0](tmp_path / "results" / "x.json", whole)
    process = shell("report", tmp_path / "results")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err == f"error: {tmp_path}/results/x.json: cannot be read: not a regular file\n"


STORED = {
    "a pipe": pipe,
    "a link to what never ends": link,
    "a folder": lambda path, raw: path.mkdir(),
    "nothing": lambda path, raw: path.write_bytes(b""),
    "a record of a run": as_json,
    "many lines": lambda path, raw: path.write_bytes(b"\n" * 100_000),
    "a task that leads out": lambda path, raw: path.write_text(
        "".join(
            json.dumps(line) + "\n"
            for line in (
                {"schema": 2, "records": 1, "shared": {}},
                raw | {"cell": raw["cell"] | {"task": "../../x"}, "prediction": None},
            )
        )
    ),
}


@pytest.mark.parametrize("action", ["build", "site", "check"])
@pytest.mark.parametrize("name", STORED)
def test_what_is_no_file_of_a_store_is_named(
    cli: Cli, whole: dict[str, Any], task: Path, tmp_path: Path, action: str, name: str
) -> None:
    folder = tmp_path / "leaderboards" / "records" / "toy" / "measured"
    folder.mkdir(parents=True)
    path = folder / "persistence-01234567.jsonl"
    STORED[name](path, copy.deepcopy(whole))
    before = tree(tmp_path)
    home = tmp_path / "leaderboards"
    ran = cli("leaderboard", action, "--records", home / "records", "--out", home, "--tasks-dir", task)
    said = (ran.out if action == "check" else ran.err).splitlines()
    assert ran.code == (1 if action == "check" else 2)
    assert said[0].removeprefix("error: ").startswith(str(path))
    assert len(said) == (2 if action == "check" else 1)
    assert "Traceback" not in ran.err
    assert tree(tmp_path) == before


UNKNOWN = {
    "protocol": (changed(protocol="publishes"), "unknown protocol 'publishes': did you mean 'published'?"),
    "task": (changed(task="toys"), "unknown task 'toys': did you mean 'toy'?"),
    "fold": (changed(fold="S9"), "task 'toy' has no fold 'S9'"),
    "fold of a simulated task": (changed(task="limonene-sim", fold="n1000000000-d0"), "no fold 'n1000000000-d0'"),
    "draw of a simulated task": (changed(task="limonene-sim", fold="n2-d1000000000"), "no fold 'n2-d1000000000'"),
    "model": (changed(model="persistance"), "unknown model 'persistance': did you mean 'persistence'?"),
}


@pytest.mark.parametrize("command", ["report", "compare", "verify", "submit"])
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_here_is_no_traceback(
    cli: Cli, whole: dict[str, Any], task: Path, tmp_path: Path, command: str, name: str
) -> None:
    write, complaint = UNKNOWN[name]
    folder = tmp_path / "results"
    folder.mkdir()
    write(folder / "x.json", copy.deepcopy(whole))
    ran = cli(*COMMANDS[command](folder, task))
    assert "Traceback" not in ran.err
    text = " ".join((ran.out + ran.err).split())
    if command in ("verify", "submit"):
        assert ran.code == 1
        assert complaint in text, text
        assert not (tmp_path / "store").exists()
    elif command == "report":
        assert ran.code == 2 if name == "protocol" else ran.code == 0, ran.err
        assert complaint in text or name in ("task", "model")
    else:
        assert ran.code == 2
        assert complaint in text or "nothing to compare" in text or "no record of such a model here" in text


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_here_is_a_problem_of_a_store(
    cli: Cli, whole: dict[str, Any], task: Path, tmp_path: Path, name: str
) -> None:
    from omicsbench.records import load
    from omicsbench.records.store import write_cells

    write, complaint = UNKNOWN[name]
    write(tmp_path / "x.json", copy.deepcopy(whole))
    write_cells([load(tmp_path / "x.json")], tmp_path / "records")
    ran = cli("leaderboard", "check", "--records-only", "--records", tmp_path / "records", "--tasks-dir", task)
    assert "Traceback" not in ran.err
    if name == "model":  # a model may be one that is not installed here; a baseline may not
        assert "persistance is a trivial baseline; its plugin, which is not installed here" in ran.out
    else:
        assert ran.code == 1
        assert complaint in ran.out
    for action in ("build", "site"):
        made = cli(
            "leaderboard", action, "--records", tmp_path / "records", "--out", tmp_path / action, "--tasks-dir", task
        )
        assert "Traceback" not in made.err
        assert made.code == (2 if name == "protocol" else 0), made.err


@pytest.mark.parametrize(
    "name", ["n100000-d0", "n1-d100000", "n0-d0", "n" + "9" * 5000 + "-d0", "n٣-d0", "n2-d٣", "n02-d0", "n2-d0\n"]
)
def test_folds_of_a_simulated_task_have_five_digits_at_most(name: str) -> None:
    sim = find_tasks()["limonene-sim"]
    with pytest.raises(RequestError, match="has no fold"):
        sim.fold(name)
    assert sim.fold("n99999-d7").name == "n99999-d7"
