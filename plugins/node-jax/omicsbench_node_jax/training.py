"""The loss, and the training loop compiled as a whole."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from omicsbench_node_jax.batching import over_rows
from omicsbench_node_jax.field import Field
from omicsbench_node_jax.integrate import Solver, adaptive, hermite, rk4
from omicsbench_node_jax.network import Weights, bounded
from omicsbench_node_jax.strains import Strains, Targets, Values

CHUNK = 50
"""Training steps in one call, between two reports of progress."""


class Settings(NamedTuple):
    """The parameters that the compiled loop takes as numbers, so that changing one compiles nothing."""

    steps: int
    learning_rate: float
    weight_decay: float
    control_noise: float
    x0_noise: float
    interpolated_weight: float
    negativity_penalty: float
    mass_penalty: float
    lipschitz: float | None


class State(NamedTuple):
    """Where training stands. Members in front of all arrays."""

    weights: Weights
    adam: optax.OptState


class Noise(NamedTuple):
    """Standard normal draws of CHUNK training steps and N members, each for every strain: constant in time.

    Drawn on the host: compiled random numbers cost more to compile than the integration.
    """

    controls: Values
    """(CHUNK, N, B, C)"""
    states: Values
    """(CHUNK, N, B, S)"""


def loss(
    weights: Weights,
    noise: Noise,
    strains: Strains,
    constants: dict[str, jax.Array],
    settings: Settings,
    implicit: Solver | None,
    kind: str,
) -> jax.Array:
    """Mean squared error of y plus penalties, under one draw of ``noise`` for each strain.

    Integrated by RK4 on the knots (an adaptive solver takes up to twice the time and four times the compilation, and
    ends at the same weights), or by an ``implicit`` solver.
    No gate: it is 1 on the controls that it was fitted on.
    """
    effective = bounded(weights, settings.lipschitz, jnp)

    def one(y0: jax.Array, u: jax.Array, noise: jax.Array, knots: jax.Array, t: jax.Array) -> tuple[jax.Array, ...]:
        """y and dy/dt at the knots, y at the measured times."""
        field = Field(effective, strains.control_t, u, constants, noise, kind=kind)
        if implicit is None:
            y, slope, _ = rk4(field, y0, knots)
            return y, slope, hermite(knots, y, slope, t)
        saveat = diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=knots), diffrax.SubSaveAt(ts=t)])
        y, at_measured = adaptive(field, y0, saveat, knots[0], knots[-1], implicit).ys
        return y, jax.vmap(field)(knots, y), at_measured

    y, slope, at_measured = over_rows(one, (True,) * 5, implicit is not None)(
        strains.y0 + settings.x0_noise * noise.states,
        strains.u,
        settings.control_noise * noise.controls,
        strains.interpolated.t,
        strains.measured.t,
    )
    return (
        _error(at_measured, strains.measured)
        + settings.interpolated_weight * _error(y, strains.interpolated)
        + settings.weight_decay * sum(jnp.sum(w**2) for w, _ in weights)
        + settings.negativity_penalty * jnp.mean(jax.nn.relu(-y) ** 2)
        + settings.mass_penalty * jnp.mean(jax.nn.relu(slope.sum(axis=2) - strains.fastest_rise) ** 2)
    )


def _error(y: jax.Array, targets: Targets) -> jax.Array:
    return jnp.sum(targets.weight * (y - targets.y) ** 2)


def initial_state(weights: Weights) -> State:
    """The start of one member's training."""
    return State(weights, optax.scale_by_adam().init(ravel_pytree(weights)[0]))


@partial(jax.jit, static_argnames=("kind",))
def advance(
    state: State,
    first: int,
    last: int,
    noise: Noise,
    strains: Strains,
    constants: dict[str, jax.Array],
    settings: Settings,
    implicit: Solver | None,
    *,
    kind: str,
) -> tuple[State, jax.Array]:
    """Training steps ``first`` to ``last`` of every member: the new state, and each member's loss at the last step.

    Adam with a cosine decay of the rate to zero. A step whose gradient is not finite (the trajectory blew up under
    its noise) is left out.
    """
    adam = optax.scale_by_adam()

    def one_step(state: State, noise: Noise, rate: jax.Array) -> tuple[State, jax.Array]:
        flat, unravel = ravel_pytree(state.weights)
        value, gradient = jax.value_and_grad(loss)(state.weights, noise, strains, constants, settings, implicit, kind)
        gradient, _ = ravel_pytree(gradient)
        change, moments = adam.update(gradient, state.adam)
        moved = State(unravel(flat - rate * change), moments)
        finite = jnp.isfinite(gradient).all()
        return jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state), value

    def all_members(step: jax.Array, carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        drawn = jax.tree.map(lambda draws: draws[step - first], noise)
        rate = settings.learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * step / settings.steps))
        return over_rows(one_step, (True, True, False), implicit is not None)(carry[0], drawn, rate)

    losses = jnp.zeros(noise.states.shape[1])
    with jax.default_matmul_precision("highest"):
        return jax.lax.fori_loop(first, last, all_members, (state, losses))
