"""The strains of a simulated task: from the names in a fold to trajectories, truth and probes.

Strains come from the task's pinned file; those that it does not hold are generated, and a line of the log says so.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from omicsbench.data.fold import FoldData
from omicsbench.data.pinned import FILE, Pin, open_pin
from omicsbench.data.tasks import Fold, Sbml, Simulated, Task
from omicsbench.errors import DataError
from omicsbench.files import read_bytes
from omicsbench.scoring.probes import RAISE, Probes, Reality
from omicsbench.trajectory import Array, Controls, Trajectory

if TYPE_CHECKING:
    from omicsbench.kinetics.generator import HeldOut, Shown, Times
    from omicsbench.kinetics.oracle import Revealed
    from omicsbench.kinetics.sampling import Truth

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Known:
    """What a simulator knows of the held-out strains: ``oracle`` is revealed to an oracle, ``probes`` are asked of
    every model, and ``reality`` answers them."""

    oracle: Revealed
    probes: Probes
    reality: Reality


def simulated_fold(task: Task, fold: Fold) -> FoldData:
    """The strains of a fold of a simulated task.

    Raises ``DataError`` where the task file does not fit its pathway or its pinned file cannot be used,
    ``RequestError`` where strains are to be generated and its world is refused or its SBML file cannot be used.
    """
    times, pin = times_of(task), _pin(task)
    if pin is not None:
        _check_names(task)
    held_out, train = _pinned_held_out(pin, task, fold), _pinned_train(pin, task, fold)
    whole = held_out is not None and train is not None
    if pin is not None and not whole:
        _say(
            f"{task.name}: strains beyond those pinned ({len(pin.array('held-out/x'))} held out, "
            f"{pin.header.draws} draws of {pin.header.strains}) are generated"
        )
    if held_out is None:
        held_out = _made_held_out(pin, task, fold)
    if train is None:
        train = _made_train(pin, task, fold)
    truth, shown = _trajectories(fold, held_out, times)
    return FoldData(
        train=tuple(
            Trajectory(name, times.shown, x, Controls(times.shown, u[None]))
            for name, x, u in zip(fold.train, train.x, train.u, strict=True)
        ),
        held_out=shown,
        sha256=pin.sha256 if pin is not None and whole else _content(task, pin),
        scale=scale_of(task) if pin is None else pin.array("scale"),
        truth=truth,
        reality=None if task.simulated is None else _known(task, held_out, times),
    )


def pinned_file(task: Task) -> Path | None:
    """The checked file that holds the strains of a task; None where the task names no checksum of one.

    Raises ``DataError`` where it cannot be used.
    """
    pin = _open(task)
    return None if pin is None else pin.path


def times_of(task: Task) -> Times:
    """When the strains of a simulated task are shown and scored."""
    from omicsbench.kinetics.generator import Times

    return Times.of(_virtual(task).sampling, task.horizon)


def settings_of(task: Task) -> dict[str, Any]:
    """What of a simulated task decides its numbers, as JSON values.

    Raises ``RequestError`` where its SBML file cannot be read.
    """
    virtual = _virtual(task)
    common = {"sampling": virtual.sampling, "horizon": task.horizon, "held_out": virtual.held_out}
    if task.sbml is None:
        assert task.simulated is not None
        names = ("pathway", "world", "stiffness", "every_state")
        return common | {name: getattr(task.simulated, name) for name in names}
    path = Path(task.folder) / task.sbml.file
    model = hashlib.sha256(read_bytes(path)).hexdigest()
    vary = [[name, *map(float, between)] for name, between in task.sbml.vary.items()]
    return common | {"model": model, "vary": vary, "states": list(task.info.states)}


def _check_names(task: Task) -> None:
    """Raise ``DataError`` unless states and controls of the task file are those of its pathway, in their order."""
    from omicsbench.kinetics import World, state_names

    if task.sbml is not None:
        states, controls = task.info.states, tuple(task.sbml.vary)
    else:
        assert task.simulated is not None
        source = task.simulated
        states = state_names(source.pathway, source.every_state)
        controls = World.draw(source.pathway, source.world, source.stiffness).controls
    for what, written, wanted in (("states", task.info.states, states), ("controls", task.info.controls, controls)):
        if tuple(written) != tuple(wanted):
            raise DataError(f"task {task.name!r}: its {what} must be {', '.join(wanted)}, in this order")


def draw_strains(task: Task, number: int, ks: Sequence[int], gated: bool = True) -> Truth:
    """Strains ``ks`` of a set, simulated at all times of the task; ``gated``: of a world that passes the gate.

    Raises ``RequestError`` where the world is refused or the SBML file cannot be used, ``DataError`` where the task's
    states and controls are not those of its pathway.
    """
    from omicsbench import kinetics

    t = times_of(task).all
    if task.sbml is not None:
        path = Path(task.folder) / task.sbml.file
        strains = kinetics.sbml_strains(path, task.sbml.vary, task.info.states, ks, number, t)
        _check_names(task)
        return strains
    source = task.simulated
    assert source is not None
    _check_names(task)
    if gated:
        kinetics.require(source.pathway, source.world, source.stiffness)
    return kinetics.virtual_strains(
        source.pathway, source.world, number, ks, source.stiffness, t, every_state=source.every_state
    )


@functools.lru_cache(maxsize=16)
def scale_of(task: Task) -> Array:
    """The unit of NRMSE of each state (S,), from strains that neither train nor are held out.

    Raises what ``draw_strains`` raises.
    """
    from omicsbench import kinetics

    return kinetics.spread(draw_strains(task, kinetics.GATE, range(kinetics.POOL)), times_of(task))


def _virtual(task: Task) -> Simulated | Sbml:
    virtual = task.virtual
    assert virtual is not None
    return virtual


@functools.cache
def _say(line: str) -> None:
    """Log a line, once a process."""
    _LOG.warning("%s", line)


def _open(task: Task) -> Pin | None:
    sha256 = _virtual(task).sha256
    return open_pin(Path(task.folder) / FILE, sha256) if sha256 else None


def _pin(task: Task) -> Pin | None:
    """The pinned strains of a task, None where there are none or they were made with other settings."""
    from omicsbench import kinetics

    pin = _open(task)
    if pin is None:
        return None
    again = f"`omicsbench data make {task.name}`"
    written = pin.header.settings
    for name, value in settings_of(task).items():
        if value != written.get(name):
            _say(
                f"{task.name}: its {FILE} was made with {name} {_plain(written.get(name))}, task.toml says "
                f"{_plain(value)}: strains are generated; {again} pins them"
            )
            return None
    if (pin.header.generator, pin.header.code) != (
        kinetics.GENERATOR,
        kinetics.generator_digest(task.sbml is not None),
    ):
        _say(
            f"{task.name}: its data are pinned and were made by another simulator than this code; "
            f"{again} makes them again"
        )
    return pin


def _plain(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _strains_of(task: Task, fold: Fold, names: Sequence[str]) -> tuple[int, list[int]]:
    """The set that strains of a fold belong to, and their numbers in it."""
    found = [re.fullmatch(r"V(\d+)-(\d+)", name) for name in names]
    sets = {match and int(match[1]) for match in found}
    if len(sets) != 1 or None in sets:
        raise DataError(
            f"task {task.name!r}: fold {fold.name!r} must name held-out strains of one set and training strains of "
            "one set, as in V0-3 for strain 3 of set 0"
        )
    return next(int(match[1]) for match in found if match), [int(match[2]) for match in found if match]


def _pinned_held_out(pin: Pin | None, task: Task, fold: Fold) -> HeldOut | None:
    from omicsbench import kinetics

    number, ks = _strains_of(task, fold, fold.held_out)
    if pin is None or number != kinetics.HELD_OUT or max(ks) >= len(pin.array("held-out/x")):
        return None
    names = ["x", "u", "controls"]
    names += ["measured"] if _virtual(task).sampling == "measured" else []
    names += ["dx", "response", "pools"] if task.simulated is not None else []
    return kinetics.HeldOut(**{name: pin.array(f"held-out/{name}")[ks] for name in names})


def _made_held_out(pin: Pin | None, task: Task, fold: Fold) -> HeldOut:
    from omicsbench import kinetics

    strains = draw_strains(task, *_strains_of(task, fold, fold.held_out), gated=pin is None)
    return kinetics.HeldOut.of(strains, times_of(task), _virtual(task).sampling, RAISE)


def _draws(pin: Pin) -> dict[int, str]:
    """Where in a file the training strains of a set stand."""
    from omicsbench import kinetics

    return {kinetics.training_set(draw): f"train/{draw}" for draw in range(pin.header.draws)}


def _pinned_train(pin: Pin | None, task: Task, fold: Fold) -> Shown | None:
    from omicsbench import kinetics

    number, ks = _strains_of(task, fold, fold.train)
    place = None if pin is None else _draws(pin).get(number)
    if pin is None or place is None or max(ks) >= pin.header.strains:
        return None
    return kinetics.Shown(pin.array(f"{place}/x")[ks], pin.array(f"{place}/u")[ks])


def _made_train(pin: Pin | None, task: Task, fold: Fold) -> Shown:
    """Training strains; of those that a file does not hold only these are generated."""
    from omicsbench import kinetics

    number, ks = _strains_of(task, fold, fold.train)
    place = None if pin is None else _draws(pin).get(number)
    least = 0 if pin is None or place is None else pin.header.strains
    pinned, missing = [k for k in ks if k < least], [k for k in ks if k >= least]
    strains = draw_strains(task, number, missing, gated=pin is None)
    made = kinetics.Shown.of(strains, times_of(task), _virtual(task).sampling)
    if pin is None or not pinned:
        return made
    row_of = {k: row for row, k in enumerate([*pinned, *missing])}
    order = [row_of[k] for k in ks]
    x, u = (np.concatenate([pin.array(f"{place}/{name}")[pinned], getattr(made, name)])[order] for name in ("x", "u"))
    return kinetics.Shown(x, u)


def _trajectories(fold: Fold, known: HeldOut, times: Times) -> tuple[tuple[Trajectory, ...], tuple[Trajectory, ...]]:
    """Of held-out strains, the truth and what a laboratory would have; the same where nothing is measured."""
    dense = known.measured is None
    t, u = (times.shown, known.controls) if dense else (times.scored, known.u)
    truth = tuple(
        Trajectory(name, times.scored, x, Controls(t, given[None]))
        for name, x, given in zip(fold.held_out, known.x, u, strict=True)
    )
    if known.measured is None:
        return truth, truth
    return truth, tuple(
        Trajectory(name, times.shown, x, Controls(times.shown, given[None]))
        for name, x, given in zip(fold.held_out, known.measured, known.controls, strict=True)
    )


def _content(task: Task, pin: Pin | None) -> str:
    """The identity of strains that are generated, in whole or in part: of all that can change them."""
    from omicsbench import kinetics

    return kinetics.content_key(
        of="task",
        raised=RAISE,
        generator=kinetics.GENERATOR,
        settings=settings_of(task),
        roadrunner="" if task.sbml is None else kinetics.roadrunner_version(),
        pinned="" if pin is None else pin.sha256,
    )


def _known(task: Task, known: HeldOut, times: Times) -> Known:
    from omicsbench import kinetics

    source = task.simulated
    assert source is not None
    assert known.dx is not None
    assert known.response is not None
    assert known.pools is not None
    world = kinetics.World.draw(source.pathway, source.world, source.stiffness)
    probes = Probes(
        x=known.x.reshape(-1, len(task.states)),
        u=known.u.reshape(-1, len(task.controls)),
        x0=known.x[:, 0],
        controls=Controls(times.shown, known.controls),
        proteins=tuple(task.info.controls.index(name) for name in world.proteins),
        horizon=task.horizon,
        product=task.info.states.index(task.final_product),
    )
    reality = Reality(dx=known.dx.reshape(-1, len(task.states)), response=known.response)
    return Known(kinetics.Revealed(world, known.pools), probes, reality)
