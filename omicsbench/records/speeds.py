"""Speed records: the JSON that one measurement of ``omicsbench bench`` leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from omicsbench.errors import RecordError
from omicsbench.files import write
from omicsbench.records import (
    SPEED_SUFFIX,
    Cell,
    CellStatus,
    Environment,
    Failure,
    Latency,
    Part,
    Timing,
    builtins,
    encode,
    hardware,
)
from omicsbench.records.cells import Amount, Count, Digest, Line, Seconds, Threads
from omicsbench.records.files import convert, read_json
from omicsbench.records.migration import is_old, migrated_speed
from omicsbench.records.store import SPEEDS, SUFFIX, name_of, read_lines, split, write_lines
from omicsbench.spec import Role

SPEED_SCHEMA = 2
FOLDER = "bench"


class Throughput(Part, frozen=True):
    """One ``simulate`` of ``strains`` at once: its first call (a new shape may compile) and the steady state, seconds.

    Both are null where it was not reached; ``reason`` says why. ``diverged`` counts strains.
    """

    strains: Count
    first: Seconds | None = None
    seconds: Latency | None = None
    diverged: Count = 0
    reason: Annotated[str, Meta(max_length=4000)] = ""


class SpeedRecord(Part, frozen=True):
    """How fast one trained model is. ``round`` counts repetitions of the whole measurement from 0.

    ``timing`` and ``throughput`` are empty where ``error`` says why. Memory in MB: the most the process (its device)
    held in the whole measurement. ``nfe``: evaluations of the field for one strain. ``details``: what the model says
    of itself.
    """

    schema: int
    key: Digest
    cell: Cell
    threads: Threads
    round: Count
    status: CellStatus
    started: Line
    role: Role = "model"
    error: Failure | None = None
    timing: Timing | None = None
    throughput: tuple[Throughput, ...] = ()
    nfe: Amount | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    peak_memory_mb: Amount | None = None
    peak_device_memory_mb: Amount | None = None
    environment: Environment | None = None

    @property
    def hardware(self) -> str:
        """What it ran on, by name."""
        return hardware(self.cell, self.environment)

    @property
    def subject(self) -> tuple[object, ...]:
        """What was measured and where, whatever the version and the round."""
        cell = self.cell
        return cell.task, cell.fold, cell.model, tuple(sorted(cell.parameters.items())), self.hardware


def keyed(record: SpeedRecord) -> SpeedRecord:
    """The record with its key: a sha256 over what tells measurements apart."""
    parts = (record.cell.key, record.threads, record.round, record.hardware)
    return msgspec.structs.replace(record, key=hashlib.sha256(msgspec.json.encode(parts)).hexdigest())


def path_of(record: SpeedRecord, out: Path) -> Path:
    """Where a speed record belongs: ``out/bench/TASK/FOLD/``, readable, and unique by the start of its key."""
    cell = record.cell
    name = f"{cell.model}-{cell.device}-t{record.threads}-r{record.round}-{record.key[:10]}{SPEED_SUFFIX}"
    return out / FOLDER / cell.task / cell.fold / name


def save(record: SpeedRecord, out: Path) -> Path:
    """Write a speed record where it belongs below ``out``; raises ``RecordError`` where that cannot be."""
    path = path_of(record, out)
    write(path, encode(record), RecordError)
    return path


def load(path: Path) -> SpeedRecord:
    """The speed record in a file. Raises ``RecordError`` naming the file and what is wrong with it."""
    return record_of(read_json(path), str(path))


def record_of(raw: Any, where: str) -> SpeedRecord:
    """The speed record that JSON values hold. Raises ``RecordError`` saying where they come from and what is wrong."""
    if is_old(raw):
        raw = migrated_speed(raw, where)
    record = convert(raw, SpeedRecord, SPEED_SCHEMA, where)
    if record.key != keyed(record).key:
        raise RecordError(f"{where}: its key does not belong to its cell; it was edited by hand")
    if (record.timing is None) != (record.error is not None):
        raise RecordError(f"{where}: must hold either times or an error")
    return record


def find(out: Path) -> Iterator[Path]:
    """Every file of a speed record below a folder, in the order of their names."""
    return iter(sorted(path for path in out.rglob(f"*{SPEED_SUFFIX}") if not path.name.startswith(".")))


def files_of_speeds(folder: Path) -> list[Path]:
    """The files of a store that hold speed records."""
    return sorted(folder.glob(f"*/{SPEEDS}/*{SUFFIX}"))


def read_speeds(path: Path) -> list[SpeedRecord]:
    """The speed records of one file of a store. Raises ``RecordError``."""
    return [record_of(raw, f"{path}, line {n}") for n, raw in read_lines(path)[1]]


def write_speeds(records: Sequence[SpeedRecord], folder: Path) -> list[Path]:
    """Add speed records to a store; the files written, one for each task and model. No other file is touched."""
    written = []
    for mine in split(records, lambda r: (r.cell.task, r.cell.model)):
        cell = mine[0].cell
        path = folder / cell.task / SPEEDS / name_of([record.key for record in mine], cell.model)
        ordered = sorted(mine, key=lambda r: (r.hardware, str(r.subject), r.round, r.key))
        write_lines([builtins(record) for record in ordered], path)
        written.append(path)
    return written


def superseded_speeds(folder: Path, anew: Sequence[SpeedRecord]) -> list[Path]:
    """The files of a store all of whose speeds have been measured anew: the same model on the same hardware."""
    subjects, keys = {record.subject for record in anew}, {record.key for record in anew}
    return [
        path
        for path in files_of_speeds(folder)
        if all(record.subject in subjects and record.key not in keys for record in read_speeds(path))
    ]


def read_all_speeds(folder: Path) -> list[SpeedRecord]:
    """Every speed record below a folder, be it of a run or (part of) a store. Raises ``RecordError``."""
    stored = [path for path in sorted(folder.rglob(f"*{SUFFIX}")) if path.parent.name == SPEEDS]
    return [load(path) for path in find(folder)] + [record for path in stored for record in read_speeds(path)]
