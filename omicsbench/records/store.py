"""The records of a leaderboard: scores as lines of text, predictions beside them in compressed binary.

One submission gives one file for each task, protocol and model: ``TASK/PROTOCOL/MODEL-HASH.jsonl``. Its first line
says how many records follow and holds what they have in common; each other line is the rest of one record. Their
predictions stand in ``MODEL-HASH.xz``, without loss: each state as whole numbers of the coarsest decimal step that
gives its values exactly, second differences in time, byte planes, LZMA.
"""

from __future__ import annotations

import hashlib
import lzma
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from omicsbench.errors import RecordError
from omicsbench.files import read_bytes, write
from omicsbench.records.cells import SCHEMA, Part, Prediction, Record
from omicsbench.records.files import builtins, checked, find, load, parse, record_of, short
from omicsbench.records.rounding import from_steps, to_steps
from omicsbench.trajectory import Array

SUFFIX, BINARY = ".jsonl", ".xz"
SPEEDS = "speed"
"""Where a protocol would stand, for files of speed records."""
LARGEST_BINARY = 256_000_000
"""Bytes that predictions of one file may unpack to."""
LARGEST_DICTIONARY = 2**27
"""Bytes that unpacking may take on top."""
MOST_RECORDS = 100_000
"""Of one file."""
_MISSING = -(2**31)
_LARGEST = 299  # exponent of a step; steps times counts must be floats
_LADDER = 15  # decades below the largest value in which a decimal step is looked for

Kind = TypeVar("Kind", bound=Part)
Grid = list[tuple[int, int]]


def name_of(keys: Sequence[str], model: str) -> str:
    """The name of the file that holds the records with these keys."""
    return f"{model}-{hashlib.sha256(''.join(sorted(keys)).encode()).hexdigest()[:8]}{SUFFIX}"


def files_of_cells(folder: Path) -> list[Path]:
    """The files of a store that hold records of cells."""
    return [path for path in sorted(folder.glob(f"*/*/*{SUFFIX}")) if path.parent.name != SPEEDS]


def read_cells(folder: Path) -> list[Record]:
    """Every record of a store. Raises ``RecordError`` naming file, line and what is wrong."""
    return [record for path in files_of_cells(folder) for record in read_file(path)]


def read_file(path: Path) -> list[Record]:
    """The records of one file with their predictions. Raises ``RecordError``."""
    rows, places = [], []
    header, lines = read_lines(path)
    for n, line in lines:
        stored = line.pop("prediction", None)
        rows.append(record_of({**line, "prediction": None}, f"{path}, line {n}"))
        places.append(stored)
    if any(place is not None for place in places):
        binary = read_bytes(path.with_suffix(BINARY), RecordError)
        if hashlib.sha256(binary).hexdigest() != header.get("predictions"):
            raise RecordError(
                f"{path.with_suffix(BINARY)}: not the predictions that {path.name} names; fetch both again"
            )
        rows = _with_predictions(rows, places, binary, path)
    return rows


def read_lines(path: Path) -> tuple[dict[str, Any], Iterator[tuple[int, dict[str, Any]]]]:
    """The first line of a file, and each other line, whole, with its number. Raises ``RecordError``."""
    content = read_bytes(path, RecordError)
    lines = content.split(b"\n")
    header = parse(lines[0], f"{path}, line 1")
    if not isinstance(header, dict) or not isinstance(header.get("shared"), dict):
        raise RecordError(f"{path}, line 1: not the head of a file of records")
    if header.get("schema") != SCHEMA:
        raise RecordError(f"{path}, line 1: record schema {short(header.get('schema'))}, this version reads {SCHEMA}")
    if lines[-1] or len(lines) - 2 != header.get("records"):
        announced = count if type(count := header.get("records")) is int else short(count)
        raise RecordError(f"{path}: is cut short: {announced} records are announced; fetch the file again")
    if len(lines) - 2 > MOST_RECORDS:
        raise RecordError(f"{path}: holds more than {MOST_RECORDS} records")
    if len(lines) < 3:
        raise RecordError(f"{path}: holds no record; delete it")
    return header, _whole(lines[1:-1], header["shared"], path)


def _whole(lines: Sequence[bytes], shared: Mapping[str, Any], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """One at a time: what is shared may be large, and is refused with the first line."""
    for n, line in enumerate(lines, start=2):
        raw = parse(line, f"{path}, line {n}")
        if not isinstance(raw, dict):
            raise RecordError(f"{path}, line {n}: not a record")
        yield n, _merged(shared, raw)


def write_cells(records: Sequence[Record], folder: Path) -> list[Path]:
    """Add records to a store; the files written, one for each task, protocol and model. No other file is touched.

    Raises ``RecordError`` where one cannot be written.
    """
    written = []
    for mine in split(records, lambda r: (r.cell.task, r.cell.protocol, r.cell.model)):
        cell = mine[0].cell
        path = folder / cell.task / cell.protocol / name_of([r.key for r in mine], cell.model)
        ordered = sorted(
            mine, key=lambda r: (r.cell.fold, sorted(map(str, r.cell.parameters.items())), r.cell.seed, r.key)
        )
        binary, places = _packed(ordered)
        rows = [builtins(replace(record, prediction=None)) for record in ordered]
        for row, place in zip(rows, places, strict=True):
            row["prediction"] = place
        if binary:
            write(path.with_suffix(BINARY), binary, RecordError)
        write_lines(rows, path, predictions=hashlib.sha256(binary).hexdigest() if binary else None)
        written += [path, path.with_suffix(BINARY)] if binary else [path]
    return written


def write_lines(rows: Sequence[dict[str, Any]], path: Path, **head: Any) -> None:
    """Write rows of JSON values as a file of a store. Raises ``RecordError`` where that cannot be."""
    shared = _common(rows)
    first = {"schema": SCHEMA, "records": len(rows), **head, "shared": shared}
    lines = [msgspec.json.encode(value) for value in (first, *(_rest(row, shared) for row in rows))]
    write(path, b"\n".join(lines) + b"\n", RecordError)


def superseded(folder: Path, keys: Sequence[str], axes: Sequence[str]) -> list[Path]:
    """The files of a store all of whose records have one of these ``axes`` and none of these ``keys``: each cell in
    them has been run again."""
    again, mine = set(axes), set(keys)
    found = []
    for path in files_of_cells(folder):
        records = read_file(path)
        if all(record.cell.axes in again and record.key not in mine for record in records):
            found += [path, path.with_suffix(BINARY)] if path.with_suffix(BINARY).exists() else [path]
    return found


def split(records: Sequence[Kind], by: Callable[[Kind], tuple[str, ...]]) -> list[list[Kind]]:
    found: dict[tuple[str, ...], list[Kind]] = {}
    for record in records:
        found.setdefault(by(record), []).append(record)
    return list(found.values())


def _common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all rows have in common, level by level."""
    first, shared = rows[0], {}
    for name, value in first.items():
        if any(name not in row for row in rows):
            continue
        if all(_same(row[name], value) for row in rows):
            shared[name] = value
        elif all(isinstance(row[name], dict) for row in rows) and (below := _common([row[name] for row in rows])):
            shared[name] = below
    return shared


def _same(one: Any, other: Any) -> bool:
    """Whether JSON values are written alike: 1, 1.0 and true are equal to Python."""
    return one == other and msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def _rest(row: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row is not shared."""
    rest = {}
    for name, value in row.items():
        if name not in shared:
            rest[name] = value
        elif isinstance(value, dict) and (below := _rest(value, shared[name])):
            rest[name] = below
    return rest


def _merged(shared: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """A row of what is shared and the rest."""
    merged = dict(shared)
    for name, value in rest.items():
        there = shared.get(name)
        merged[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return merged


def _packed(records: Sequence[Record]) -> tuple[bytes, list[dict[str, Any] | None]]:
    """The predictions of records, compressed, and for each record how its own are stored."""
    whole: list[NDArray[np.int32]] = []
    raw: list[bytes] = []
    places: list[dict[str, Any] | None] = []
    for record in records:
        prediction = record.prediction
        if prediction is None:
            places.append(None)
            continue
        grid = _grid(prediction.x)
        places.append({"t": prediction.t.tolist(), "grid": grid})
        if grid is None:
            raw.append(np.ascontiguousarray(prediction.x, dtype="<f8").tobytes())
        else:
            with np.errstate(invalid="ignore"):
                counts = to_steps(prediction.x, grid)
                integers = np.where(np.isnan(counts), _MISSING, counts).astype(np.int64)
            whole.append(_differences(np.ascontiguousarray(integers.transpose(2, 0, 1)).astype(np.int32)).ravel())
    if not whole and not raw:
        return b"", places
    numbers = np.concatenate(whole).astype("<i4") if whole else np.empty(0, dtype="<i4")
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 4).T).tobytes()
    return lzma.compress(planes + b"".join(raw), preset=6), places


def _with_predictions(records: Sequence[Record], places: Sequence[Any], binary: bytes, path: Path) -> list[Record]:
    """Records with what stands in the binary file. Raises ``RecordError`` where that is not what is announced."""
    try:
        shapes = [
            None if p is None else (len(r.states), r.strains, len(p["t"])) for r, p in zip(records, places, strict=True)
        ]
        sizes = [0 if shape is None else math.prod(shape) for shape in shapes]
        on_grid = sum(size for size, p in zip(sizes, places, strict=True) if p is not None and p["grid"] is not None)
        if 4 * on_grid + 8 * (sum(sizes) - on_grid) > LARGEST_BINARY:
            raise ValueError("more values than a file may hold")
        content = _decompressed(binary, 4 * on_grid + 8 * (sum(sizes) - on_grid))
        planes = np.frombuffer(content[: 4 * on_grid], dtype=np.uint8).reshape(4, -1)
        numbers = np.ascontiguousarray(planes.T).reshape(-1).view("<i4")
        raw = np.frombuffer(content[4 * on_grid :], dtype="<f8")
        result = []
        for record, place, shape, size in zip(records, places, shapes, sizes, strict=True):
            if place is None or shape is None:
                result.append(record)
                continue
            if place["grid"] is None:
                x, raw = raw[:size].reshape(shape[1], shape[2], shape[0]).astype(np.float64), raw[size:]
            else:
                grid = [(int(m), int(e)) for m, e in place["grid"]]
                if len(grid) != shape[0] or any(m not in (1, 2, 5) or not -330 < e <= _LARGEST for m, e in grid):
                    raise ValueError("not a decimal step for each state")
                counts, numbers = _sums(numbers[:size].reshape(shape)).transpose(1, 2, 0), numbers[size:]
                x = np.where(counts == _MISSING, np.nan, from_steps(counts.astype(np.float64), grid))
            prediction = Prediction(np.array(place["t"], dtype=np.float64), x)
            result.append(checked(replace(record, prediction=prediction), str(path)))
        return result
    except (ValueError, TypeError, KeyError, lzma.LZMAError, EOFError, OverflowError) as error:
        raise RecordError(f"{path.with_suffix(BINARY)}: not the predictions of {path.name} ({error})") from None


def _decompressed(binary: bytes, size: int) -> bytes:
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=LARGEST_DICTIONARY)
    content = unpacker.decompress(binary, max_length=size + 1)
    if len(content) != size or not unpacker.eof:
        raise ValueError(f"{size} bytes are announced")
    return content


def _differences(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Second differences along the last axis, modulo 2³²: small for a smooth curve, and nothing is lost."""
    for _ in range(2):
        counts = np.diff(counts, axis=-1, prepend=np.int32(0))
    return counts


def _sums(differences: NDArray[np.int32]) -> NDArray[np.int32]:
    """What ``_differences`` was made of."""
    for _ in range(2):
        differences = np.cumsum(differences, axis=-1, dtype=np.int32)
    return differences


def _grid(x: Array) -> Grid | None:
    """For each state the coarsest decimal step (m, e) of which all its values (B, T, S) are multiples, to the last bit;
    None where a state has none."""
    grid: Grid = []
    for state in range(x.shape[-1]):
        values = x[..., state][np.isfinite(x[..., state])]
        top = int(np.floor(np.log10(np.abs(values).max()))) if np.any(values) else 0
        steps = [(m, e) for e in range(min(top, _LARGEST), max(top - _LADDER, -300), -1) for m in (5, 2, 1)]
        step = next((one for one in steps if _on(values, one)), None)
        if step is None:
            return None
        grid.append(step)
    return grid


def _on(values: Array, step: tuple[int, int]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        # Counts are kept as integers, which have no negative zero: plus zero it is none.
        counts = to_steps(values[:, None], [step]) + 0.0
        again = from_steps(counts, [step])[:, 0]
        return bool((np.abs(counts) < 2**31 - 1).all() and (again.view(np.int64) == values.view(np.int64)).all())


def read_records(place: Path) -> list[Record]:
    """Every record of a file or below a folder, be it of a run or (part of) a store. Raises ``RecordError``."""
    if place.is_dir():
        stored = [path for path in sorted(place.rglob(f"*{SUFFIX}")) if path.parent.name != SPEEDS]
        return [load(path) for path in find(place)] + [record for path in stored for record in read_file(path)]
    return read_file(place) if place.suffix == SUFFIX else [load(place)]
