"""Training through the solver: all strains and all members in one batch, discretise then optimise.

Shapes: ``M`` members, ``N`` strains, ``S`` states, ``C`` controls, ``J`` knots, ``R`` times that are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from omicsbench import Array, Progress, Trajectory
from omicsbench.preprocessing import ControlTransform, interpolate_states, noise_share
from omicsbench_node_torch.adjoint import solve
from omicsbench_node_torch.network import Inputs, Network
from omicsbench_node_torch.solvers import KNOTS, hermite, stage_times, warped_knots

PRECISION = torch.float32


@dataclass(frozen=True)
class Recipe:
    """The parameters of training, as ``NodeTorch`` takes them."""

    steps: int
    learning_rate: float
    weight_decay: float
    control_noise: float
    x0_noise: float
    interpolated_weight: float
    lipschitz: float | None
    negativity_penalty: float
    mass_penalty: float


@dataclass(frozen=True)
class Lesson:
    """The training strains in units of SD: where each starts, what drives it, what it should pass through.

    ``y0`` (N, S); ``z`` (2 J - 1, N, C) at the stage times; ``steps`` (J - 1,); ``value`` and ``slope`` (N, R, J) read
    the trajectory; ``target`` and ``weight`` (N, R, S), weight 0 where there is none; ``rise`` the fastest rise of
    the summed states, per hour.
    """

    y0: Tensor
    z: Tensor
    steps: Array
    value: Tensor
    slope: Tensor
    target: Tensor
    weight: Tensor
    rise: float


def prepare(
    train: Sequence[Trajectory],
    scale: Array,
    transform: ControlTransform,
    horizon: float,
    interpolated_weight: float,
    device: str,
) -> Lesson:
    """Targets: the measured points, all together of weight 1, and the interpolated ones, of ``interpolated_weight``."""
    knots = warped_knots(horizon, max(horizon - min(strain.t[0] for strain in train), horizon / KNOTS))
    measured = [(strain.t[1:], strain.x[1:] / scale) for strain in train]
    even = [_interpolated(strain, scale) for strain in train]
    parts = []
    for points, total in ((measured, 1.0), (even, interpolated_weight)):
        count = sum(int(np.isfinite(y).sum()) for _, y in points)
        parts.append((points, total / max(count, 1)))
    rows = max(len(t) + len(grid) for (t, _), (grid, _) in zip(measured, even, strict=True))
    states = scale.size
    value, slope = np.zeros((2, len(train), rows, knots.size))
    target, weight = np.zeros((2, len(train), rows, states))
    for n, strain in enumerate(train):
        t = np.concatenate([points[n][0] for points, _ in parts])
        y = np.concatenate([points[n][1] for points, _ in parts])
        share = np.concatenate([np.full(points[n][1].shape, each) for points, each in parts])
        left, weights = hermite(knots, t - strain.t[0])
        row = np.arange(t.size)
        value[n, row, left], value[n, row, left + 1], slope[n, row, left], slope[n, row, left + 1] = weights
        target[n, : t.size] = np.nan_to_num(y)
        weight[n, : t.size] = np.where(np.isfinite(y), share, 0.0)

    def tensor(array: Array) -> Tensor:
        return torch.tensor(array, dtype=PRECISION, device=device)

    y0 = tensor(_starts(train) / scale)
    inputs = [Inputs(strain.controls, transform, start=strain.t[0], gate=False, like=y0) for strain in train]
    return Lesson(
        y0=y0,
        z=torch.cat([each.at(stage_times(knots))[0] for each in inputs], dim=1),
        steps=np.diff(knots),
        value=tensor(value),
        slope=tensor(slope),
        target=tensor(target),
        weight=tensor(weight),
        rise=max(0.0, *(_fastest_rise(strain, scale) for strain in train)),
    )


def train_network(
    network: Network, lesson: Lesson, recipe: Recipe, random: torch.Generator, progress: Progress
) -> tuple[Network, float]:
    """Adam with cosine decay to 0. The network, bounded if the recipe says so, and its mean loss without noise."""
    device = lesson.y0.device
    network = network.leaf(PRECISION, device)
    parameters = [*network.matrices, *network.biases]
    optimiser = torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=max(recipe.steps, 1))

    def noise(size: float, *shape: int) -> Tensor:
        return (size * torch.randn(len(network), *shape, generator=random)).to(device)

    strains, states = lesson.y0.shape
    share = noise_share(strains)
    for step in range(recipe.steps):
        jitter = noise(share * recipe.control_noise, 1, strains, lesson.z.shape[-1])
        start = lesson.y0 + noise(share * recipe.x0_noise, strains, states)
        optimiser.zero_grad()
        losses = _losses(network, lesson, recipe, start, jitter)
        # The sum, so that a member is trained as it would be alone.
        losses.sum().backward()
        optimiser.step()
        decay.step()
        progress(step + 1, recipe.steps, losses.mean().item())
    with torch.no_grad():
        losses = _losses(network, lesson, recipe, lesson.y0.expand(len(network), -1, -1), None)
        return network.bounded(recipe.lipschitz), losses.mean().item()


def _losses(network: Network, lesson: Lesson, recipe: Recipe, start: Tensor, jitter: Tensor | None) -> Tensor:
    """One loss a member (M,), from y(0) = ``start`` (M, N, S) with ``jitter`` (M, 1, N, C) added to the inputs.

    No gate: it is 1 at the controls of training, which the noise only blurs.
    """
    bounded = network.bounded(recipe.lipschitz)
    drives = bounded.drive(lesson.z, jitter)
    y, dy = solve(bounded.rate(start.shape[-1]), start, drives, lesson.steps)
    read = lesson.value @ y.transpose(1, 2) + lesson.slope @ dy.transpose(1, 2)
    loss = ((read - lesson.target).square() * lesson.weight).sum((1, 2, 3))
    loss = loss + recipe.weight_decay * sum(matrix.square().sum((1, 2)) for matrix in network.matrices)
    if recipe.negativity_penalty:
        loss = loss + recipe.negativity_penalty * y.clamp(max=0.0).square().mean((1, 2, 3))
    if recipe.mass_penalty:
        rise = dy.sum(-1) - lesson.rise
        loss = loss + recipe.mass_penalty * rise.clamp(min=0.0).square().mean((1, 2))
    return loss


def _starts(train: Sequence[Trajectory]) -> Array:
    """x at each strain's first time (N, S), the first measured value; where a strain has none, the others' mean."""
    starts = np.stack([interpolate_states(strain, strain.t[:1])[0] for strain in train])
    seen = np.isfinite(starts)
    mean = np.where(seen, starts, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen, starts, mean)


def _interpolated(strain: Trajectory, scale: Array) -> tuple[Array, Array]:
    """Even times (36,) after the first (none where there is but one) and y (36, S); NaN after a state's last point."""
    grid = np.linspace(strain.t[0], strain.t[-1], KNOTS + 1 if strain.t.size > 1 else 1)[1:]
    y = interpolate_states(strain, grid) / scale
    for state, series in enumerate(strain.x.T):
        seen = strain.t[np.isfinite(series)]
        y[grid > (seen[-1] if seen.size else -np.inf), state] = np.nan
    return grid, y


def _fastest_rise(strain: Trajectory, scale: Array) -> float:
    """Of the summed y between consecutive times of the interpolated series, per hour; unmeasured states left out."""
    if strain.t.size == 1:
        return 0.0
    grid = np.linspace(strain.t[0], strain.t[-1], KNOTS + 1)
    total = np.nansum(interpolate_states(strain, grid) / scale, axis=1)
    return float((np.diff(total) / np.diff(grid)).max())
