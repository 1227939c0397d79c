"""The plugin interface: what a model is given and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from omicsbench.errors import ContractError
from omicsbench.trajectory import Array, Controls, Trajectory


class Status(IntEnum):
    """How the simulation of one strain ended."""

    OK = 0
    DIVERGED = 1
    """The trajectory left the finite numbers, or the solver gave up before the last time."""


@dataclass(frozen=True)
class TaskInfo:
    """What a model may know of its task: names and units (in the order of the arrays), horizon in hours."""

    states: tuple[str, ...]
    state_units: tuple[str, ...]
    controls: tuple[str, ...]
    control_units: tuple[str, ...]
    horizon: float


class Progress(Protocol):
    """Takes how far a fit has come; call it as often as you like, it is cheap."""

    def __call__(self, step: int, of: int, loss: float | None = None) -> None: ...


@dataclass(frozen=True, eq=False)
class Simulation:
    """What ``Model.simulate`` returns, in host numpy arrays.

    ``x`` (B, T, S) float64, finite where the strain's status is ``Status.OK``;
    ``status`` (B,) integers of ``Status``; ``nfe`` (B,) evaluations of the field, or None where there is none;
    ``samples`` (N, B, T, S) float64 draws from the predictive distribution, or None.
    """

    x: Array
    status: NDArray[np.integer]
    nfe: NDArray[np.integer] | None = None
    samples: Array | None = None


class Model(ABC):
    """Fits trajectories and simulates a strain from x(0) and u(t).

    A subclass takes ``seed: int`` and ``device: str`` by keyword; every further keyword argument of its
    ``__init__`` is a parameter (int, float, str, bool or None, with a literal default) and can be set by
    ``--set NAME=VALUE``.
    """

    @abstractmethod
    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        """Learn from ``train``: every strain at its own times, NaN in x where nothing was measured."""

    @abstractmethod
    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        """Predict ``B`` strains at times ``t``.

        ``x0`` (B, S) is the state at ``t[0]``, finite; ``t`` (T,) hours, strictly increasing, T >= 1;
        ``controls`` of B strains. Divergence is a status, never an exception and never a silent clip.
        """

    def field(self, x: Array, u: Array) -> Array | None:
        """The learned dx/dt (N, S) per hour at states ``x`` (N, S) and controls ``u`` (N, C).

        None where the model has no single field whose integral is its trajectory (an ensemble, a copied
        strain); then neither integration error nor derivative error is reported.
        """
        return None

    def describe(self) -> Mapping[str, Any]:
        """What was found in the fit and belongs in the record (JSON values): equations, a chosen regressor."""
        return {}


def check_simulation(sim: object, model: str, shape: tuple[int, int, int]) -> Simulation:
    """``sim`` as it came from a plugin, or ``ContractError`` naming model, field and what was expected.

    ``shape`` is the (B, T, S) that was asked for.
    """
    strains, times, states = shape
    if not isinstance(sim, Simulation):
        raise ContractError(f"model {model!r}: simulate must return a Simulation, got {type(sim).__name__}")

    def check(field: str, value: object, wanted: tuple[int | str, ...], kind: str) -> None:
        if not isinstance(value, np.ndarray):
            raise ContractError(
                f"model {model!r}: Simulation.{field} must be a host numpy array, got "
                f"{type(value).__module__}.{type(value).__name__}; move it off the device first"
            )
        fits = value.ndim == len(wanted) and all(
            isinstance(want, str) or have == want for have, want in zip(value.shape, wanted, strict=True)
        )
        if not fits:
            wanted_text = "(" + ", ".join(map(str, wanted)) + ("," if len(wanted) == 1 else "") + ")"
            raise ContractError(f"model {model!r}: Simulation.{field} must have shape {wanted_text}, got {value.shape}")
        good = value.dtype == np.float64 if kind == "float64" else np.issubdtype(value.dtype, np.integer)
        if not good:
            raise ContractError(f"model {model!r}: Simulation.{field} must be {kind}, got {value.dtype}")

    check("x", sim.x, (strains, times, states), "float64")
    check("status", sim.status, (strains,), "integer")
    known = {int(status) for status in Status}
    if not set(np.unique(sim.status).tolist()) <= known:
        raise ContractError(f"model {model!r}: Simulation.status must hold values of Status {sorted(known)}")
    if sim.nfe is not None:
        check("nfe", sim.nfe, (strains,), "integer")
    ok = sim.status == Status.OK
    bad = ok & ~np.isfinite(sim.x).all(axis=(1, 2))
    if bad.any():
        raise ContractError(
            f"model {model!r}: Simulation.x is not finite for strain {int(np.argmax(bad))} of the batch, whose "
            "status is OK; report divergence as Status.DIVERGED"
        )
    if sim.samples is not None:
        check("samples", sim.samples, ("N", strains, times, states), "float64")
        if not np.isfinite(sim.samples[:, ok]).all():
            raise ContractError(f"model {model!r}: Simulation.samples must be finite where status is OK")
    return sim
