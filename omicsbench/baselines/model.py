"""The trivial baselines: what a model must beat to be worth having. They stand in every table.

None of them has a dx/dt; persistence's is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from omicsbench.model import Model, Progress, Simulation, Status, TaskInfo
from omicsbench.preprocessing import interpolate_states
from omicsbench.trajectory import Array, Controls, Trajectory


class Persistence(Model):
    """x(t) = x(0) for ever."""

    def __init__(self, *, seed: int, device: str) -> None:
        pass

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        pass

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        return _done(np.repeat(x0[:, None, :], t.size, axis=1))

    def field(self, x: Array, u: Array) -> Array:
        return np.zeros_like(x)


class MeanStrain(Model):
    """Every strain follows the mean of the training strains, whatever its x(0) and u(t)."""

    def __init__(self, *, seed: int, device: str) -> None:
        pass

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        self.train = list(train)

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        mean = _mean([interpolate_states(strain, t) for strain in self.train])
        return _done(_start_at(x0, np.repeat(mean[None], len(x0), axis=0)))


class NearestStrain(Model):
    """A strain follows the training strain whose controls are nearest.

    Distance: the mean over controls of |Δ log10(1 + mean abundance)|, the mean of u(t) over the task's horizon.
    """

    def __init__(self, *, seed: int, device: str) -> None:
        pass

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        self.train, self.horizon = list(train), task.horizon
        self.profiles = np.concatenate([_profile(strain.controls, task.horizon) for strain in train])

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        distance = np.abs(_profile(controls, self.horizon)[:, None] - self.profiles[None]).mean(axis=2)
        nearest = distance.argmin(axis=1)
        copies = {n: interpolate_states(self.train[n], t) for n in np.unique(nearest)}
        return _done(_start_at(x0, np.stack([copies[n] for n in nearest])))


def _mean(copies: list[Array]) -> Array:
    stacked = np.stack(copies)
    seen = ~np.isnan(stacked)
    return np.where(
        seen.any(axis=0), np.where(seen, stacked, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), np.nan
    )


def _profile(controls: Controls, horizon: float) -> Array:
    """log10(1 + mean of u(t) over 0 to ``horizon`` hours), (B, C): of the function, however it is sampled."""
    inside = controls.t[(controls.t > 0.0) & (controls.t < horizon)]
    t = np.concatenate([[0.0], inside, [horizon]])
    mean = np.trapezoid(controls.at(t), t, axis=1) / horizon
    return np.asarray(np.log10(1.0 + np.maximum(mean, 0.0)))


def _start_at(x0: Array, x: Array) -> Array:
    """``x`` (B, T, S) with x(0) at the first time, and for ever in states that were never measured in training."""
    x = np.where(np.isnan(x), x0[:, None, :], x)
    x[:, 0] = x0
    return x


def _done(x: Array) -> Simulation:
    return Simulation(x=x, status=np.full(len(x), Status.OK, dtype=np.int64))
