"""Trajectories of a field: by RK4 on fixed warped knots, or by diffrax with error control."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import Any, Literal

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from omicsbench.trajectory import Array
from omicsbench_node_jax.batching import over_rows
from omicsbench_node_jax.field import Field
from omicsbench_node_jax.network import Weights

KNOTS = 36

TRUSTED = 1e-2
"""Estimated error of RK4, relative to a state's largest value, beyond which a strain is solved with error control."""

UNSEEN = 0.02
"""The same for what ``unseen`` gives; on the measured tasks it is below 0.005."""

MAX_STEPS = 4096
"""Where an adaptive solver gives up. Learned fields of these pathways take 20 to 200 steps."""


class Solver(eqx.Module):
    """How to integrate. ``rtol`` and ``atol`` (in units of y = x / SD) are of the solvers with error control."""

    name: Literal["rk4", "tsit5", "kvaerno5"] = eqx.field(static=True)
    rtol: float
    atol: float

    @property
    def stiff(self) -> bool:
        """Kvaerno5 wants two things more of JAX. Float64: in float32 the rounding of a field with rates of 1 000 1/h
        already exceeds the tolerance, and no step is accepted. And one strain after another: under ``jax.vmap`` a
        rejected step (diffrax 0.7) can spoil a strain for good, so that a batch fails where each alone succeeds.
        """
        return self.name == "kvaerno5"

    @property
    def precision(self) -> type[np.floating[Any]]:
        return np.float64 if self.stiff else np.float32


def warped_knots(horizon: float, span: float) -> Array:
    """Hours horizon (j / KNOTS)^1.5 up to the first that reaches ``span``: (J,), dense where the states move fastest.

    A knot does not depend on ``span``, so that a longer simulation begins like a shorter one.
    """
    steps = max(1, ceil(KNOTS * (span / horizon) ** (1 / 1.5) - 1e-9))
    return np.asarray(horizon * (np.arange(steps + 1) / KNOTS) ** 1.5, dtype=np.float64)


def rk4(field: Field, y0: jax.Array, knots: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States and slopes (J, S) at ``knots`` (J,) by the classical Runge-Kutta method, one step an interval.

    And an estimate of the error (), relative to each state's largest value, of the worst state: the sum over steps of
    h / 6 |k4 - slope at the end|, what a step differs from one of third order that has that slope in the place of k4.
    Infinite where the states are not finite.
    """
    z, gate = jax.vmap(jax.vmap(field.inputs))(jnp.stack([knots[:-1], (knots[:-1] + knots[1:]) / 2, knots[1:]], axis=1))

    def step(y: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        h, z, gate = at
        k1 = field.rate(y, z[0], gate[0])
        k2 = field.rate(y + h / 2 * k1, z[1], gate[1])
        k3 = field.rate(y + h / 2 * k2, z[1], gate[1])
        k4 = field.rate(y + h * k3, z[2], gate[2])
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), (y, k1, k4)

    steps = jnp.diff(knots)
    last, (y, slope, k4) = jax.lax.scan(step, y0, (steps, z, gate))
    last_slope = field.rate(last, z[-1, 2], gate[-1, 2])
    y, slope = jnp.concatenate([y, last[None]]), jnp.concatenate([slope, last_slope[None]])
    error = (steps[:, None] / 6 * jnp.abs(k4 - slope[1:])).sum(axis=0)
    size = jnp.abs(y).max(axis=0)
    worst = (error / jnp.maximum(size, jnp.finfo(y.dtype).tiny)).max()
    return y, slope, jnp.where(jnp.isfinite(size).all(), worst, jnp.inf)


def unseen(field: Field, knots: jax.Array) -> jax.Array:
    """How far the inputs are, at the samples of u(t), from the parabola through a step's stages: (), the worst input.

    The mean over the time in SD; what RK4, which sees u(t) at its stages only, cannot know of.
    """
    t = jnp.clip(field.t, 0.0, knots[-1])
    right = jnp.clip(jnp.searchsorted(knots, t, side="right", method="compare_all"), 1, knots.size - 1)
    begin, end = knots[right - 1], knots[right]
    s = ((t - begin) / (end - begin))[:, None]
    z, z_begin, z_middle, z_end = (
        jax.vmap(lambda time: field.inputs(time)[0])(times) for times in (t, begin, (begin + end) / 2, end)
    )
    parabola = (1 - s) * (1 - 2 * s) * z_begin + 4 * s * (1 - s) * z_middle + s * (2 * s - 1) * z_end
    gaps = jnp.diff(t, prepend=0.0, append=knots[-1])
    share = jnp.minimum(gaps[1:] + gaps[:-1], end - begin) / 2 / knots[-1]
    return (share[:, None] * jnp.abs(z - parabola)).sum(axis=0).max()


def hermite(knots: jax.Array, y: jax.Array, slope: jax.Array, t: jax.Array) -> jax.Array:
    """States (T, S) at times ``t`` (T,): the cubics through the states and slopes at ``knots``."""
    right = jnp.clip(jnp.searchsorted(knots, t, side="right", method="compare_all"), 1, knots.size - 1)
    left = right - 1
    h = (knots[right] - knots[left])[:, None]
    s = (t - knots[left])[:, None] / h
    at_left = (1 - s) ** 2 * ((1 + 2 * s) * y[left] + s * h * slope[left])
    at_right = s**2 * ((3 - 2 * s) * y[right] + (s - 1) * h * slope[right])
    return at_left + at_right


def adaptive(
    field: Field, y0: jax.Array, saveat: diffrax.SaveAt, start: jax.Array, stop: jax.Array, solver: Solver
) -> diffrax.Solution:
    """Solve with error control from ``start`` to ``stop``. Never raises: what was not reached is not finite.

    Steps end at the samples of the controls, where u(t) has its kinks: a tenth of the error for no more evaluations.
    Not where samples are denser than steps: there the kinks are slight, and error control sees to them.
    """
    controller = diffrax.PIDController(rtol=solver.rtol, atol=solver.atol)
    kinks = field.t if field.t.size <= KNOTS else None
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, field: field(t, y)),
        diffrax.Kvaerno5() if solver.stiff else diffrax.Tsit5(),
        start,
        stop,
        None,
        y0,
        field,
        saveat=saveat,
        stepsize_controller=diffrax.ClipStepSizeController(controller, step_ts=kinks),
        max_steps=MAX_STEPS,
        throw=False,
    )


@partial(jax.jit, static_argnames=("kind", "gated"))
def trajectories(
    weights: Weights,
    constants: dict[str, jax.Array],
    y0: jax.Array,
    t: jax.Array,
    knots: jax.Array | None,
    control_t: jax.Array,
    u: jax.Array,
    solver: Solver,
    *,
    kind: str,
    gated: bool,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States y (N, B, T, S) of N members, the steps that each solve took, and the estimated error of rk4, both (N, B).

    ``weights`` with members in front; ``y0`` (B, S); ``t`` (T,), T >= 2; ``knots`` (J,) that span ``t`` for rk4, None
    for a solver with error control; ``control_t`` (K,), ``u`` (B, K, C). What a solver did not reach is not finite. The
    error is infinite where u(t) does what the steps of rk4 cannot see, 0 for the other solvers.
    """

    def one(weights: Weights, y0: jax.Array, u: jax.Array) -> tuple[jax.Array, ...]:
        field = Field(weights, control_t, u, constants, kind=kind, gated=gated)
        if knots is not None:
            y, slope, error = rk4(field, y0, knots)
            error = jnp.where(unseen(field, knots) > UNSEEN, jnp.inf, error)
            return hermite(knots, y, slope, t), jnp.asarray(knots.size - 1), error
        solution = adaptive(field, y0, diffrax.SaveAt(ts=t), t[0], t[-1], solver)
        return solution.ys, solution.stats["num_steps"], jnp.zeros(())

    strains = over_rows(one, (False, True, True), solver.stiff)
    members = over_rows(strains, (True, False, False), solver.stiff)
    with jax.default_matmul_precision("highest"):
        return members(weights, y0, u)
