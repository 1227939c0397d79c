"""Protocols: what ``fit`` sees, what ``simulate`` is given, and where predictions are scored.

``prepare`` turns the strains of a fold into a ``Split``. All that a model can touch is its ``Inputs``, whose hash is
taken over exactly those bytes: identical splits means identical hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from omicsbench.data.fold import FoldData
from omicsbench.data.tasks import Task
from omicsbench.errors import RequestError, suggest
from omicsbench.preprocessing import PUBLISHED_POINTS, densify, smooth, state_scale
from omicsbench.split import Inputs, Split, Target
from omicsbench.trajectory import Array, Controls, Trajectory


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
