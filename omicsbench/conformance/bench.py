"""What the checks of one model share: how to make it, one fitted model, and how to compare what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from omicsbench.conformance import pathway
from omicsbench.conformance.contract import Broken
from omicsbench.model import Model, Progress, Simulation, Status
from omicsbench.parameters import Value
from omicsbench.preprocessing import state_scale
from omicsbench.running.worker import Job, load_class
from omicsbench.spec import Device, Role
from omicsbench.split import Inputs
from omicsbench.trajectory import Array, Controls, Trajectory

SEED = 20_180_529
LARGEST_SEED = 2**32 - 1
STRAINS = 4


class Subject(msgspec.Struct, frozen=True):
    """The model that is checked: ``module`` is that of its plugin's hooks, ``file`` is set for a one-file plugin."""

    model: str
    factory: str
    module: str
    file: str | None
    parameters: dict[str, Value]
    role: Role
    devices: tuple[Device, ...]


class Bench:
    """One model on the made-up pathway. ``facts`` is what a check leaves for a later one in another process."""

    def __init__(self, subject: Subject, facts: dict[str, str] | None = None) -> None:
        self.subject = subject
        self.facts = facts if facts is not None else {}
        self.reported: list[tuple[Any, Any, Any]] = []
        self.info = pathway.INFO
        self.scale = state_scale(pathway.strains())
        blend = np.array([[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7], [0.3, 0.4, 0.3]])
        training = pathway.controls()
        self.x0: Array = blend @ pathway.X0
        self.t: Array = np.linspace(0.0, pathway.HORIZON, 9)
        self.controls = Controls(training.t, np.einsum("bn,nkc->bkc", blend, training.u))

    @property
    def file(self) -> Path | None:
        """The source of a one-file plugin."""
        return None if self.subject.file is None else Path(self.subject.file)

    def make(self, seed: int = SEED) -> Model:
        """A fresh model on the CPU."""
        kind: Any = load_class(self.subject.factory, self.file)
        made: Model = kind(seed=seed, device="cpu", **self.subject.parameters)
        return made

    def fit(self, model: Model, train: Sequence[Trajectory], progress: Progress | None = None) -> Model:
        """The model, fitted."""
        model.fit(list(train), self.info, progress or (lambda step, of, loss=None: None))
        return model

    @cached_property
    def model(self) -> Model:
        """One model fitted on complete series; checks that do not change it share it."""
        self.reported.clear()

        def progress(step: int, of: int, loss: float | None = None) -> None:
            self.reported.append((step, of, loss))

        return self.fit(self.make(), pathway.strains(), progress)

    def job(self, device: str) -> Job:
        """A cell of this model, for a worker process."""
        return Job(
            factory=self.subject.factory,
            file=self.file,
            model=self.subject.model,
            parameters=dict(self.subject.parameters),
            seed=SEED,
            device=device,
            info=self.info,
            inputs=Inputs(tuple(pathway.strains()), self.x0, self.t, self.controls),
            latency_budget=0.05,
        )

    def ask(
        self,
        x0: Array | None = None,
        t: Array | Sequence[float] | None = None,
        controls: Controls | None = None,
        model: Model | None = None,
    ) -> Simulation:
        """What a model says, as float64 arrays whatever it gave; its shapes are those that were asked for."""
        x0 = self.x0 if x0 is None else x0
        times = self.t if t is None else np.asarray(t, dtype=np.float64)
        with np.errstate(all="ignore"):
            said = (model or self.model).simulate(x0.copy(), times.copy(), controls or self.controls)
        if not isinstance(said, Simulation):
            raise Broken(f"simulate returned {type(said).__name__}, not a Simulation")
        x, status = np.array(said.x, dtype=np.float64), np.array(said.status)
        wanted = (len(x0), times.size, x0.shape[1])
        if x.shape != wanted or status.shape != wanted[:1]:
            raise Broken(f"x has shape {x.shape} and status {status.shape}, asked for {wanted} and {wanted[:1]}")
        return Simulation(x, status)

    def rows(self, *rows: int) -> tuple[Array, Controls]:
        """x(0) and controls of some strains of the batch."""
        return self.x0[list(rows)], self.controls[list(rows)]

    def compare(self, got: Simulation, wanted: Simulation, tolerance: float, what: str) -> float:
        """The largest difference in x, in units of the state's scale (its largest value or its SD in training).

        Of strains whose status is OK. Raises ``Broken`` where a status differs, or x by more than ``tolerance``.
        """
        if not np.array_equal(got.status, wanted.status):
            raise Broken(f"{what}: status {got.status.tolist()} instead of {wanted.status.tolist()}")
        ok = wanted.status == Status.OK
        if not ok.any():
            return 0.0
        scale = np.maximum(np.abs(wanted.x[ok]).max(axis=(0, 1)), self.scale)
        apart = np.abs(got.x[ok] - wanted.x[ok]) / scale
        worst = float(np.max(apart, initial=0.0))
        if not worst <= tolerance:
            strain, time, state = np.unravel_index(np.argmax(np.nan_to_num(apart, nan=np.inf)), apart.shape)
            raise Broken(
                f"{what}: state {self.info.states[state]} of strain {np.flatnonzero(ok)[strain]} differs by "
                f"{worst:.2g} of its scale at the {ordinal(int(time) + 1)} time"
            )
        return worst


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th …"""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n}{ending}"


def digest(simulation: Simulation) -> str:
    """A hash over the bits of x and status."""
    parts = np.ascontiguousarray(simulation.x, dtype=np.float64), np.asarray(simulation.status, dtype=np.int64)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
