"""Records of a run as files, one JSON a cell: written whole or not at all, read as text that may come from anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from omicsbench.errors import RecordError, suggest
from omicsbench.files import read_bytes, write
from omicsbench.records.cells import SCHEMA, Cell, Part, Record
from omicsbench.records.migration import OLD_NAME, is_old, migrated
from omicsbench.records.rounding import to_json
from omicsbench.trajectory import Array

SPEED_SUFFIX = ".speed.json"
"""What the files of ``omicsbench.records.speeds`` end with: they may lie among these."""
DEEPEST = 30
"""Levels that JSON in a record may be nested."""
LARGEST_DETAILS = 2**20
"""Bytes, as JSON, of what a model says of itself."""

Kind = TypeVar("Kind", bound=Part)


def encode(record: Part) -> bytes:
    """The record as JSON text, one field of the schema a line: short, and still readable in a diff."""
    lines = [
        msgspec.json.encode(name) + b": " + msgspec.json.encode(getattr(record, name), enc_hook=_plain)
        for name in record.__struct_fields__
    ]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def builtins(record: Part) -> Any:
    """The record as JSON values."""
    return msgspec.to_builtins(record, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return to_json(value)
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _array(kind: type, raw: Any) -> Array:
    """An array of JSON lists, NaN for null. Raises ``ValueError``, which msgspec reports with its place."""
    if not isinstance(raw, list):
        raise ValueError("expected a list of numbers")
    array = np.array(raw, dtype=object)
    if not all(value is None or type(value) in (int, float) for value in array.flat):
        raise ValueError("expected numbers, in lists of one length")
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError("expected numbers that a float can hold") from None


def path_of(cell: Cell, out: Path) -> Path:
    """Where the record of a cell belongs: readable, and unique by its axes, so that a cell run again replaces it."""
    name = f"{cell.model}-s{cell.seed}-{cell.device}-{cell.axes[:12]}.json"
    return out / cell.task / cell.protocol / cell.fold / name


def save(record: Record, out: Path) -> Path:
    """Write a record where it belongs below ``out``, and say where. Raises ``RecordError`` where that cannot be."""
    path = path_of(record.cell, out)
    write(path, encode(record), RecordError)
    return path


def load(path: Path) -> Record:
    """The record in a file, of this or an older schema. Raises ``RecordError`` naming the file and what is wrong."""
    raw = read_json(path)
    return record_of(raw, str(path))


def record_of(raw: Any, where: str) -> Record:
    """The record that JSON values hold. Raises ``RecordError`` saying where they come from and what is wrong."""
    if is_old(raw):
        raw = migrated(raw, where)
    return checked(convert(raw, Record, SCHEMA, where), where)


def checked(record: Record, where: str) -> Record:
    """The record, whose parts fit together. Raises ``RecordError`` saying where it comes from and what does not."""
    if record.key != record.cell.key:
        raise RecordError(f"{where}: its key does not belong to its cell; it was edited by hand")
    problem = _inconsistency(record)
    if problem:
        raise RecordError(f"{where}: {problem}")
    return record


def convert(raw: Any, kind: type[Kind], schema: int, where: str) -> Kind:
    """JSON values as a struct of that kind and schema. Raises ``RecordError``."""
    if not isinstance(raw, Mapping) or "schema" not in raw:
        raise RecordError(f"{where}: not a record of omicsbench (no schema); move it out of the records folder")
    if type(raw["schema"]) is not int or raw["schema"] != schema:
        raise RecordError(f"{where}: record schema {short(raw['schema'])}, this version reads {schema}")
    for key in raw:
        if key not in kind.__struct_fields__:
            raise RecordError(f"{where}: unknown field {short(key)}: {suggest(key, kind.__struct_fields__)}")
    if len(msgspec.json.encode(raw.get("details"))) > LARGEST_DETAILS:
        raise RecordError(f"{where}: more than {LARGEST_DETAILS} bytes of details")
    try:
        return msgspec.convert(raw, kind, dec_hook=_array)
    except msgspec.ValidationError as error:
        raise RecordError(f"{where}: {error}") from None


def read_json(path: Path) -> Any:
    """The JSON values in a regular file of bounded size and depth. Raises ``RecordError``."""
    return parse(read_bytes(path, RecordError), str(path))


def parse(content: bytes, where: str) -> Any:
    """JSON values of bounded depth. Raises ``RecordError`` saying where they come from."""
    try:
        raw = msgspec.json.decode(content)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not a whole JSON file ({error}); delete it and run the cell again") from None
    if not _is_shallow(raw):
        raise RecordError(f"{where}: nested deeper than {DEEPEST} levels; this is no record of omicsbench")
    return raw


def find(out: Path) -> Iterator[Path]:
    """Every record file below a folder, in the order of their names; those of speed are no cells and left out."""
    found = (path for path in out.rglob("*.json") if not path.name.startswith("."))
    return iter(sorted(path for path in found if not path.name.endswith(SPEED_SUFFIX)))


def renew(out: Path) -> int:
    """Give records of an older schema below ``out`` this schema and their present names; how many there were.

    Raises ``RecordError`` for one that cannot be read or written; the old file goes when the new one is there. Of
    several records of a cell the one that was started last stays.
    """
    old = [path for path in find(out) if re.search(OLD_NAME, path.name)]
    for path in old:
        record = load(path)
        there = path_of(record.cell, out)
        if not there.exists() or load(there).started < record.started:
            save(record, out)
        path.unlink()
    return len(old)


def _is_shallow(raw: Any) -> bool:
    level = [raw]
    for _ in range(DEEPEST):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, dict | list)
        ]
        if not level:
            return True
    return False


def _inconsistency(record: Record) -> str:
    """What in a record does not fit together; later code counts on it that nothing does."""
    states = len(record.states)
    if not states or len(set(record.states)) < states:
        return "its states must be named, each once"
    for name, scores in record.scores.items():
        for metric, values in scores.per_state.items():
            if len(values) != states:
                return f"{metric} at {name!r} has {len(values)} values for {states} states"
        if not {"rmse", "nrmse"} <= set(scores.per_state) or "nrmse" not in scores.mean:
            return f"scores at {name!r} lack rmse or nrmse"
    if (record.status in ("ok", "diverged")) != bool(record.scores):
        return f"status {record.status!r} does not fit its scores"
    if (record.status in ("failed", "timeout")) != (record.error is not None):
        return f"status {record.status!r} does not fit its error"
    if record.prediction is not None:
        t, x = record.prediction.t, record.prediction.x
        if t.ndim != 1 or not t.size or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
            return "the times of its prediction must increase"
        if x.shape != (record.strains, t.size, states):
            return f"its prediction must be {record.strains} strains × {t.size} times × {states} states, got {x.shape}"
    return ""


def short(value: Any) -> str:
    """A value as it may stand in an error line, whatever it is."""
    return json.dumps(str(value)[:60], ensure_ascii=True)
