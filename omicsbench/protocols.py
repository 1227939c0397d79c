"""Protocols: what ``fit`` sees, what ``simulate`` is given, and where predictions are scored.

``prepare`` turns the strains of a fold into a ``Split``. All that a model can touch is its ``Inputs``, whose hash is
taken over exactly those bytes: identical splits means identical hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omicsbench.errors import RequestError, suggest
from omicsbench.preprocessing import PUBLISHED_POINTS, densify, smooth, state_scale
from omicsbench.tasks import Task
from omicsbench.trajectory import Array, Controls, Trajectory


@dataclass(frozen=True, eq=False)
class FoldData:
    """The strains of one fold before any protocol.

    ``sha256`` tells these data from others. ``scale`` (S,) is the unit of NRMSE where it is not taken from the
    training strains; of a simulated task ``truth`` holds the noise-free held-out trajectories and ``reality`` all
    else that is known of them.
    """

    train: tuple[Trajectory, ...]
    held_out: tuple[Trajectory, ...]
    sha256: str
    scale: Array | None = None
    truth: tuple[Trajectory, ...] | None = None
    reality: Any = None


@dataclass(frozen=True, eq=False)
class Target:
    """Where predictions are scored: ``index`` (T',) into the split's times, ``truth`` (B, T', S), NaN unscored."""

    name: str
    index: NDArray[np.int64]
    truth: Array


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that a model is given: ``train`` to fit; ``x0`` (B, S), ``t`` (T,) hours and ``controls`` to simulate."""

    train: tuple[Trajectory, ...]
    x0: Array
    t: Array
    controls: Controls

    @property
    def sha256(self) -> str:
        """Over every byte that a model is given."""
        digest = hashlib.sha256()
        for strain in self.train:
            digest.update(strain.strain.encode())
            for array in (strain.t, strain.x, strain.controls.t, strain.controls.u):
                _feed(digest, array)
        for array in (self.x0, self.t, self.controls.t, self.controls.u):
            _feed(digest, array)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Split:
    """One fold under one protocol: what a model is given, and what it is scored against.

    Of the B strains in ``held_out``, ``targets`` hold the truth (the first is the headline); ``scale`` (S,) is
    the unit of NRMSE. A model is given ``inputs`` and nothing else; ``reality`` is what else a simulator knows.
    """

    inputs: Inputs
    held_out: tuple[str, ...]
    targets: tuple[Target, ...]
    scale: Array
    reality: Any = None

    @property
    def truth_sha256(self) -> str:
        """Over every byte that predictions are scored against."""
        digest = hashlib.sha256()
        for target in self.targets:
            digest.update(target.name.encode())
            _feed(digest, target.index)
            _feed(digest, target.truth)
        return digest.hexdigest()


def _feed(digest: Any, array: NDArray[Any]) -> None:
    digest.update(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array).tobytes())


@dataclass(frozen=True)
class Protocol:
    """A protocol by name. ``ranked`` is False where its scores must never stand in a ranking.

    ``version`` rises whenever what a model is given or where it is scored changes: cells of another one run again.
    """

    name: str
    version: int
    summary: str
    ranked: bool
    simulated_tasks: bool
    prepare: Callable[[FoldData, float], Split]


def _start(strain: Trajectory) -> Array:
    x0: Array = strain.x[0]
    if strain.t[0] != 0.0 or np.isnan(x0).any():
        raise RequestError(f"strain {strain.strain!r} cannot be held out: a state is not measured at 0 h")
    return x0


def _scale(data: FoldData) -> Array:
    return state_scale(data.train) if data.scale is None else data.scale


def _measured(data: FoldData, horizon: float) -> Split:
    """Training strains as measured; scored at the held-out strain's measured times t > 0 (and on its truth)."""
    strains = data.held_out
    times = [strain.t for strain in strains] + [strain.t for strain in data.truth or ()]
    t = np.unique(np.concatenate(times))

    def target(name: str, among: Sequence[Trajectory]) -> Target:
        scored = np.unique(np.concatenate([strain.t for strain in among]))
        scored = scored[scored > 0]
        x = np.full((len(among), scored.size, among[0].x.shape[1]), np.nan)
        for row, strain in enumerate(among):
            later = strain.t > 0
            x[row, np.searchsorted(scored, strain.t[later])] = strain.x[later]
        return Target(name, np.searchsorted(t, scored).astype(np.int64), x)

    targets = [] if data.truth is None else [target("truth", data.truth)]
    if data.truth is not strains:
        targets.append(target("measured", strains))
    return Split(
        inputs=Inputs(
            train=data.train,
            x0=np.stack([_start(strain) for strain in strains]),
            t=t,
            controls=Controls.stack([strain.controls for strain in strains]),
        ),
        held_out=tuple(strain.strain for strain in strains),
        targets=tuple(targets),
        scale=_scale(data),
        reality=data.reality,
    )


def _published(data: FoldData, horizon: float) -> Split:
    """Every series on 200 points, smoothed; scored on all of them."""
    train = tuple(_dense(strain, horizon) for strain in data.train)
    held_out = [_dense(strain, horizon) for strain in data.held_out]
    t = held_out[0].t
    return Split(
        inputs=Inputs(
            train=train,
            # The measured x(0): the smoothed one would carry a rounding error made of later, held-out values.
            x0=np.stack([_start(strain) for strain in data.held_out]),
            t=t,
            controls=Controls.stack([strain.controls for strain in held_out]),
        ),
        held_out=tuple(strain.strain for strain in held_out),
        targets=(Target("interpolated", np.arange(t.size), np.stack([strain.x for strain in held_out])),),
        scale=_scale(data),
    )


def _leaky(data: FoldData, horizon: float) -> Split:
    clean = _published(data, horizon)
    leak = tuple(_dense(strain, horizon) for strain in data.held_out)
    return replace(clean, inputs=replace(clean.inputs, train=(*clean.inputs.train, *leak)))


def _dense(strain: Trajectory, horizon: float) -> Trajectory:
    dense = densify(strain, PUBLISHED_POINTS, horizon)
    return Trajectory(strain.strain, dense.t, smooth(dense.x), Controls(dense.t, smooth(dense.controls.u)))


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "measured",
            2,
            "fit sees measured points only; scored at the held-out strain's measured times t > 0",
            ranked=True,
            simulated_tasks=True,
            prepare=_measured,
        ),
        Protocol(
            "published",
            1,
            "as in Costello & Martin 2018: 200 interpolated, smoothed points; scored mostly on interpolated points",
            ranked=True,
            simulated_tasks=False,
            prepare=_published,
        ),
        Protocol(
            "published-leaky",
            1,
            "published with the held-out strain left in training: what a leak is worth; never ranked",
            ranked=False,
            simulated_tasks=False,
            prepare=_leaky,
        ),
    )
}


def protocol_of(name: str) -> Protocol:
    """The protocol of that name. Raises ``RequestError`` with the nearest known name."""
    if name not in PROTOCOLS:
        raise RequestError(f"unknown protocol {name!r}: {suggest(name, PROTOCOLS)}")
    return PROTOCOLS[name]


def prepare(task: Task, protocol: str, data: FoldData) -> Split:
    """The split of a fold's data under a protocol, with read-only arrays."""
    split = protocol_of(protocol).prepare(data, task.horizon)
    truths = [array for target in split.targets for array in (target.index, target.truth)]
    for array in (split.inputs.x0, split.inputs.t, split.scale, *truths):
        array.flags.writeable = False
    return split


def poison(data: FoldData, value: float = 1e6) -> FoldData:
    """The same fold with every held-out value but x(0) and u(t) replaced: no input of a model may change."""

    def spoil(strain: Trajectory) -> Trajectory:
        x = np.where(np.isnan(strain.x), np.nan, value)
        x[0] = strain.x[0]
        return Trajectory(strain.strain, strain.t, x, strain.controls)

    truth = None if data.truth is None else tuple(spoil(strain) for strain in data.truth)
    return FoldData(data.train, tuple(map(spoil, data.held_out)), data.sha256, data.scale, truth, data.reality)


def out_of_range(data: FoldData) -> Array:
    """How far each held-out control leaves the training range: (C,) factors, 1 where it stays within.

    Of peak abundances: the larger of (held-out peak / largest training peak) and (smallest training peak /
    held-out peak). Peaks, because before induction every strain is near zero.
    """
    held_out = np.concatenate([_peak(strain) for strain in data.held_out])
    train = np.concatenate([_peak(strain) for strain in data.train])
    tiny = np.finfo(float).tiny
    above = held_out.max(axis=0) / np.maximum(train.max(axis=0), tiny)
    below = train.min(axis=0) / np.maximum(held_out.min(axis=0), tiny)
    factors: Array = np.maximum(1.0, np.maximum(above, below))
    return factors


def _peak(strain: Trajectory) -> Array:
    peaks: Array = np.maximum(strain.controls.u.max(axis=1), 0.0)
    return peaks
