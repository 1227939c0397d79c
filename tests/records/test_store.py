"""The store: what goes in comes out to the last bit, and what is damaged is named and never half read."""

from __future__ import annotations

import hashlib
import json
import lzma
import tempfile
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
from omicsbench.records import Cell, Record, Setting, encode
from omicsbench.records.store import _common, _merged, _rest, read_cells, read_file, superseded, write_cells

Predicting = Callable[..., Record]
NAN = float("nan")

FLOATS = st.floats(allow_infinity=False) | st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, 1e305, -1e-300])
ON_GRID = st.integers(-(2**33), 2**33).map(lambda n: n / 2000) | st.just(NAN)
SHAPES = st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 3))


def bits(x: np.ndarray) -> np.ndarray:
    """Floats as they stand in memory, with one NaN."""
    return np.where(np.isnan(x), NAN, x).view(np.int64)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seeded(cell: Cell, seed: int, **fields: Any) -> Cell:
    return msgspec.structs.replace(cell, seed=seed, **fields)


@given(
    st.lists(SHAPES.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=st.one_of(FLOATS))), max_size=3),
    st.lists(SHAPES.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=ON_GRID)), max_size=3),
    st.booleans(),
)
def test_what_goes_in_comes_out(
    predicting: Predicting, make: Predicting, cell: Cell, odd: list[np.ndarray], plain: list[np.ndarray], failed: bool
) -> None:
    records = [predicting(x, seeded(cell, seed)) for seed, x in enumerate([*odd, *plain])]
    records += [make(seeded(cell, 99))] if failed or not records else []
    with tempfile.TemporaryDirectory() as folder:
        write_cells(records, Path(folder))
        found = {record.key: record for record in read_cells(Path(folder))}
    assert found == {record.key: record for record in records}
    for record in records:
        if record.prediction is not None:
            again = found[record.key].prediction
            assert again is not None
            np.testing.assert_array_equal(bits(again.x), bits(record.prediction.x))
            np.testing.assert_array_equal(bits(again.t), bits(record.prediction.t))


@given(arrays.arrays(np.float64, (2, 9, 2), elements=st.floats(-1e5, 1e5) | st.just(NAN)))
def test_predictions_as_they_are_rounded_are_whole_steps(predicting: Predicting, x: np.ndarray) -> None:
    from omicsbench.records import as_stored

    record = predicting(as_stored(x, np.array([3.0, 40.0])))
    with tempfile.TemporaryDirectory() as folder:
        path, binary = write_cells([record], Path(folder))
        assert '"grid":[[' in path.read_text()  # nothing was kept as raw floats
        assert len(lzma.decompress(binary.read_bytes())) == 4 * x.size
        assert read_file(path) == [record]


def test_the_order_given_does_not_matter(predicting: Predicting, cell: Cell, tmp_path: Path) -> None:
    records = [
        predicting(np.full((1, 2, 1), float(seed)), seeded(cell, seed, fold=fold, parameters={"w": w}))
        for seed in range(3)
        for fold in ("S1", "S2")
        for w in (1, 2)
    ]
    write_cells(records, tmp_path / "a")
    write_cells(records[::-1], tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_there_is_a_file_for_each_task_protocol_and_model(predicting: Predicting, cell: Cell, tmp_path: Path) -> None:
    x = np.ones((1, 1, 1))
    cells = [
        msgspec.structs.replace(cell, task=task, protocol=protocol, model=model)
        for task in ("a", "b")
        for protocol in ("measured", "published")
        for model in ("m", "n")
    ]
    written = write_cells([predicting(x, one) for one in cells], tmp_path)
    names = {path.relative_to(tmp_path).as_posix().rsplit("-", 1)[0] for path in written}
    assert names == {f"{one.task}/{one.protocol}/{one.model}" for one in cells}
    assert {path.suffix for path in written} == {".jsonl", ".xz"}


def test_submissions_never_touch_each_others_files(predicting: Predicting, cell: Cell, tmp_path: Path) -> None:
    first = [predicting(np.ones((1, 2, 1)), seeded(cell, seed)) for seed in range(2)]
    second = [predicting(np.ones((1, 2, 1)), seeded(cell, seed)) for seed in range(2, 4)]
    again = [predicting(np.zeros((1, 2, 1)), seeded(cell, seed, code="beef")) for seed in range(2)]
    write_cells(first, tmp_path)
    seen = tree(tmp_path)
    for submission in (second, again):
        written = write_cells(submission, tmp_path)
        assert not {path.relative_to(tmp_path).as_posix() for path in written} & set(seen)
        assert {name: tree(tmp_path)[name] for name in seen} == seen
        seen = tree(tmp_path)
    assert len(read_cells(tmp_path)) == 6
    # Of the first, every cell has been run again; of the second, none has.
    old = superseded(tmp_path, [r.key for r in again], [r.cell.axes for r in again])
    assert {record.key for path in old if path.suffix == ".jsonl" for record in read_file(path)} == {
        record.key for record in first
    }
    assert len(old) == 2  # with its predictions
    assert superseded(tmp_path, [r.key for r in again], [again[0].cell.axes]) == []  # one of two cells is not enough


def test_a_store_is_small(predicting: Predicting, cell: Cell, tmp_path: Path) -> None:
    """What records have in common stands once."""
    common = {"details": {"equations": ["dx/dt = " + "x + " * 500]}}
    records = [predicting(np.full((1, 1, 1), float(n)), seeded(cell, n), **common) for n in range(20)]
    (path, binary) = write_cells(records, tmp_path)
    size = path.stat().st_size + binary.stat().st_size
    assert size < 3 * len(encode(records[0]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, -0.0, 1.0, 0.5]) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4), min_size=1, max_size=4))
def test_what_is_shared_and_the_rest_merge_to_the_same_rows(rows: list[dict[str, Any]]) -> None:
    shared = _common(rows)
    texts = [json.dumps(_merged(shared, _rest(row, shared)), sort_keys=True) for row in rows]
    assert texts == [json.dumps(row, sort_keys=True) for row in rows]


@given(st.dictionaries(st.sampled_from("abcd"), JSON, min_size=1, max_size=4), st.integers(2, 4))
def test_what_all_rows_have_is_shared(row: dict[str, Any], count: int) -> None:
    assert _common([row] * count) == row
    assert _rest(row, row) == {}


@pytest.fixture
def stored(predicting: Predicting, cell: Cell, tmp_path: Path) -> tuple[Path, Path]:
    """A file of three records and its predictions."""
    x = np.array([[[0.5, 1.0], [NAN, 2.0]]])
    path, binary = write_cells([predicting(x * n, seeded(cell, n)) for n in (1, 2, 3)], tmp_path / "store")
    return path, binary


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def on_line(number: int, change: Callable[[Any], object]) -> Callable[[Path, Path], None]:
    """Change one line of the file, from 1."""

    def spoil(path: Path, binary: Path) -> None:
        lines = lines_of(path)
        change(lines[number - 1])
        rewrite(path, lines)

    return spoil


def packed(content: bytes, lie: bool = True) -> Callable[[Path, Path], None]:
    """Other predictions, with the right checksum in the head of the file: a forger can compute it."""

    def spoil(path: Path, binary: Path) -> None:
        binary.write_bytes(content)
        lines = lines_of(path)
        lines[0]["predictions"] = hashlib.sha256(content).hexdigest()
        rewrite(path, lines)

    return spoil


def truncated_stream(path: Path, binary: Path) -> None:
    packed(binary.read_bytes()[:-8])(path, binary)


def place_of(change: Callable[[Any], object]) -> Callable[[Path, Path], None]:
    """Change how predictions are said to be stored, wherever that stands."""

    def spoil(path: Path, binary: Path) -> None:
        lines = lines_of(path)
        holders = [line["prediction"] for line in lines if isinstance(line.get("prediction"), dict)]
        holders += [lines[0]["shared"]["prediction"]] if "prediction" in lines[0]["shared"] else []
        for holder in holders:
            change(holder)
        rewrite(path, lines)

    return spoil


def swapped(path: Path, binary: Path) -> None:
    binary.write_bytes(lzma.compress(b"\x00" * 64))


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str, str]] = {
    "cut within a line": (lambda p, b: p.write_bytes(p.read_bytes()[:-20]), "jsonl", "is cut short"),
    "cut at a line": (lambda p, b: rewrite(p, lines_of(p)[:-1]), "jsonl", "is cut short: 3 records are announced"),
    "cut at its end": (lambda p, b: p.write_bytes(p.read_bytes()[:-1]), "jsonl", "is cut short"),
    "a line more": (lambda p, b: rewrite(p, [*lines_of(p), {}]), "jsonl", "is cut short"),
    "empty": (lambda p, b: p.write_bytes(b""), "jsonl, line 1", "not a whole JSON file"),
    "no head": (lambda p, b: rewrite(p, lines_of(p)[1:]), "jsonl, line 1", "not the head of a file of records"),
    "no records": (lambda p, b: rewrite(p, [{"schema": 2, "records": 0, "shared": {}}]), "jsonl", "no record"),
    "another schema": (on_line(1, lambda h: h["shared"].update(schema=3)), "jsonl, line 2", 'record schema "3"'),
    "another head": (on_line(1, lambda h: h.update(schema=3)), "jsonl, line 1", 'schema "3", this version reads 2'),
    "no shared part": (on_line(1, lambda h: h.pop("shared")), "jsonl, line 1", "not the head"),
    "a line of another kind": (lambda p, b: rewrite(p, [*lines_of(p)[:-1], [1]]), "jsonl, line 4", "not a record"),
    "an unknown field": (on_line(3, lambda r: r.update(more=1)), "jsonl, line 3", 'unknown field "more"'),
    "a missing field": (on_line(1, lambda h: h["shared"].pop("started")), "jsonl, line 2", "missing required field"),
    "another key": (on_line(4, lambda r: r.update(key="0" * 64)), "jsonl, line 4", "its key does not belong"),
    "no UTF-8": (
        lambda p, b: p.write_bytes(p.read_bytes().replace(b"mine.py", b"\xff\xfe.py")),
        "jsonl, line 1",
        "not a whole JSON file",
    ),
    "no predictions": (lambda p, b: b.unlink(), "xz", "cannot be read: No such file or directory"),
    "a folder of predictions": (lambda p, b: (b.unlink(), b.mkdir()), "xz", "cannot be read: not a regular file"),
    "swapped predictions": (swapped, "xz", "not the predictions that mine-"),
    "truncated predictions": (lambda p, b: b.write_bytes(b.read_bytes()[:-9]), "xz", "not the predictions that"),
    "damaged predictions": (
        lambda p, b: b.write_bytes(b.read_bytes()[:30] + b"\xff" + b.read_bytes()[31:]),
        "xz",
        "not the predictions that",
    ),
    "a truncated stream": (truncated_stream, "xz", "are announced"),
    "no stream": (packed(b"hello, this is no xz"), "xz", "Input format not supported"),
    "too short a stream": (packed(lzma.compress(b"\x00" * 10)), "xz", "48 bytes are announced"),
    "a bomb": (packed(lzma.compress(b"\x00" * 100_000_000, preset=1)), "xz", "48 bytes are announced"),
    "other strains": (on_line(1, lambda h: h["shared"].update(strains=2)), "xz", "96 bytes are announced"),
    "very many strains": (on_line(1, lambda h: h["shared"].update(strains=10**9)), "xz", "more values than a file may"),
    "more times": (place_of(lambda p: p.update(t=[1, 2, 3])), "xz", "72 bytes are announced"),
    "times that go back": (place_of(lambda p: p.update(t=[2, 1])), "jsonl", "times of its prediction must increase"),
    "ragged times": (place_of(lambda p: p.update(t=[1, [2]])), "xz", "not the predictions of"),
    "times of text": (place_of(lambda p: p.update(t="ab")), "xz", "not the predictions of"),
    "no times": (place_of(lambda p: p.pop("t", None)), "xz", "'t'"),
    "no grid": (place_of(lambda p: p.pop("grid", None)), "xz", "'grid'"),
    "a grid of one state": (place_of(lambda p: p.update(grid=[[1, 0]])), "xz", "not a decimal step for each state"),
    "a grid of thirds": (place_of(lambda p: p.update(grid=[[3, 0], [1, 0]])), "xz", "not a decimal step"),
    "a grid beyond floats": (place_of(lambda p: p.update(grid=[[1, 9999], [1, 0]])), "xz", "not a decimal step"),
    "a grid of text": (place_of(lambda p: p.update(grid="ab")), "xz", "not the predictions of"),
    "a grid of nothing": (place_of(lambda p: p.update(grid=[None, [1, 0]])), "xz", "not the predictions of"),
    "a place of another kind": (on_line(2, lambda r: r.update(prediction=[1])), "xz", "not the predictions of"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_store_is_named(stored: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    spoil, place, complaint = DAMAGE[name]
    path, binary = stored
    spoil(path, binary)
    before = tree(tmp_path)
    with pytest.raises(RecordError) as error:
        read_cells(tmp_path / "store")
    text = str(error.value)
    assert text.startswith(f"{path.with_suffix('')}.{place}: "), text
    assert complaint in text
    assert "\n" not in text
    assert tree(tmp_path) == before


def test_sizes_do_not_wrap_around(stored: tuple[Path, Path]) -> None:
    """So many values that whoever counts them in 64 bits gets a negative number."""
    path, _ = stored
    lines = lines_of(path)
    lines[0]["shared"]["strains"] = 10**9
    lines[0]["shared"]["states"] = [f"s{n}" for n in range(100_000)]
    values = [0.5] * 100_000
    lines[0]["shared"]["scores"]["measured"]["per_state"] = {"rmse": values, "nrmse": values}
    for line in lines[1:]:
        line["prediction"] = {"t": list(range(100_000)), "grid": None}
    lines[0]["shared"].pop("prediction", None)
    rewrite(path, lines)
    with pytest.raises(RecordError, match="more values than a file may hold"):
        read_file(path)


def test_a_head_that_shares_a_setting_of_its_own_does_not_change_a_key(stored: tuple[Path, Path]) -> None:
    path, _ = stored
    lines = lines_of(path)
    lines[0]["shared"]["cell"]["setting"] = msgspec.to_builtins(Setting())
    rewrite(path, lines)
    with pytest.raises(RecordError, match="line 2: its key does not belong to its cell"):
        read_file(path)
