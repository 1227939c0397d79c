"""Records: keys, atomic files, and loading that names what is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from omicsbench.errors import RecordError
from omicsbench.records import (
    SCHEMA,
    Cell,
    Failure,
    Prediction,
    Record,
    TargetScores,
    encode,
    find,
    from_json,
    load,
    path_of,
    save,
    significant,
    to_json,
)

CELL = Cell(
    task="toy",
    data_sha256="d" * 64,
    protocol="measured",
    fold="S1",
    model="mine",
    distribution="mine.py",
    version="1",
    parameters={"width": 8, "rate": 0.1, "name": "µ", "smooth": True, "cap": None},
    seed=0,
    device="cpu",
    harness="0.1.0",
)


def make(cell: Cell = CELL, **fields: Any) -> Record:
    base: dict[str, Any] = {"status": "ok", "started": "2026-01-01T00:00:00+00:00", "states": ["A"]}
    return Record(schema=SCHEMA, key=cell.key, cell=cell, **(base | fields))


@pytest.mark.parametrize("name", Cell.__struct_fields__)
def test_every_axis_is_in_the_key(name: str) -> None:
    other: dict[str, Any] = {"parameters": {**CELL.parameters, "width": 9}, "seed": 1}
    changed = msgspec.structs.replace(CELL, **{name: other.get(name, "other")})
    assert changed.key != CELL.key
    assert path_of(changed, Path()) != path_of(CELL, Path())


def test_the_order_of_parameters_is_not_in_the_key() -> None:
    turned = msgspec.structs.replace(CELL, parameters=dict(reversed(CELL.parameters.items())))
    assert turned.key == CELL.key


def test_seeds_come_from_the_axes_alone() -> None:
    def seed(**axes: Any) -> int:
        return msgspec.structs.replace(CELL, **axes).model_seed

    assert seed() == seed(device="cuda") == seed(parameters={}) == seed(version="2") == seed(data_sha256="")
    others = [seed(task="x"), seed(protocol="x"), seed(fold="x"), seed(model="x"), seed(seed=1)]
    assert len({seed(), *others}) == 6
    assert all(0 <= number < 2**32 for number in others)
    assert seed() == 950973348  # another way to make seeds would leave no record that can be run again


def test_a_record_is_written_whole_and_read_back(tmp_path: Path) -> None:
    scores = TargetScores(
        per_state={"rmse": [0.1, None]}, mean={"nrmse": 1e-9}, prediction=Prediction(t=[1.0], x=[[[0.1, None]]])
    )
    record = make(scores={"measured": scores}, details={"equations": ["dx = µ"]}, nfe=3.5)
    path = save(record, tmp_path)
    assert path == path_of(CELL, tmp_path)
    assert load(path) == record
    assert json.loads(path.read_text())["cell"]["parameters"] == CELL.parameters
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert oct(path.stat().st_mode)[-3:] == "644"


def test_a_record_that_cannot_be_written_leaves_nothing_and_the_old_one(tmp_path: Path) -> None:
    path = save(make(), tmp_path)
    with pytest.raises(TypeError):
        save(make(details={"thing": object()}), tmp_path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert load(path) == make()


def test_records_are_found_and_half_written_ones_are_not(tmp_path: Path) -> None:
    cells = [msgspec.structs.replace(CELL, seed=seed) for seed in (2, 0, 1)]
    paths = {save(make(cell), tmp_path) for cell in cells}
    (tmp_path / "toy" / ".abc.json").write_text("{")
    (tmp_path / "toy" / ".abc.tmp").write_text("{")
    (tmp_path / "notes.txt").write_text("")
    assert list(find(tmp_path)) == sorted(paths)


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    raw = json.loads(encode(make(error=Failure(type="E", message="m"))))
    change(raw)
    return json.dumps(raw).encode()


WHOLE = encode(make())
BAD = {
    "truncated": (WHOLE[: len(WHOLE) // 2], "not a whole JSON file"),
    "empty": (b"", "not a whole JSON file"),
    "binary": (b"\x89PNG\xff", "not a whole JSON file"),
    "foreign object": (b'{"name": "package", "version": "1"}', "not a record of omicsbench"),
    "foreign list": (b"[1, 2]", "not a record of omicsbench"),
    "another schema": (edited(lambda r: r.update(schema=SCHEMA + 1)), f"record schema {SCHEMA + 1}, this version"),
    "schema as text": (edited(lambda r: r.update(schema=str(SCHEMA))), "this version reads"),
    "unknown field": (edited(lambda r: r.update(statsu="ok")), "unknown field 'statsu': did you mean 'status'?"),
    "unknown field within": (edited(lambda r: r["cell"].update(sed=1)), "unknown field `sed` - at `$.cell`"),
    "unknown field of a failure": (edited(lambda r: r["error"].update(why="")), "unknown field `why` - at `$.error`"),
    "missing field": (edited(lambda r: r.pop("started")), "missing required field `started`"),
    "unknown status": (edited(lambda r: r.update(status="fine")), "Invalid enum value 'fine' - at `$.status`"),
    "wrong type": (edited(lambda r: r.update(strains="3")), "Expected `int`, got `str` - at `$.strains`"),
    "edited cell": (edited(lambda r: r["cell"].update(seed=7)), "its key does not belong to its cell"),
    "edited key": (edited(lambda r: r.update(key="0" * 64)), "its key does not belong to its cell"),
}


@pytest.mark.parametrize(("content", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_record_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(RecordError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == content


def test_what_is_not_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for name in ("absent.json", "folder.json"):
        with pytest.raises(RecordError, match=f"{name}: cannot be read"):
            load(tmp_path / name)


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("a file where a folder is needed")
    with pytest.raises(RecordError, match=r"toy/.*: cannot be written: (Not a directory|File exists)"):
        save(make(), tmp_path)
    assert os.listdir(tmp_path) == ["toy"]


@given(arrays.arrays(np.float64, (2, 3), elements=st.floats(allow_subnormal=False)))
def test_predictions_are_scored_as_they_are_stored(x: np.ndarray) -> None:
    rounded = significant(x)
    stored = from_json(json.loads(json.dumps(to_json(rounded))))
    np.testing.assert_array_equal(stored, np.where(np.isfinite(x), rounded, np.nan))
    np.testing.assert_allclose(rounded, x, rtol=1e-6, atol=1e-290)


@given(st.floats(1e-6, 1e9))
def test_seven_digits_are_kept(value: float) -> None:
    assert significant(np.array([value]))[0] == pytest.approx(float(f"{value:.7g}"), rel=1e-15)
