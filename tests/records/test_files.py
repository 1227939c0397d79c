"""Records as files: written whole or not at all, and read as text that may come from anybody."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omicsbench.errors import RecordError
from omicsbench.files import LARGEST
from omicsbench.records import SCHEMA, Cell, Failure, Record, encode, find, load, path_of, save
from omicsbench.records.files import DEEPEST, parse, record_of

Make = Callable[..., Record]


@pytest.fixture(scope="module")
def whole(predicting: Make) -> dict[str, Any]:
    """The JSON values of a record in which everything is said."""
    record = predicting(
        np.array([[[0.5, 2.0], [np.nan, 1e9]]]),
        details={"equations": ["dx = µ"], "deep": {"a": [1, None]}},
        timing={
            "load": None,
            "fit": 1.0,
            "first_simulate": 0.1,
            "latency": {"median": 0.1, "lower": 0.1, "upper": 0.1, "repeats": 3},
            "warm": False,
            "fit_alone": True,
        },
        environment={
            "python": "3.11",
            "platform": "x",
            "cpu": "A",
            "cores": 2,
            "memory_gb": 8.0,
            "threads": 1,
            "packages": {"numpy": "2"},
        },
    )
    return json.loads(encode(record))


def test_a_record_is_written_whole_and_read_back(cell: Cell, predicting: Make, tmp_path: Path) -> None:
    record = predicting(np.array([[[0.1, np.nan]]]), details={"equations": ["dx = µ"]}, nfe=3.5)
    path = save(record, tmp_path)
    assert path == path_of(cell, tmp_path)
    assert load(path) == record
    raw = json.loads(path.read_text())
    assert raw["cell"]["parameters"] == cell.parameters
    assert raw["prediction"] == {"t": [1.0], "x": [[[0.1, None]]]}
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert oct(path.stat().st_mode)[-3:] == "644"


def test_a_cell_that_runs_again_replaces_its_record(cell: Cell, make: Make, tmp_path: Path) -> None:
    first = save(make(), tmp_path)
    changed = msgspec.structs.replace(cell, code="beef", version="2")
    assert save(make(changed), tmp_path) == first
    assert load(first).cell == changed
    assert list(find(tmp_path)) == [first]


def test_a_record_that_cannot_be_written_leaves_nothing_and_the_old_one(make: Make, tmp_path: Path) -> None:
    path = save(make(), tmp_path)
    with pytest.raises(TypeError):
        save(msgspec.structs.replace(make(), details={"thing": object()}), tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert load(path) == make()


def test_records_are_found_and_half_written_ones_are_not(cell: Cell, make: Make, tmp_path: Path) -> None:
    cells = [msgspec.structs.replace(cell, seed=seed) for seed in (2, 0, 1)]
    paths = {save(make(one), tmp_path) for one in cells}
    (tmp_path / "toy" / ".abc.json").write_text("{")
    (tmp_path / "toy" / ".abc.tmp").write_text("{")
    (tmp_path / "toy" / "a.speed.json").write_text("{")
    (tmp_path / "notes.txt").write_text("")
    assert list(find(tmp_path)) == sorted(paths)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], bytes]:
    def make(raw: dict[str, Any]) -> bytes:
        raw = copy.deepcopy(raw)
        change(raw)
        return json.dumps(raw).encode()

    return make


def at(*path: Any, value: Any) -> Callable[[dict[str, Any]], bytes]:
    """An editor that puts ``value`` at a place of the record."""

    def change(raw: dict[str, Any]) -> None:
        for step in path[:-1]:
            raw = raw[step]
        raw[path[-1]] = value

    return edited(change)


def refuse(path: Path) -> str:
    """The one line with which a file is refused; the file is as it was."""
    with pytest.raises(RecordError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert len(text) < 1000
    return text


BAD = {
    "truncated": (lambda raw: json.dumps(raw).encode()[:300], "not a whole JSON file"),
    "empty": (lambda raw: b"", "not a whole JSON file"),
    "binary": (lambda raw: b"\x89PNG\xff", "not a whole JSON file"),
    "no UTF-8": (lambda raw: json.dumps(raw).encode().replace(b"mine.py", b"\xff\xfe.py"), "not a whole JSON file"),
    "half a character": (lambda raw: json.dumps(raw).encode().replace(b"mine.py", rb"\ud800"), "not a whole JSON"),
    "deep": (lambda raw: b'{"schema":2,"details":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not a whole JSON file"),
    "rather deep": (at("details", value=json.loads("[" * 500 + "]" * 500)), f"nested deeper than {DEEPEST} levels"),
    "foreign object": (lambda raw: b'{"name": "package", "version": "1"}', "not a record of omicsbench"),
    "foreign list": (lambda raw: b"[1, 2]", "not a record of omicsbench"),
    "another schema": (at("schema", value=SCHEMA + 1), f'record schema "{SCHEMA + 1}", this version reads {SCHEMA}'),
    "schema as text": (at("schema", value=str(SCHEMA)), "this version reads"),
    "schema as truth": (at("schema", value=True), 'record schema "True"'),
    "unknown field": (at("statsu", value="ok"), "unknown field \"statsu\": did you mean 'status'?"),
    "unknown field with a line": (at("a\nb\x1b[31m", value="ok"), r'unknown field "a\nb\u001b[31m"'),
    "unknown field within": (at("cell", "sed", value=1), "unknown field `sed` - at `$.cell`"),
    "unknown field of a setting": (at("cell", "setting", "x", value=""), "unknown field `x` - at `$.cell.setting`"),
    "missing field": (edited(lambda r: r.pop("started")), "missing required field `started`"),
    "missing code": (edited(lambda r: r["cell"].pop("code")), "missing required field `code`"),
    "unknown status": (at("status", value="fine"), "Invalid enum value 'fine' - at `$.status`"),
    "wrong type": (at("strains", value="3"), "Expected `int`, got `str` - at `$.strains`"),
    "negative": (at("strains", value=-1), "Expected `int` >= 0"),
    "negative time": (at("timing", "fit", value=-1.0), "Expected `float` >= 0.0 - at `$.timing.fit`"),
    "unknown device": (at("cell", "device", value="../x"), "Invalid enum value '../x' - at `$.cell.device`"),
    "edited cell": (at("cell", "seed", value=7), "its key does not belong to its cell"),
    "edited code": (at("cell", "code", value="beef"), "its key does not belong to its cell"),
    "edited setting": (at("cell", "setting", "horizon", value="9 h"), "its key does not belong to its cell"),
    "edited key": (at("key", value="0" * 64), "its key does not belong to its cell"),
    "no key": (at("key", value="../../etc"), "at `$.key`"),
    "a huge number": (at("cell", "seed", value=10**400), "$.cell.seed"),
    "a huge parameter": (at("cell", "parameters", "width", value=10**30), "its key does not belong to its cell"),
    "no states": (at("states", value=[]), "its states must be named, each once"),
    "a state twice": (at("states", value=["s0", "s0"]), "its states must be named, each once"),
    "other states": (at("states", value=["s0"]), "has 2 values for 1 states"),
    "ragged scores": (at("scores", "measured", "per_state", "rmse", value=[1.0]), "has 1 values for 2 states"),
    "no nrmse": (
        edited(lambda r: r["scores"]["measured"]["per_state"].pop("nrmse")),
        "scores at 'measured' lack rmse or nrmse",
    ),
    "no mean": (edited(lambda r: r["scores"]["measured"]["mean"].pop("nrmse")), "lack rmse or nrmse"),
    "scores of a failure": (at("status", value="failed"), "status 'failed' does not fit its scores"),
    "an error of a success": (at("error", value={"type": "E", "message": ""}), "does not fit its error"),
    "x of one level": (at("prediction", "x", value=[1.0, 2.0]), "strains × 2 times × 2 states, got (2,)"),
    "ragged x": (at("prediction", "x", value=[[[1.0, 2.0], [1.0]]]), "$.prediction.x"),
    "x of text": (at("prediction", "x", value=[[["1", "2"], ["1", "2"]]]), "expected numbers"),
    "x of truth": (at("prediction", "x", value=[[[True, 2.0], [1.0, 2.0]]]), "expected numbers"),
    "x is null": (at("prediction", "x", value=None), "$.prediction.x"),
    "x beyond floats": (at("prediction", "x", value=[[[10**400, 1.0], [1.0, 2.0]]]), "$.prediction.x"),
    "x of more times": (at("prediction", "x", value=[[[1.0, 2.0]]]), "got (1, 1, 2)"),
    "ragged t": (at("prediction", "t", value=[1.0, [2.0]]), "$.prediction.t"),
    "no t": (at("prediction", "t", value=[]), "the times of its prediction must increase"),
    "t back": (at("prediction", "t", value=[2.0, 1.0]), "the times of its prediction must increase"),
    "t is null": (at("prediction", "t", value=[None, 1.0]), "the times of its prediction must increase"),
    "t of two levels": (at("prediction", "t", value=[[1.0], [2.0]]), "the times of its prediction must increase"),
    "many strains": (at("strains", value=10**9), "its prediction must be 1000000000 strains"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_record_is_named(whole: dict[str, Any], tmp_path: Path, name: str) -> None:
    make, complaint = BAD[name]
    path = tmp_path / "record.json"
    path.write_bytes(content := make(whole))
    assert complaint in refuse(path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["record.json"]


@pytest.mark.parametrize("field", ["task", "protocol", "fold", "model", "device"])
@pytest.mark.parametrize(
    "name", ["../x", "/tmp/x", "a/b", "..", ".", "", "a\\b", "a\x00b", "a\nb", "x" * 300, "~", "a:b", " a"]
)
def test_no_name_leads_out_of_a_folder(whole: dict[str, Any], tmp_path: Path, field: str, name: str) -> None:
    """Even where the key is right: whoever forges a record can compute it."""
    raw = copy.deepcopy(whole)
    raw["cell"][field] = name
    forged = msgspec.convert(raw["cell"] | {field: "x" if field != "device" else "cpu"}, Cell)
    raw["key"] = msgspec.structs.replace(forged, **{field: name}).key
    path = tmp_path / "record.json"
    path.write_text(json.dumps(raw))
    assert f"$.cell.{field}" in refuse(path)
    assert os.listdir(tmp_path) == ["record.json"]


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "loop.json").symlink_to("loop.json")
    for name in ("absent.json", "folder.json", "loop.json"):
        assert "cannot be read" in refuse(tmp_path / name)


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    """In a process of its own: a reader that opens one of these hangs, or eats all memory."""
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    code = (
        "import sys; from pathlib import Path; from omicsbench.records import load; from omicsbench.errors import *\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: load(path)\n"
        "    except RecordError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == [
        f"{tmp_path}/huge.json: 200 MB, more than the 200 MB that are read",
        f"{tmp_path}/pipe.json: cannot be read: not a regular file",
        f"{tmp_path}/zero.json: cannot be read: not a regular file",
    ]


def test_a_folder_that_cannot_be_written_loses_nothing(make: Make, tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file where a folder is needed")
    with pytest.raises(RecordError, match=r"toy/.*: cannot be written: (Not a directory|File exists)"):
        save(make(), tmp_path)
    assert os.listdir(tmp_path) == ["toy"]


def test_a_failure_is_read_back(make: Make, tmp_path: Path) -> None:
    record = make(error=Failure(type="E", message="m", traceback="a\nb", output="\x1b[31m"))
    assert load(save(record, tmp_path)) == record


ODD = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    2**63,
    2**64,
    -(2**70),
    10**400,
    1.5,
    -0.0,
    1e308,
    "",
    "x",
    "../x",
    "\x00",
    "\ud800",
]
ODD += [[], {}, [[]], [None], {"a": 1}, [1, [2]], {"": None}, "x" * 50_000, [0] * 9, [[[1.0]]], "0" * 64, "9" * 400]


def nodes(raw: Any) -> list[tuple[Any, Any]]:
    """Every place in JSON values: the container and the key or index in it."""
    keys = list(raw) if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
    return [place for key in keys for place in ((raw, key), *nodes(raw[key]))]


def mutate(raw: Any, random: Random) -> None:
    """Replace, drop, double or rename one node."""
    holder, key = random.choice(nodes(raw))
    way = random.choice(["replace", "replace", "drop", "double", "rename"])
    if way == "replace":
        holder[key] = copy.deepcopy(random.choice(ODD))
    elif way == "drop":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == "double":
        holder[f"{key}2"] = copy.deepcopy(holder[key])
    else:
        holder["x"] = holder.pop(key)


@settings(max_examples=500)
@given(st.booleans(), st.integers(1, 3), st.booleans(), st.randoms(use_true_random=False))
def test_a_damaged_record_is_a_record_or_an_error(
    whole: dict[str, Any], old: dict[str, Any], first: bool, times: int, forged: bool, random: Random
) -> None:
    """Whatever is wrong, what comes out is a record that can be written and read again, or one line."""
    raw = copy.deepcopy(old if first else whole)
    for _ in range(times):
        mutate(raw, random)
    if forged:
        with_right_key(raw)
    try:
        record = record_of(parse(json.dumps(raw).encode(), "here"), "here")
    except RecordError as error:
        refused = str(error)
    else:
        refused = "here: "
        again = record_of(parse(encode(record), "again"), "again")
        assert again.key == record.key
        assert again.prediction == record.prediction
    assert refused.startswith("here: ")
    assert "\n" not in refused


def with_right_key(raw: Any) -> None:
    """What a forger does."""
    with contextlib.suppress(msgspec.MsgspecError, TypeError, KeyError, OverflowError, UnicodeError):
        raw["key"] = msgspec.convert(raw["cell"], Cell).key
