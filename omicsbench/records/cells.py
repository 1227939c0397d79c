"""What one cell is and what it leaves behind: axes, setting, scores, prediction, times, environment."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from omicsbench.records.rounding import rounded_tree
from omicsbench.spec import Role
from omicsbench.trajectory import Array

SCHEMA = 2
CellStatus = Literal["ok", "diverged", "timeout", "failed"]

# What a record says is read by people, becomes part of paths and pages, and may come from anybody.
NAME = r"\A\w[\w .,+()=@'-]{0,59}\Z"
Name = Annotated[str, Meta(pattern=NAME)]
"""A name that may stand in a path: no separator, no leading dot, short."""
_HIDDEN = r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
Line = Annotated[str, Meta(max_length=400, pattern=rf"\A[^{_HIDDEN}]*\Z")]
"""One line of plain text; nothing in it is hidden, ends a line or turns the direction of writing."""
Text = Annotated[str, Meta(max_length=40_000)]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{0,64}\Z")]
"""A sha256, or its start; empty where it is not known."""
Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
Amount = Annotated[float, Meta(ge=0.0)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
Threads = Annotated[int, Meta(ge=0, le=10_000)]
Value = Line | int | float | bool | None
"""A parameter of a model."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Any part of a record: immutable, by name, nothing unknown."""


class Setting(Part, frozen=True):
    """All that decides, besides the model, what it is given and how it is scored; each part by its content.

    ``data``: the bytes of the data. ``strains``: which are held out and which train. ``states``, ``controls``: names
    and units. ``reading``: how the data become trajectories. ``means``: the states that count in means. ``protocol``,
    ``preprocessing`` and ``scoring`` are versions. A part is empty where it is not known, as in records of schema 1.
    """

    data: Digest = ""
    strains: Digest = ""
    states: Digest = ""
    controls: Digest = ""
    reading: Digest = ""
    means: Digest = ""
    horizon: Line = ""
    product: Line = ""
    protocol: Line = ""
    preprocessing: Line = ""
    scoring: Line = ""

    def differences(self, other: Setting) -> list[str]:
        """The names of the parts that are not alike; what either does not know is no difference."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.__struct_fields__}
        return [name for name, (mine, theirs) in pairs.items() if mine and theirs and mine != theirs]

    @property
    def known(self) -> bool:
        """Whether every part is."""
        return all(getattr(self, name) for name in self.__struct_fields__)


class Cell(Part, frozen=True):
    """What is run: task × protocol × fold × model (with parameters) × seed × device, and what these words stand for.

    ``seed`` counts from 0. ``code`` is the digest of the plugin's code (``omicsbench.digest``), empty where it is not
    known. ``distribution`` and ``version`` name the code for people.
    """

    task: Name
    protocol: Name
    fold: Name
    model: Name
    parameters: Annotated[dict[Name, Value], Meta(max_length=500)]
    seed: Count
    device: Literal["cpu", "cuda"]
    setting: Setting
    code: Digest
    distribution: Line
    version: Line

    @property
    def axes(self) -> str:
        """sha256 over the axes by name: two cells with the same axes are the same row of an experiment's plan."""
        named = (self.task, self.protocol, self.fold, self.model, self.parameters, self.seed, self.device)
        return hashlib.sha256(msgspec.json.encode(named, order="sorted")).hexdigest()

    @property
    def key(self) -> str:
        """sha256 over the content of all that can change the answer: equal keys mean the same experiment."""
        content = (self.axes, self.setting, self.code)
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

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

    type: Line
    message: Annotated[str, Meta(max_length=4000)]
    traceback: Text = ""
    output: Text = ""


class Prediction(Part, frozen=True, eq=False):
    """Predicted states at all scored times: ``t`` (T,) hours, ``x`` (B, T, S), null (NaN) where the model diverged."""

    t: Array
    x: Array

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prediction):
            return NotImplemented
        return np.array_equal(self.t, other.t) and np.array_equal(self.x, other.x, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]


class TargetScores(Part, frozen=True):
    """Scores at one set of scored times. ``per_state``: metric to one value a state; null is not defined.

    ``mean``: over the states that count.
    """

    per_state: Annotated[dict[Name, list[float | None]], Meta(max_length=500)]
    mean: Annotated[dict[Name, float | None], Meta(max_length=500)]


class Latency(Part, frozen=True):
    """Seconds of one steady ``simulate`` on 200 points: median, quartiles, repeats."""

    median: Seconds
    lower: Seconds
    upper: Seconds
    repeats: Count


class Timing(Part, frozen=True):
    """Seconds, all from ``omicsbench.running.clock``.

    ``load``: import and construction, null where the worker had this model loaded already; ``warm`` then.
    ``first_simulate`` includes compilation; it and ``latency`` are taken while nothing else of the suite runs.
    ``fit_alone``: that holds of ``fit`` too.
    ``integration_error``: largest |x − reference| / max |reference| over states, the reference being the
    model's own field at tight tolerance; null with ``integration_note`` where there is none.
    """

    load: Seconds | None
    fit: Seconds
    first_simulate: Seconds
    latency: Latency
    warm: bool
    fit_alone: bool
    integration_error: Amount | None = None
    integration_note: Annotated[str, Meta(max_length=4000)] = ""


class Environment(Part, frozen=True):
    """Where it ran: versions, hardware, threads, and the commit of the plugin's own repository.

    ``git_commit`` is empty and ``git_dirty`` null where the plugin's code is in no repository.
    """

    python: Line
    platform: Line
    cpu: Line
    cores: Count
    memory_gb: Amount
    threads: Threads
    packages: Annotated[dict[Name, Line], Meta(max_length=5000)]
    gpu: Line = ""
    driver: Line = ""
    git_commit: Digest = ""
    git_dirty: bool | None = None


class Record(Part, frozen=True):
    """One cell's outcome. ``scores`` is by target, the headline first; empty where there is no result.

    ``derived``: the scores that only a simulated task knows (``omicsbench.scoring.probes``). ``prediction`` is null
    where there is none; ``omitted`` says why one was left out.
    """

    schema: int
    key: Digest
    cell: Cell
    status: CellStatus
    started: Line
    states: list[Line]
    role: Role = "model"
    deterministic: bool = False
    training_strains: Count = 0
    error: Failure | None = None
    scores: Annotated[dict[Name, TargetScores], Meta(max_length=50)] = {}
    derived: Annotated[dict[Name, float | None], Meta(max_length=500)] = {}
    diverged_strains: Count = 0
    strains: Count = 0
    timing: Timing | None = None
    peak_memory_mb: Amount | None = None
    nfe: Amount | None = None
    details: dict[str, Any] = {}
    environment: Environment | None = None
    prediction: Prediction | None = None
    omitted: Literal["", "licence"] = ""

    @property
    def headline(self) -> TargetScores | None:
        """Scores of the first target, or None where there is no result."""
        return next(iter(self.scores.values()), None)


def rounded_timing(timing: Timing) -> Timing:
    """Times to four digits: no clock repeats more."""
    plain = rounded_tree(msgspec.to_builtins(timing), digits=4)
    return msgspec.convert(plain, Timing)


def hardware(cell: Cell, place: Environment | None) -> str:
    """What a cell ran on, by name: the GPU, or the processor and its threads."""
    if place is None:
        return "unknown hardware"
    if cell.device == "cuda":
        return place.gpu or "unknown GPU"
    return f"{place.cpu}, {place.threads} thread{'s' if place.threads != 1 else ''}"
