"""Records of schema 1: read as schema 2, with nothing made up that they did not say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from omicsbench.errors import RecordError
from omicsbench.records import SCHEMA, Setting, load, path_of, renew, save
from omicsbench.records.speeds import load as load_speed
from omicsbench.records.store import read_records

OLD_NAME = "sindy-s4-cpu-9961788040.json"


@pytest.fixture
def place(old: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """``place(raw, name)``: the file of an old record where a run of that time put it."""

    def write(raw: dict[str, Any] = old, name: str = OLD_NAME) -> Path:
        folder = tmp_path / "limonene" / "published" / "L2"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(raw))
        return folder / name

    return write


def test_what_it_said_is_kept_and_what_it_did_not_is_unknown(old: dict[str, Any], place: Callable[..., Path]) -> None:
    record = load(place())
    assert record.schema == SCHEMA
    assert record.cell.setting == Setting(data=old["cell"]["data_sha256"])
    assert record.cell.code == ""
    assert record.key == record.cell.key != old["key"]
    for name in ("task", "fold", "model", "parameters", "seed", "device", "version", "distribution"):
        assert getattr(record.cell, name) == old["cell"][name]
    assert record.scores["interpolated"].mean == old["scores"]["interpolated"]["mean"]
    assert record.prediction is not None
    np.testing.assert_array_equal(record.prediction.t, [0.0, 36.0])
    np.testing.assert_array_equal(record.prediction.x, [[[np.nan] * 2, [0.0815454, 0.0068557]]])
    assert record.omitted == ""


@pytest.mark.parametrize(("reason", "wanted"), [("licence", "licence"), ("size", "")])
def test_a_prediction_that_was_left_out_stays_out(
    old: dict[str, Any], place: Callable[..., Path], reason: str, wanted: str
) -> None:
    raw = copy.deepcopy(old)
    raw["scores"]["interpolated"] |= {"prediction": None, "omitted": reason}
    record = load(place(raw))
    assert (record.prediction, record.omitted) == (None, wanted)


def test_a_failure_is_read(old: dict[str, Any], place: Callable[..., Path]) -> None:
    raw = copy.deepcopy(old)
    raw |= {"status": "failed", "scores": {}, "timing": None, "error": {"type": "E", "message": "no"}}
    record = load(place(raw))
    assert record.error is not None
    assert record.prediction is None


def test_data_of_a_simulated_task_had_no_checksum(old: dict[str, Any], place: Callable[..., Path]) -> None:
    raw = copy.deepcopy(old)
    raw["cell"]["data_sha256"] = "omicsbench.kinetics 1"
    assert load(place(raw)).cell.setting == Setting()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.pop("cell"),
        lambda raw: raw["cell"].pop("harness"),
        lambda raw: raw["cell"].update(more=1),
        lambda raw: raw.update(scores=[1]),
        lambda raw: raw.update(scores={"interpolated": 5}),
        lambda raw: raw["cell"].update(data_sha256=3, seed=10**400),
        lambda raw: raw["cell"].update(task="../x"),
        lambda raw: raw.update(more=1),
    ],
)
def test_what_only_looks_like_one_is_named(
    old: dict[str, Any], place: Callable[..., Path], spoil: Callable[[dict[str, Any]], object]
) -> None:
    raw = copy.deepcopy(old)
    spoil(raw)
    path = place(raw)
    with pytest.raises(RecordError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_renew_gives_it_its_present_name_and_schema(place: Callable[..., Path], tmp_path: Path) -> None:
    path = place()
    before = load(path)
    assert renew(tmp_path) == 1
    assert not path.exists()
    (there,) = read_records(tmp_path)
    assert there == before
    assert json.loads(path_of(before.cell, tmp_path).read_text())["schema"] == SCHEMA
    assert renew(tmp_path) == 0
    assert read_records(tmp_path) == [before]


def test_renew_touches_no_file_that_it_cannot_read(place: Callable[..., Path], tmp_path: Path) -> None:
    path = place()
    path.write_text(path.read_text()[:-50])
    before = path.read_bytes()
    with pytest.raises(RecordError, match="not a whole JSON file"):
        renew(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("started", "kept"), [("2025", "old"), ("2027", "beef")])
def test_of_several_records_of_a_cell_the_latest_stays(
    place: Callable[..., Path], tmp_path: Path, started: str, kept: str
) -> None:
    """Somebody copies old records into a folder that has been run since, or newer ones of another version."""
    first = load(place())
    other = msgspec.structs.replace(first.cell, code="beef")
    save(msgspec.structs.replace(first, cell=other, key=other.key, started=f"{started}-01-01T00:00:00+00:00"), tmp_path)
    renew(tmp_path)
    (there,) = read_records(tmp_path)
    assert (there.cell.code or "old") == kept


def test_speeds_are_read(old: dict[str, Any], tmp_path: Path) -> None:
    raw = {name: old[name] for name in ("schema", "key", "cell", "status", "started", "timing", "environment")}
    point = {"strains": 1, "first": 0.2, "seconds": old["timing"]["latency"], "diverged": 0, "reason": ""}
    raw |= {"threads": 1, "round": 0, "throughput": [point], "nfe": 1592.0, "peak_memory_mb": 190.3}
    path = tmp_path / "sindy-cpu-t1-r0-5953799449.speed.json"
    path.write_text(json.dumps(raw))
    record = load_speed(path)
    assert (record.schema, record.cell.code, record.throughput[0].first) == (2, "", 0.2)
    assert record.hardware == "AMD EPYC, 1 thread"
