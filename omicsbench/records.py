"""Records: the JSON that one cell leaves behind. Schema, key, atomic save and strict load."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np

from omicsbench.errors import RecordError, suggest
from omicsbench.parameters import Value
from omicsbench.spec import Role
from omicsbench.trajectory import Array

SCHEMA = 1
SPEED_SUFFIX = ".speed.json"
"""What the files of ``omicsbench.speed_records`` end with: they may lie among these."""
CellStatus = Literal["ok", "diverged", "timeout", "failed"]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any part of a record: immutable, by name, nothing unknown."""


Kind = TypeVar("Kind", bound=Part)


class Cell(Part, frozen=True):
    """What is run: task × protocol × fold × model (with parameters) × seed × device.

    ``seed`` counts from 0. ``version`` is that of the model's ``distribution`` (of a one-file plugin: its
    hash), ``harness`` that of omicsbench.
    """

    task: str
    data_sha256: str
    protocol: str
    fold: str
    model: str
    distribution: str
    version: str
    parameters: dict[str, Value]
    seed: int
    device: str
    harness: str

    @property
    def key(self) -> str:
        """sha256 over all axes: two cells with one key are the same experiment."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def model_seed(self) -> int:
        """The 32-bit seed the model gets: from the axes, so order and parallelism never change a result.

        Parameters and device are left out: variants of a model are compared under common random numbers.
        """
        axes = "|".join((self.task, self.protocol, self.fold, self.model, str(self.seed)))
        return int.from_bytes(hashlib.sha256(axes.encode()).digest()[:4], "big")

    @property
    def label(self) -> str:
        """For people: task, protocol, fold, model and seed."""
        return f"{self.task}/{self.protocol}/{self.fold}/{self.model}/s{self.seed}"


class Failure(Part, frozen=True):
    """Why a cell has no result: type, one-line message, traceback, and the end of what the worker printed."""

    type: str
    message: str
    traceback: str = ""
    output: str = ""


class Prediction(Part, frozen=True):
    """Predicted states of one target: ``t`` (T,) hours, ``x`` (B, T, S), null where the model diverged."""

    t: list[float]
    x: list[list[list[float | None]]]


class TargetScores(Part, frozen=True):
    """Scores at one set of scored times. ``per_state``: metric to one value a state; null is not defined.

    ``mean``: over the states that count. ``prediction`` is null where it was left out, ``omitted`` says why.
    """

    per_state: dict[str, list[float | None]]
    mean: dict[str, float | None]
    prediction: Prediction | None = None
    omitted: str = ""


class Latency(Part, frozen=True):
    """Seconds of one steady ``simulate`` on 200 points: median, quartiles, repeats."""

    median: float
    lower: float
    upper: float
    repeats: int


class Timing(Part, frozen=True):
    """Seconds, all from ``omicsbench.timing``.

    ``load``: import and construction, null where the worker had this model loaded already; ``warm`` then.
    ``first_simulate`` includes compilation; it and ``latency`` are taken while nothing else of the suite runs.
    ``fit_alone``: that holds of ``fit`` too.
    ``integration_error``: largest |x − reference| / max |reference| over states, the reference being the
    model's own field at tight tolerance; null with ``integration_note`` where there is none.
    """

    load: float | None
    fit: float
    first_simulate: float
    latency: Latency
    warm: bool
    fit_alone: bool
    integration_error: float | None = None
    integration_note: str = ""


class Environment(Part, frozen=True):
    """Where it ran: versions, hardware, threads, and the state of the source it ran from."""

    python: str
    platform: str
    cpu: str
    cores: int
    memory_gb: float
    threads: int
    packages: dict[str, str]
    gpu: str = ""
    driver: str = ""
    git_commit: str = ""
    git_dirty: bool | None = None


class Record(Part, frozen=True):
    """One cell's outcome. ``scores`` is by target, the headline first; empty where there is no result.

    ``derived``: the scores that only a simulated task knows (``omicsbench.probes``).
    """

    schema: int
    key: str
    cell: Cell
    status: CellStatus
    started: str
    states: list[str]
    role: Role = "model"
    deterministic: bool = False
    training_strains: int = 0
    error: Failure | None = None
    inputs_sha256: str = ""
    truth_sha256: str = ""
    scores: dict[str, TargetScores] = {}
    derived: dict[str, float | None] = {}
    diverged_strains: int = 0
    strains: int = 0
    timing: Timing | None = None
    peak_memory_mb: float | None = None
    nfe: float | None = None
    details: dict[str, Any] = {}
    environment: Environment | None = None

    @property
    def headline(self) -> TargetScores | None:
        """Scores of the first target, or None where there is no result."""
        return next(iter(self.scores.values()), None)


def significant(x: Array) -> Array:
    """``x`` rounded to 7 significant digits: predictions are scored as they are stored."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = 6 - np.floor(np.log10(np.abs(np.where(x == 0, 1.0, x))))
        power = 10.0 ** np.clip(digits, -300, 300)
        return np.where(np.isfinite(x), np.round(x * power) / power, x)


def to_json(values: Array) -> Any:
    """Nested lists with None for what is not finite, since JSON has neither NaN nor infinity."""
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]


def from_json(values: Any) -> Array:
    """The array that ``to_json`` wrote, NaN for None."""
    return np.array(values, dtype=np.float64)


def hardware(cell: Cell, place: Environment | None) -> str:
    """What a cell ran on, by name: the GPU, or the processor and its threads."""
    if place is None:
        return "unknown hardware"
    if cell.device == "cuda":
        return place.gpu or "unknown GPU"
    return f"{place.cpu}, {place.threads} thread{'s' if place.threads != 1 else ''}"


def encode(record: Part) -> bytes:
    """The record as JSON text, one field of the schema a line: short, and still readable in a diff."""
    lines = [
        msgspec.json.encode(name) + b": " + msgspec.json.encode(getattr(record, name))
        for name in record.__struct_fields__
    ]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def path_of(cell: Cell, out: Path) -> Path:
    """Where the record of a cell belongs: readable, and unique by the start of its key."""
    name = f"{cell.model}-s{cell.seed}-{cell.device}-{cell.key[:10]}.json"
    return out / cell.task / cell.protocol / cell.fold / name


def save(record: Record, out: Path) -> Path:
    """Write a record where it belongs below ``out``, and say where. Raises ``RecordError`` as ``write`` does."""
    path = path_of(record.cell, out)
    write(record, path)
    return path


def write(record: Part, path: Path) -> None:
    """Write under a temporary name, then rename: a reader never sees half of a record.

    Raises ``RecordError`` where the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(encode(record))
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from None


def load(path: Path) -> Record:
    """The record in a file. Raises ``RecordError`` naming the file and what is wrong with it."""
    record = read(path, Record, SCHEMA)
    if record.key != record.cell.key:
        raise RecordError(f"{path}: its key does not belong to its cell; it was edited by hand")
    return record


def read(path: Path, kind: type[Kind], schema: int) -> Kind:
    """What of that kind and schema stands in a file. Raises ``RecordError`` naming the file and what is wrong."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        raw = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RecordError(f"{path}: not a whole JSON file ({error}); delete it and run the cell again") from None
    if not isinstance(raw, Mapping) or "schema" not in raw:
        raise RecordError(f"{path}: not a record of omicsbench (no schema); move it out of the records folder")
    if raw["schema"] != schema:
        raise RecordError(f"{path}: record schema {raw['schema']!r}, this version reads {schema}")
    for key in raw:
        if key not in kind.__struct_fields__:
            raise RecordError(f"{path}: unknown field {key!r}: {suggest(key, kind.__struct_fields__)}")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise RecordError(f"{path}: {error}") from None


def find(out: Path) -> Iterator[Path]:
    """Every record file below a folder, in the order of their names; those of speed are no cells and left out."""
    found = (path for path in out.rglob("*.json") if not path.name.startswith("."))
    return iter(sorted(path for path in found if not path.name.endswith(SPEED_SUFFIX)))
