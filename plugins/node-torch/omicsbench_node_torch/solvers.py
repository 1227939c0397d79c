"""Two ways through the field: RK4 on fixed warped knots, the fast one, and torchdiffeq's dopri5 with error control.

Shapes: ``M`` members, ``N`` strains, ``S`` states, ``J`` knots, ``T`` times. Times are hours since the strain's start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchdiffeq import odeint

from omicsbench import Array
from omicsbench_node_torch.network import Inputs, Network, Rate

KNOTS = 36
WARP = 1.5
TRUSTED = 1e-2
"""Estimated error of RK4, relative to a state's largest value, beyond which a strain is solved with error control."""
UNSEEN = 0.02
"""The same for what ``unseen`` gives; on the measured tasks it is below 0.005."""
MAX_STEPS = 5000
"""Steps of dopri5 after which a strain counts as diverged; a smooth field takes some tens."""


def warped_knots(horizon: float, span: float) -> Array:
    """The times horizon · (j / 36)^1.5 up to the first that reaches ``span``: (J,), J >= 2.

    A culture's states move fast after its start and slowly later. A knot does not depend on ``span``, so
    that a longer simulation begins like a shorter one.
    """
    steps = max(1, math.ceil(KNOTS * (span / horizon) ** (1.0 / WARP) - 1e-9))
    return horizon * (np.arange(steps + 1) / KNOTS) ** WARP


def stage_times(knots: Array) -> Array:
    """Where RK4 evaluates the field: the knots and the middles between them, (2 J - 1,)."""
    times = np.empty(2 * knots.size - 1)
    times[::2], times[1::2] = knots, (knots[:-1] + knots[1:]) / 2.0
    return times


def hermite(knots: Array, t: Array) -> tuple[NDArray[np.int64], Array]:
    """The cubic Hermite interpolant at ``t`` (T,): the knot on the left (T,) and weights (4, T).

    The weights are of the values at that knot and the next, then of the slopes there.
    """
    left = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, knots.size - 2)
    step = knots[left + 1] - knots[left]
    s = (t - knots[left]) / step
    weights = [(1 + 2 * s) * (1 - s) ** 2, s**2 * (3 - 2 * s), step * s * (1 - s) ** 2, step * s**2 * (s - 1)]
    return left, np.stack(weights)


def rk4(
    rate: Rate, y: Tensor, drives: Sequence[Tensor], gates: Sequence[Tensor | None], steps: Array
) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
    """y and dy/dt at the knots, (M, J, N, S) each, from ``y`` (M, N, S) at the first; J - 1 last stages (M, N, S).

    ``drives`` and ``gates`` at the stage times; ``steps`` between the knots. Differentiable.
    """
    values, slopes, last_stages = [y], [rate(y, drives[0], gates[0])], []
    for j, h in enumerate(steps.tolist()):
        k1, middle, gate = slopes[-1], drives[2 * j + 1], gates[2 * j + 1]
        k2 = rate(torch.add(y, k1, alpha=h / 2), middle, gate)
        k3 = rate(torch.add(y, k2, alpha=h / 2), middle, gate)
        k4 = rate(torch.add(y, k3, alpha=h), drives[2 * j + 2], gates[2 * j + 2])
        y = torch.add(y, torch.add(k1 + k4, k2 + k3, alpha=2.0), alpha=h / 6)
        values.append(y)
        slopes.append(rate(y, drives[2 * j + 2], gates[2 * j + 2]))
        last_stages.append(k4)
    return torch.stack(values, dim=1), torch.stack(slopes, dim=1), last_stages


def estimated_error(y: Tensor, dy: Tensor, last_stages: Sequence[Tensor], steps: Array) -> Tensor:
    """Of what ``rk4`` gave in ``steps`` (J - 1,) hours: (M, N), relative to each state's largest value, the worst.

    The sum over steps of h / 6 |k4 - slope at the end|: what a step differs from one of third order that has that
    slope in the place of k4. Infinite where ``y`` (M, J, N, S) is not finite.
    """
    h = torch.as_tensor(steps / 6, dtype=y.dtype, device=y.device)[:, None, None]
    error = (h * (torch.stack(tuple(last_stages), dim=1) - dy[:, 1:]).abs()).sum(1)
    size = y.abs().amax(1)
    worst = (error / size.clamp(min=torch.finfo(y.dtype).tiny)).amax(-1)
    return torch.where(size.isfinite().all(-1), worst, torch.inf)


def unseen(inputs: Inputs, z: Tensor, knots: Array) -> Tensor:
    """How far the inputs are, at the samples of u(t), from the parabola through a step's stages: (N,), the worst input.

    The mean over the time in SD; what RK4, which sees u(t) at its stages only, cannot know of. ``z`` (2 J - 1, N, C)
    at the stage times of ``knots`` (J,).
    """
    inside = (inputs.knots > 0) & (inputs.knots < knots[-1])
    t = inputs.knots[inside]
    left = np.searchsorted(knots, t, side="right") - 1
    step = np.diff(knots)[left]
    s = (t - knots[left]) / step
    gaps = np.diff(t, prepend=0.0, append=knots[-1])
    share = np.minimum(gaps[1:] + gaps[:-1], step) / 2 / knots[-1]
    weights = np.stack([(1 - s) * (1 - 2 * s), 4 * s * (1 - s), s * (2 * s - 1), share])
    a, b, c, w = torch.as_tensor(weights, dtype=z.dtype, device=z.device)[:, :, None, None]
    parabola = a * z[2 * left] + b * z[2 * left + 1] + c * z[2 * left + 2]
    return (w * (inputs.transformed(inputs.u[inside]) - parabola).abs()).sum(0).amax(-1)


def simulate_rk4(network: Network, inputs: Inputs, y0: Tensor, t: Array, horizon: float) -> tuple[Tensor, int, Tensor]:
    """y (M, N, T, S) at times ``t`` (T,), t[0] = 0, the evaluations of the field, and the estimated errors (M, N).

    Infinite where the solution is not finite or u(t) does what the steps cannot see.
    """
    knots = warped_knots(horizon, float(t[-1]))
    z, gates = inputs.at(stage_times(knots))
    drives = network.drive(z).unbind(1)
    y, dy, last_stages = rk4(network.rate(y0.shape[-1]), y0, drives, gates_at(gates, len(z)), np.diff(knots))
    left, weights = hermite(knots, t)
    w = torch.as_tensor(weights, dtype=y0.dtype, device=y0.device)[:, :, None, None]
    read = y[:, left] * w[0] + y[:, left + 1] * w[1] + dy[:, left] * w[2] + dy[:, left + 1] * w[3]
    error = estimated_error(y, dy, last_stages, np.diff(knots))
    error = torch.where(unseen(inputs, z, knots) > UNSEEN, torch.inf, error)
    return read.transpose(1, 2), 4 * (knots.size - 1) + 1, error


def gates_at(gates: Tensor | None, times: int) -> Sequence[Tensor | None]:
    """One gate a time, None where there is none."""
    return [None] * times if gates is None else gates.unbind(0)


class GaveUp(Exception):
    """The solver stopped at ``reached`` hours."""

    def __init__(self, reached: float) -> None:
        super().__init__(f"gave up at {reached} h")
        self.reached = reached


class _Field:
    """dy/dt as torchdiffeq calls it, with its callbacks: counts evaluations and steps, remembers how far it came."""

    def __init__(self, network: Network, inputs: Inputs, states: int) -> None:
        self.network, self.inputs, self.rate = network, inputs, network.rate(states)
        self.evaluations, self.steps, self.reached = 0, 0, 0.0

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        self.evaluations += 1
        z, gate = self.inputs.at(t.item())
        return self.rate(y, self.network.drive(z), gate)

    def callback_step(self, t: Tensor, y: Tensor, step: Tensor) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise GaveUp(self.reached)

    def callback_accept_step(self, t: Tensor, y: Tensor, step: Tensor) -> None:
        self.reached = float(t + step)


def simulate_dopri5(
    network: Network, inputs: Inputs, y0: Tensor, t: Array, rtol: float, atol: float
) -> tuple[Tensor, int]:
    """y (M, N, T, S) at times ``t`` (T,), t[0] = 0, and the evaluations of the field that a strain took.

    The strains and members of a batch share their steps. The norm of the error is the largest over them of the
    root mean square over states, so every one is at least as accurate as it is alone. Raises ``GaveUp``.
    """
    field = _Field(network, inputs, y0.shape[-1])
    options: dict[str, Any] = {"norm": lambda error: error.square().mean(-1).sqrt().max()}
    kinks = inputs.kinks()
    if len(kinks) <= KNOTS:
        # Steps that end where u(t) has kinks are accurate. Denser kinks are slighter and left to error control.
        options["step_t"] = torch.as_tensor(kinks, device=y0.device)
    times = torch.as_tensor(t, device=y0.device)
    try:
        y = odeint(field, y0, times, rtol=rtol, atol=atol, method="dopri5", options=options)
    except AssertionError as error:  # torchdiffeq's word for a step size of zero and for values that are not finite
        raise GaveUp(field.reached) from error
    return y.permute(1, 2, 0, 3), field.evaluations
