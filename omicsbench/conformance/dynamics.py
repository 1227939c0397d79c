"""Checks of how a model uses u(t), and of its own field."""

from __future__ import annotations

import numpy as np

from omicsbench.conformance import pathway
from omicsbench.conformance.bench import Bench
from omicsbench.conformance.contract import Broken, check
from omicsbench.conformance.simulating import SOLVER
from omicsbench.model import Simulation, Status
from omicsbench.trajectory import Controls

FIELD = 2e-2
FINE = 1500
"""Points over the horizon on which a field is integrated by the trapezoidal rule."""


def _zigzag(samples: int, until: float) -> Controls:
    """Controls of the training strains that swing between their lowest and highest values."""
    u = pathway.controls().u
    high = np.arange(samples) % 2 == 1
    swing = np.where(high[None, :, None], u.max(axis=1)[:, None], u.min(axis=1)[:, None])
    return Controls(np.linspace(0.0, until, samples), swing)


def _ask(bench: Bench, controls: Controls) -> Simulation:
    return bench.ask(pathway.X0, np.linspace(0.0, bench.info.horizon, 13), controls)


@check(
    "controls-between",
    f"u(t) is linear between samples: the same function on a finer grid gives the same x, to {SOLVER:g} of its scale",
    "controls",
    ["shapes"],
)
def controls_between(bench: Bench) -> str:
    coarse = _zigzag(5, bench.info.horizon)
    t = np.unique(np.concatenate([coarse.t, np.linspace(0.0, bench.info.horizon, 97)]))
    fine = Controls(t, coarse.at(t))
    worst = bench.compare(_ask(bench, coarse), _ask(bench, fine), SOLVER, "5 samples instead of 97")
    return f"largest difference {worst:.1g}"


@check(
    "controls-ends",
    f"u(t) is held before its first and after its last sample, to {SOLVER:g} of the state's scale",
    "controls",
    ["shapes"],
)
def controls_ends(bench: Bench) -> str:
    middle = _zigzag(4, bench.info.horizon / 2)
    short = Controls(middle.t + 4.0, middle.u)
    t = np.concatenate([[0.0], short.t, [bench.info.horizon]])
    extended = Controls(t, short.at(t))
    worst = bench.compare(_ask(bench, short), _ask(bench, extended), SOLVER, "samples end before the horizon")
    return f"largest difference {worst:.1g}"


@check(
    "field",
    f"field(x, u) is the dx/dt (N, S) whose integral is the trajectory, to {FIELD:g} of the state's scale; or None",
    "field",
    ["shapes"],
)
def field(bench: Bench) -> str:
    x0, controls = bench.rows(0)
    t = np.unique(np.concatenate([controls.t, bench.info.horizon * np.linspace(0.0, 1.0, FINE) ** 2]))
    said = bench.ask(x0, t, controls)
    x, u = np.nan_to_num(said.x[0]), controls.at(t)[0]
    with np.errstate(all="ignore"):
        slopes = bench.model.field(x, u)
    if slopes is None:
        return "the model has no field of its own"
    if not isinstance(slopes, np.ndarray) or slopes.shape != x.shape:
        raise Broken(f"field returned {type(slopes).__name__} of shape {np.shape(slopes)}, asked for {x.shape}")
    if said.status[0] != Status.OK:
        return "the trajectory diverges; its field was looked at for shape only"
    if not np.isfinite(slopes).all():
        raise Broken("field is not finite along a trajectory that is")
    # The integral, not the difference quotient: what a solver leaves behind is not divided by a small step.
    steps = np.diff(t)[:, None] * (slopes[1:] + slopes[:-1]) / 2
    integral = Simulation((x[0] + np.concatenate([np.zeros_like(x[:1]), steps.cumsum(axis=0)]))[None], said.status)
    worst = bench.compare(said, integral, FIELD, "x against the integral of field")
    return f"largest difference {worst:.1g}"
