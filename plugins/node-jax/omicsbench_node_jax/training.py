"""Fitting the weights: what is fitted to, the loss, and the training loop compiled as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from omicsbench.preprocessing import interpolate, interpolate_states
from omicsbench.trajectory import Array, Controls, Trajectory
from omicsbench_node_jax.field import Field
from omicsbench_node_jax.integrate import Solver, adaptive, hermite, rk4, warped_knots
from omicsbench_node_jax.network import Weights, bounded, vmap_many


class Targets(NamedTuple):
    """Values (B, T, S) at times (B, T), and weights (B, T, S) that sum to one, zero where there is no value."""

    t: Array
    y: Array
    weight: Array


class Strains(NamedTuple):
    """The training strains in units of the states' SD. Knots (B, KNOTS + 1) span each strain's own times."""

    y0: Array
    measured: Targets
    interpolated: Targets
    control_t: Array
    u: Array
    fastest_rise: Array
    """(): the fastest rise per hour of the sum over states between knots of the interpolated series."""


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

    controls: Array
    """(CHUNK, N, B, C)"""
    states: Array
    """(CHUNK, N, B, S)"""


def prepare(train: Sequence[Trajectory], sd: Array) -> Strains:
    """Arrays of one shape from ragged strains: measured points padded, interpolation on the knots of each.

    A state that was not measured at the first time starts from its first measurement, one never measured in a
    strain from the mean start of the others. Raises ``ValueError`` where no strain has two times.
    """
    train = [strain for strain in train if strain.t.size > 1]
    if not train:
        raise ValueError("node-jax: no training strain has more than one time")
    y = [strain.x / sd for strain in train]
    knots = np.stack([warped_knots(strain.t[0], strain.t[-1] - strain.t[0]) for strain in train])
    longest = max(strain.t.size for strain in train)
    times = np.stack([np.pad(strain.t, (0, longest - strain.t.size), mode="edge") for strain in train])
    points = np.stack([np.pad(a, ((0, longest - len(a)), (0, 0)), constant_values=np.nan) for a in y])
    series = [
        np.stack([_between(strain.t, column, at) for column in a.T], axis=1)
        for strain, a, at in zip(train, y, knots, strict=True)
    ]
    start = np.stack(
        [[interpolate(strain.t, column, strain.t[:1])[0] for column in a.T] for strain, a in zip(train, y, strict=True)]
    )
    seen = ~np.isnan(start)
    mean = np.where(seen, start, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    held = np.stack([interpolate_states(strain, at) / sd for strain, at in zip(train, knots, strict=True)])
    rise = np.diff(np.nansum(held, axis=2), axis=1) / np.diff(knots, axis=1)
    controls = Controls.stack([strain.controls for strain in train])
    return Strains(
        y0=np.where(seen, start, mean),
        measured=_targets(times, points),
        interpolated=_targets(knots, np.stack(series)),
        control_t=controls.t,
        u=controls.u,
        fastest_rise=rise.max(),
    )


def _between(t: Array, series: Array, at: Array) -> Array:
    """``series`` (T,) interpolated at times ``at``, NaN before its first and after its last measurement."""
    seen = t[~np.isnan(series)]
    if not seen.size:
        return np.full(at.shape, np.nan)
    return np.where((at >= seen[0]) & (at <= seen[-1]), interpolate(t, series, at), np.nan)


def _targets(t: Array, y: Array) -> Targets:
    """All but the first time, which the model is given."""
    seen = ~np.isnan(y)
    seen[:, 0] = False
    return Targets(t, np.where(seen, y, 0.0), seen / max(seen.sum(), 1))


def loss(
    weights: Weights,
    noise: Noise,
    strains: Strains,
    constants: dict[str, jax.Array],
    settings: Settings,
    kind: str,
    solver: Solver,
) -> jax.Array:
    """Mean squared error of y plus penalties, under one draw of ``noise`` for each strain.

    No gate: it is 1 on the controls that it was fitted on.
    """
    effective = bounded(weights, settings.lipschitz, jnp)

    def one(y0: jax.Array, u: jax.Array, noise: jax.Array, knots: jax.Array, t: jax.Array) -> tuple[jax.Array, ...]:
        """y and dy/dt at the knots, y at the measured times."""
        field = Field(effective, strains.control_t, u, constants, noise, kind=kind)
        if solver.name != "kvaerno5":
            # RK4 on the knots also where Tsit5 will simulate: a third of the time, the same trajectories.
            y, slope = rk4(field, y0, knots)
            return y, slope, hermite(knots, y, slope, t)
        saveat = diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=knots), diffrax.SubSaveAt(ts=t)])
        y, at_measured = adaptive(field, y0, saveat, knots[0], knots[-1], solver).ys
        return y, jax.vmap(field)(knots, y), at_measured

    y, slope, at_measured = jax.vmap(one)(
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
    return State(weights, optax.scale_by_adam().init(ravel_pytree(weights)[0]))


@partial(jax.jit, static_argnames=("kind", "solver"))
def advance(
    state: State,
    first: int,
    last: int,
    noise: Noise,
    strains: Strains,
    constants: dict[str, jax.Array],
    settings: Settings,
    *,
    kind: str,
    solver: Solver,
) -> tuple[State, jax.Array]:
    """Training steps ``first`` to ``last`` of every member: the new state, and each member's loss at the last step.

    Adam with a cosine decay of the rate to zero. A step whose gradient is not finite (the trajectory blew up under
    its noise) is left out.
    """
    adam = optax.scale_by_adam()

    def one_step(state: State, noise: Noise, rate: jax.Array) -> tuple[State, jax.Array]:
        flat, unravel = ravel_pytree(state.weights)
        value, gradient = jax.value_and_grad(loss)(state.weights, noise, strains, constants, settings, kind, solver)
        gradient, _ = ravel_pytree(gradient)
        change, moments = adam.update(gradient, state.adam)
        moved = State(unravel(flat - rate * change), moments)
        finite = jnp.isfinite(gradient).all()
        return jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state), value

    def all_members(step: jax.Array, carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        drawn = jax.tree.map(lambda draws: draws[step - first], noise)
        rate = settings.learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * step / settings.steps))
        return vmap_many(one_step, (0, 0, None))(carry[0], drawn, rate)

    losses = jnp.zeros(noise.states.shape[1])
    with jax.default_matmul_precision("highest"):
        return jax.lax.fori_loop(first, last, all_members, (state, losses))
