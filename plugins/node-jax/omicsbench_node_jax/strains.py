"""What the weights are fitted to: ragged training strains with holes, as arrays of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from omicsbench.preprocessing import interpolate_states
from omicsbench.trajectory import Array, Controls, Trajectory
from omicsbench_node_jax.integrate import warped_knots

Values = Any
"""An array on the host or on the device."""


class Targets(NamedTuple):
    """Values y (B, T, S) at times t (B, T), and weights (B, T, S) that sum to one, zero where there is no value."""

    t: Values
    y: Values
    weight: Values


class Strains(NamedTuple):
    """The training strains, states in units of their SD: y(0) (B, S), targets, and controls u (B, K, C) at (K,).

    ``interpolated`` targets stand at warped knots over each strain's own times. ``fastest_rise`` (), per hour, is of
    the sum over states between knots of the interpolated series; a state never measured in a strain is left out.
    """

    y0: Values
    measured: Targets
    interpolated: Targets
    control_t: Values
    u: Values
    fastest_rise: Values


def prepare(train: Sequence[Trajectory], sd: Array) -> Strains:
    """The arrays of ``train``. Its first time is no target: it is given.

    A state that was not measured at the first time starts from its first measurement, one never measured in a
    strain from the mean start of the others. Raises ``ValueError`` where no strain has two times.
    """
    train = [strain for strain in train if strain.t.size > 1]
    if not train:
        raise ValueError("node-jax: no training strain has more than one time")
    knots = np.stack([_knots(strain) for strain in train])
    held = np.stack([interpolate_states(strain, at) / sd for strain, at in zip(train, knots, strict=True)])
    between = np.stack([_between_measurements(strain, at) for strain, at in zip(train, knots, strict=True)])
    start = held[:, 0]
    seen = ~np.isnan(start)
    mean = np.where(seen, start, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    rise = np.diff(np.nansum(held, axis=2), axis=1) / np.diff(knots, axis=1)

    missing = [max(strain.t.size for strain in train) - strain.t.size for strain in train]
    times = [np.pad(strain.t, (0, n), mode="edge") for strain, n in zip(train, missing, strict=True)]
    points = [
        np.pad(strain.x / sd, ((0, n), (0, 0)), constant_values=np.nan)
        for strain, n in zip(train, missing, strict=True)
    ]
    controls = Controls.stack([strain.controls for strain in train])
    return Strains(
        y0=np.where(seen, start, mean),
        measured=_targets(np.stack(times), np.stack(points)),
        interpolated=_targets(knots, np.where(between, held, np.nan)),
        control_t=controls.t,
        u=controls.u,
        fastest_rise=max(0.0, rise.max()),
    )


def _knots(strain: Trajectory) -> Array:
    span = float(strain.t[-1] - strain.t[0])
    return strain.t[0] + warped_knots(span, span)


def _between_measurements(strain: Trajectory, at: Array) -> Array:
    """(T, S): whether times ``at`` (T,) lie between the first and the last measurement of a state."""
    seen = ~np.isnan(strain.x)
    first = np.where(seen, strain.t[:, None], np.inf).min(axis=0)
    last = np.where(seen, strain.t[:, None], -np.inf).max(axis=0)
    return (at[:, None] >= first) & (at[:, None] <= last)


def _targets(t: Array, y: Array) -> Targets:
    seen = ~np.isnan(y)
    seen[:, 0] = False
    return Targets(t, np.where(seen, y, 0.0), seen / max(seen.sum(), 1))
