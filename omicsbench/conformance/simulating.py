"""Checks of what ``simulate`` returns, and at which times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from omicsbench.conformance import pathway
from omicsbench.conformance.bench import Bench, digest
from omicsbench.conformance.contract import Broken, check
from omicsbench.model import Simulation, Status
from omicsbench.trajectory import Array, Controls

BATCH = 1e-3
"""Of a state's scale: error control that looks at the whole batch may do this much."""
SOLVER = 1e-2
"""Of a state's scale: what a solver may leave when its steps fall otherwise."""
ENORMOUS = 1e12


def _said(bench: Bench) -> Simulation:
    return bench.model.simulate(bench.x0.copy(), bench.t.copy(), bench.controls)


def _fields(said: Simulation) -> Iterator[tuple[str, Any]]:
    for name in ("x", "status", "nfe", "samples"):
        value = getattr(said, name)
        if value is not None:
            yield name, value


@check(
    "shapes",
    "a Simulation: x (B, T, S), status (B,), nfe (B,) or None, samples (N, B, T, S) or None",
    "simulation",
    ["fit"],
)
def shapes(bench: Bench) -> str:
    bench.ask()
    wanted: dict[str, tuple[int, ...]] = {"x": (len(bench.x0), bench.t.size, bench.x0.shape[1])}
    wanted |= {"status": wanted["x"][:1], "nfe": wanted["x"][:1]}
    for name, value in _fields(_said(bench)):
        shape = np.shape(value)
        if name == "samples":
            shape, name = shape[1:], "samples, without the draws,"
        if shape != wanted.get(name, wanted["x"]):
            raise Broken(f"{name} has shape {shape}, asked for {wanted.get(name, wanted['x'])}")
    return ""


@check("dtypes", "x and samples float64, status and nfe integers", "simulation", ["shapes"])
def dtypes(bench: Bench) -> str:
    for name, value in _fields(_said(bench)):
        kind = np.asarray(value).dtype
        good = kind == np.float64 if name in ("x", "samples") else np.issubdtype(kind, np.integer)
        if not good:
            raise Broken(f"{name} is {kind}")
    return ""


@check("host-arrays", "every array of a Simulation is a numpy array on the host", "simulation", ["shapes"])
def host_arrays(bench: Bench) -> str:
    for name, value in _fields(_said(bench)):
        if not isinstance(value, np.ndarray):
            raise Broken(f"{name} is a {type(value).__module__}.{type(value).__name__}")
    return ""


@check("start", "x at t[0] is exactly x(0), also outside what training saw", "start", ["shapes"])
def start(bench: Bench) -> str:
    for factor in (1.0, 1 / 3, 10.0):
        x0 = bench.x0 * factor
        said = bench.ask(x0).x[:, 0]
        if not np.array_equal(said, x0):
            strain, state = (int(n) for n in np.argwhere(said != x0)[0])
            raise Broken(f"x at t[0] is {said[strain, state]!r} where x(0) is {x0[strain, state]!r}")
    return ""


@check("inputs", "neither fit nor simulate changes what it is given", "inputs", ["shapes"])
def inputs(bench: Bench) -> str:
    train = pathway.strains()
    given, before = list(train), pathway.arrays(train)
    model = bench.make()
    model.fit(given, bench.info, lambda step, of, loss=None: None)
    if len(given) != len(train) or any(a is not b for a, b in zip(given, train, strict=True)):
        raise Broken("fit changed the list of training strains")
    for before_it, after in zip(before, pathway.arrays(train), strict=True):
        if not np.array_equal(before_it, after, equal_nan=True):
            raise Broken("fit changed an array of a training strain")
    x0, t, controls = bench.x0.copy(), bench.t.copy(), Controls(bench.controls.t, bench.controls.u)
    for name in ("t", "u"):
        object.__setattr__(controls, name, getattr(controls, name).copy())
    with np.errstate(all="ignore"):
        model.simulate(x0, t, controls)
    after_simulate: list[tuple[str, Array, Array]] = [
        ("x0", x0, bench.x0),
        ("t", t, bench.t),
        ("controls.t", controls.t, bench.controls.t),
        ("controls.u", controls.u, bench.controls.u),
    ]
    for name, after, wanted in after_simulate:
        if not np.array_equal(after, wanted):
            raise Broken(f"simulate changed {name}")
    return ""


@check("repeats", "simulate gives the same bits whenever it is asked the same", "determinism", ["shapes"])
def repeats(bench: Bench) -> str:
    kept = digest(bench.ask())
    returned = bench.model.simulate(bench.x0.copy(), bench.t.copy(), bench.controls).x
    if isinstance(returned, np.ndarray) and returned.flags.writeable:
        x = returned.copy()
        returned[...] = -1.0  # what was handed out belongs to the caller
        spoilt = digest(bench.ask()) != kept
        returned[...] = x
        if spoilt:
            raise Broken("writing into a returned array changes what the next call gives")
    bench.ask(bench.x0[:1] * 2, [0.0, 7.0], bench.controls[:1])
    if digest(bench.ask()) != kept:
        raise Broken("the same call gives other bits after another one")
    return ""


@check("batch", f"a batch gives each strain what it gets alone, to {BATCH:g} of the state's scale", "batch", ["shapes"])
def batch(bench: Bench) -> str:
    together = bench.ask()
    alone = [bench.ask(*_moved(bench, row)) for row in range(len(bench.x0))]
    one_by_one = Simulation(np.concatenate([s.x for s in alone]), np.concatenate([s.status for s in alone]))
    worst = bench.compare(together, one_by_one, BATCH, "in a batch of four")
    return f"largest difference {worst:.1g}"


def _moved(bench: Bench, row: int) -> tuple[Array, Array, Controls]:
    x0, controls = bench.rows(row)
    return x0, bench.t, controls


@check("one-time", "a time grid of one point returns x(0) alone", "times", ["shapes"])
def one_time(bench: Bench) -> str:
    for time in (0.0, 13.0):
        said = bench.ask(t=[time])
        if not np.array_equal(said.x[:, 0], bench.x0):
            raise Broken(f"at t = [{time:g}] x is not x(0)")
        if (said.status != Status.OK).any():
            raise Broken(f"at t = [{time:g}] the status is not OK")
    return ""


@check(
    "uneven-times",
    f"x at a time does not hang on which other times are asked for, to {SOLVER:g} of the state's scale",
    "times",
    ["shapes"],
)
def uneven_times(bench: Bench) -> str:
    few = np.array([0.0, 0.7, 11.3, 12.0, 31.9, 46.0])
    many = np.unique(np.concatenate([few, np.linspace(0.0, 46.0, 185)]))
    dense = bench.ask(t=many)
    kept = Simulation(dense.x[:, np.searchsorted(many, few)], dense.status)
    worst = bench.compare(bench.ask(t=few), kept, SOLVER, "asked at six uneven times instead of many")
    return f"largest difference {worst:.1g}"


@check("times-outside", "times beyond the horizon and between those of training are predicted", "times", ["shapes"])
def times_outside(bench: Bench) -> str:
    beyond = bench.info.horizon * np.array([1.25, 1.5])
    said = bench.ask(t=np.array([0.0, 1.7, 25.5, *beyond]))
    _consistent(said)
    within = bench.ask()
    if (within.status == Status.OK).any() and np.isnan(said.x[:, -beyond.size :]).all():
        raise Broken("beyond the horizon every strain is NaN")
    return ""


@check(
    "late-start",
    f"x(0) is the state at t[0], also where t[0] > 0: going on from a state of a trajectory follows it, to {SOLVER:g}",
    "times",
    ["shapes"],
)
def late_start(bench: Bench) -> str:
    whole = bench.ask()
    late = bench.t[3:]
    middle = np.nan_to_num(whole.x[:, 3])
    onward = bench.ask(x0=middle, t=late)
    if not np.array_equal(onward.x[:, 0], middle):
        raise Broken(f"with t[0] = {late[0]:g} h x at t[0] is not x(0)")
    if bench.model.field(bench.x0, bench.controls.u[:, 0]) is None:
        return "only the start was looked at: the model has no field"
    ok = whole.status == Status.OK
    rest = Simulation(whole.x[ok, 3:], whole.status[ok])
    worst = bench.compare(
        Simulation(onward.x[ok], onward.status[ok]), rest, SOLVER, f"going on from the state at {late[0]:g} h"
    )
    return f"largest difference {worst:.1g}"


@check(
    "divergence",
    "x(0) and controls of 1e12 give a Simulation: finite x with status OK, or NaN to the end with DIVERGED; no clip",
    "divergence",
    ["shapes"],
)
def divergence(bench: Bench) -> str:
    huge = np.full_like(bench.x0, ENORMOUS)
    wild = Controls(bench.controls.t, bench.controls.u * ENORMOUS)
    for x0, controls in ((huge, bench.controls), (bench.x0, wild), (huge, wild), (-huge, wild)):
        said = bench.ask(x0, None, controls)
        _consistent(said)
        if not np.array_equal(said.x[:, 0], x0):
            raise Broken("x at t[0] is not x(0): it was clipped or lost")
    return ""


@check("zeros", "x(0) and controls of zero give a Simulation", "divergence", ["shapes"])
def zeros(bench: Bench) -> str:
    nothing = Controls(bench.controls.t, np.zeros_like(bench.controls.u))
    said = bench.ask(np.zeros_like(bench.x0), None, nothing)
    _consistent(said)
    if np.isnan(said.x[:, 1:]).all() and not np.isnan(bench.ask().x).any():
        raise Broken("from zero every strain is lost at once: a logarithm or a quotient of zero?")
    return ""


@check(
    "diverging-neighbour",
    f"a strain that diverges leaves the others of its batch as they are alone, to {BATCH:g} of the state's scale",
    "batch",
    ["shapes", "divergence"],
)
def diverging_neighbour(bench: Bench) -> str:
    x0, controls = bench.rows(0, 1)
    alone = bench.ask(x0[:1], None, controls[:1])
    mixed_x0 = np.stack([x0[0], np.full(x0.shape[1], ENORMOUS)])
    mixed = bench.ask(mixed_x0, None, Controls(controls.t, np.stack([controls.u[0], controls.u[1] * ENORMOUS])))
    bench.compare(Simulation(mixed.x[:1], mixed.status[:1]), alone, BATCH, "beside a strain at 1e12")
    return ""


def _consistent(said: Simulation) -> None:
    """Status and x say the same, as ``Simulation`` promises."""
    if not set(np.unique(said.status).tolist()) <= {int(status) for status in Status}:
        raise Broken(f"status {said.status.tolist()} holds what is no Status")
    if np.isinf(said.x).any():
        raise Broken("x is infinite; put NaN from there on")
    for strain, (x, status) in enumerate(zip(said.x, said.status, strict=True)):
        lost = np.isnan(x).any(axis=1)
        if status == Status.OK and lost.any():
            raise Broken(f"strain {strain} has NaN and status OK; report Status.DIVERGED")
        if status == Status.DIVERGED and not lost.any():
            raise Broken(f"strain {strain} has status DIVERGED and no NaN; put NaN from where it diverged")
        if lost.any() and not np.isnan(x[np.argmax(lost) :]).any(axis=1).all():
            raise Broken(f"strain {strain} is finite again after NaN")


@check(
    "status",
    "status is a Status; x is finite where it is OK and NaN to the end where it is DIVERGED",
    "divergence",
    ["shapes"],
)
def status(bench: Bench) -> str:
    _consistent(bench.ask())
    return ""
