"""The strains of a simulated task: from the names in a fold to trajectories, truth and probes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from omicsbench.errors import DataError
from omicsbench.probes import RAISE, Probes, Reality
from omicsbench.protocols import FoldData
from omicsbench.tasks import Fold, Sbml, Simulated, Task
from omicsbench.trajectory import Array, Controls

if TYPE_CHECKING:
    from omicsbench.kinetics.sampling import Truth as Strains
    from omicsbench.kinetics.virtual import VirtualStrains

POOL = 300
"""Strains whose SD is the unit of NRMSE, those that assess the world: the SD of two training strains would change
the metric with every draw, and that of a hundred still hangs on a few strains in which mevalonate piles up."""


@dataclass(frozen=True, eq=False)
class Known:
    """What a simulator knows of the held-out strains: ``oracle`` is revealed to an oracle, ``probes`` are asked of
    every model, and ``reality`` answers them."""

    oracle: VirtualStrains
    probes: Probes
    reality: Reality


def simulated_fold(task: Task, fold: Fold) -> FoldData:
    """The strains of a fold of a simulated task.

    Raises ``DataError`` where the task file does not fit its pathway, ``RequestError`` where its world is refused or
    its SBML file cannot be used.
    """
    from omicsbench import kinetics

    source = task.virtual
    assert source is not None
    dense, few = _times(task)
    held_out, train = (_strains(task, names, np.union1d(dense, few)) for names in (fold.held_out, fold.train))
    truth = tuple(kinetics.exact(held_out, dense))
    if source.sampling == "dense":
        shown, seen = truth, tuple(kinetics.exact(train, dense))
    else:
        shown, seen = tuple(kinetics.measured(held_out, few)), tuple(kinetics.measured(train, few))
    return FoldData(
        train=seen,
        held_out=shown,
        sha256=_content(task),
        scale=_scale(task),
        truth=truth,
        reality=None if task.simulated is None else _known(task, held_out.at(dense), shown[0].controls.t),
    )


def _times(task: Task) -> tuple[Array, Array]:
    """The dense grid of a task, and the nine times at which it is measured; hours."""
    from omicsbench import kinetics

    stretch = task.horizon / kinetics.HORIZON
    return kinetics.DENSE_TIMES * stretch, kinetics.MEASURED_TIMES * stretch


def _strains(task: Task, names: Sequence[str], t: Array) -> Strains:
    sets = [int(name[1:].split("-")[0]) for name in names]
    return _draw(task, sets[0], tuple(int(name.split("-")[1]) for name in names), t)


def _draw(task: Task, number: int, ks: Sequence[int], t: Array) -> Strains:
    from omicsbench import kinetics

    if task.sbml is not None:
        path = Path(task.folder) / task.sbml.file
        strains = kinetics.sbml_strains(path, task.sbml.vary, task.info.states, ks, number, t)
        _check(task, strains.states, strains.parameters)
        return strains
    source = task.simulated
    assert source is not None
    kinetics.require(source.pathway, source.world, source.stiffness)
    world = kinetics.World.draw(source.pathway, source.world, source.stiffness)
    _check(task, kinetics.state_names(source.pathway, source.every_state), world.controls)
    return kinetics.virtual_strains(
        source.pathway, source.world, number, ks, source.stiffness, t, every_state=source.every_state
    )


def _check(task: Task, states: Sequence[str], controls: Sequence[str]) -> None:
    """The states and controls of the task file must be those of its pathway, in their order."""
    for what, written, wanted in (("states", task.info.states, states), ("controls", task.info.controls, controls)):
        if tuple(written) != tuple(wanted):
            raise DataError(f"task {task.name!r}: its {what} must be {', '.join(wanted)}, in this order")


def _content(task: Task) -> str:
    from omicsbench import kinetics

    source: Simulated | Sbml | None = task.virtual
    model = "" if task.sbml is None else (Path(task.folder) / task.sbml.file).read_text(encoding="utf-8")
    return kinetics.content_key(of="task", source=msgspec.to_builtins(source), horizon=task.horizon, model=model)


@functools.lru_cache(maxsize=16)
def _scale(task: Task) -> Array:
    from omicsbench import kinetics

    dense, few = _times(task)
    pool = _draw(task, kinetics.GATE, range(POOL), np.union1d(dense, few))
    sd = pool.at(dense).x.reshape(-1, len(task.states)).std(axis=0)
    return np.where(sd > 0, sd, 1.0)


def _known(task: Task, strains: Strains, control_times: Array) -> Known:
    from omicsbench import kinetics
    from omicsbench.kinetics.virtual import VirtualStrains

    assert isinstance(strains, VirtualStrains)
    controls = strains.controls(control_times)
    probes = Probes(
        x=strains.x.reshape(-1, len(task.states)),
        u=strains.controls(strains.t).u.reshape(-1, len(task.controls)),
        x0=np.asarray(strains.x[:, 0]),
        controls=Controls(controls.t, controls.u),
        proteins=tuple(task.info.controls.index(name) for name in strains.world.proteins),
        horizon=task.horizon,
        product=task.info.states.index(task.final_product),
    )
    reality = Reality(dx=strains.dx.reshape(-1, len(task.states)), response=kinetics.intervene(strains, RAISE))
    return Known(strains, probes, reality)
