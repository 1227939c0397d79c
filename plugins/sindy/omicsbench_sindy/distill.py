"""A trained model turned into equations: SINDy fitted on its learned field instead of on the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from omicsbench import Array, Controls, Model, Status
from omicsbench.errors import ContractError
from omicsbench.preprocessing import state_scale
from omicsbench.running.worker import Quiet, Work, construct, simulate
from omicsbench_sindy.model import Sindy

POINTS = 200
JITTER = 0.2
"""SD of the states sampled around the model's own trajectories, in SD of training: a field is known beside them too."""
COPIES = 5


@dataclass(frozen=True, eq=False)
class Distilled:
    """The equations, and how far they are from the model and from the strain that was held out.

    ``derivative`` by state: R² of the distilled field on the model's, along the held-out strain. ``model``,
    ``distilled`` (B, T, S): trajectories of the held-out strains, NaN where they diverged.
    """

    description: dict[str, Any]
    derivative: dict[str, float]
    model: Array
    distilled: Array


@dataclass(frozen=True)
class DistillWork(Work[Distilled]):
    """Fit a model, then SINDy, with these ``settings``, on its field."""

    settings: Mapping[str, Any] = field(default_factory=dict)

    def run(self, progress: Callable[..., None], quiet: Quiet) -> Distilled:
        model, given = construct(self), self.inputs
        model.fit(list(given.train), self.info, progress)
        x, u = self._sample(model)
        dx = model.field(x, u)
        if dx is None:
            raise ContractError(
                f"model {self.model!r} has no field of its own to distil (an ensemble, a copied strain)"
            )
        sindy = Sindy(seed=self.seed, device="cpu", **self.settings)
        sindy.learn(given.train, self.info, x, u, dx, progress)

        trajectory = simulate(model, self.model, given.x0, given.t, given.controls)
        copied = simulate(sindy, "sindy", given.x0, given.t, given.controls)
        along, at = _rows(trajectory.x, given.controls.at(given.t))
        true, ours = model.field(along, at), sindy.field(along, at)
        assert true is not None
        spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
        r2 = 1.0 - ((ours - true) ** 2).sum(axis=0) / np.where(spread > 0, spread, np.nan)
        return Distilled(
            description=dict(sindy.describe()),
            derivative=dict(zip(self.info.states, map(float, r2), strict=True)),
            model=np.where((trajectory.status == Status.OK)[:, None, None], trajectory.x, np.nan),
            distilled=np.where((copied.status == Status.OK)[:, None, None], copied.x, np.nan),
        )

    def check(self, result: Distilled) -> None:
        """Trajectories of the held-out strains at their times, and an R² of each state."""
        given = self.inputs
        shape = len(given.x0), given.t.size, given.x0.shape[1]
        if not result.model.shape == result.distilled.shape == shape or set(result.derivative) != {*self.info.states}:
            raise ContractError(f"trajectories must have shape {shape}, and each state its R²")

    def _sample(self, model: Model) -> tuple[Array, Array]:
        """States (N, S) and controls (N, C) on and around the model's own trajectories of the training strains."""
        t = np.linspace(0.0, self.info.horizon, POINTS)
        starts, strains = [], []
        for strain in self.inputs.train:
            if not np.isnan(strain.x[0]).any():
                starts.append(strain.x[0])
                strains.append(strain.controls)
        if not starts:
            raise ContractError("no training strain has a whole x(0) to start from")
        controls = Controls.stack(strains)
        on = simulate(model, self.model, np.stack(starts), t, controls).x
        x, u = _rows(on, controls.at(t))
        random, sd = np.random.default_rng(self.seed), state_scale(self.inputs.train)
        around = [x + JITTER * sd * random.standard_normal(x.shape) for _ in range(COPIES)]
        return np.concatenate([x, *around]), np.concatenate([u] * (1 + COPIES))


def _rows(x: Array, u: Array) -> tuple[Array, Array]:
    """Batched series as rows, without those where the model had diverged."""
    x, u = x.reshape(-1, x.shape[-1]), u.reshape(-1, u.shape[-1])
    known = np.isfinite(x).all(axis=1)
    return x[known], u[known]
