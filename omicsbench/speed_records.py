"""Speed records: the JSON that one measurement of ``omicsbench bench`` leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from omicsbench.errors import RecordError
from omicsbench.records import (
    SPEED_SUFFIX,
    Cell,
    CellStatus,
    Environment,
    Failure,
    Latency,
    Part,
    Timing,
    hardware,
    read,
    write,
)
from omicsbench.spec import Role

SPEED_SCHEMA = 1
FOLDER = "bench"


class Throughput(Part, frozen=True):
    """One ``simulate`` of ``strains`` at once: its first call (a new shape may compile) and the steady state, seconds.

    Both are null where it was not reached; ``reason`` says why. ``diverged`` counts strains.
    """

    strains: int
    first: float | None = None
    seconds: Latency | None = None
    diverged: int = 0
    reason: str = ""


class SpeedRecord(Part, frozen=True):
    """How fast one trained model is. ``round`` counts repetitions of the whole measurement from 0.

    ``timing`` and ``throughput`` are empty where ``error`` says why. Memory in MB: the most the process (its device)
    held in the whole measurement. ``nfe``: evaluations of the field for one strain. ``details``: what the model says
    of itself.
    """

    schema: int
    key: str
    cell: Cell
    threads: int
    round: int
    status: CellStatus
    started: str
    role: Role = "model"
    error: Failure | None = None
    timing: Timing | None = None
    throughput: tuple[Throughput, ...] = ()
    nfe: float | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    peak_memory_mb: float | None = None
    peak_device_memory_mb: float | None = None
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
    write(record, path)
    return path


def load(path: Path) -> SpeedRecord:
    """The speed record in a file. Raises ``RecordError`` naming the file and what is wrong with it."""
    record = read(path, SpeedRecord, SPEED_SCHEMA)
    if record.key != keyed(record).key:
        raise RecordError(f"{path}: its key does not belong to its cell; it was edited by hand")
    return record


def find(out: Path) -> Iterator[Path]:
    """Every file of a speed record below a folder, in the order of their names."""
    return iter(sorted(path for path in out.rglob(f"*{SPEED_SUFFIX}") if not path.name.startswith(".")))
