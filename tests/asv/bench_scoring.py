"""Scoring of many trajectories."""

from __future__ import annotations

import numpy as np

from omicsbench.model import Simulation
from omicsbench.scoring.cell import score_simulation
from omicsbench.split import Split, Target

from .made_up import STATES, TIMES, inputs

STRAINS = 10_000


class Scoring:
    """Every metric of 10 000 trajectories, six states at nine times."""

    def setup(self) -> None:
        rng = np.random.default_rng(0)
        truth = rng.lognormal(size=(STRAINS, TIMES.size, STATES))
        truth[rng.random(truth.shape) < 0.2] = np.nan
        later = np.arange(1, TIMES.size)
        target = Target("measured", later, truth[:, 1:])
        names = tuple(f"S{n}" for n in range(STRAINS))
        self.split = Split(inputs(), names, (target,), np.ones(STATES))
        x = rng.lognormal(size=truth.shape)
        self.simulation = Simulation(x, np.zeros(STRAINS, dtype=np.int64))

    def time_10_000_trajectories(self) -> None:
        score_simulation(self.simulation, self.split, (True,) * STATES)
