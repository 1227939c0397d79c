"""Sparse identification of nonlinear dynamics with control (Brunton, Proctor & Kutz 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from omicsbench import Array, Controls, Model, Progress, Simulation, Status, TaskInfo, Trajectory
from omicsbench.preprocessing import ControlTransform, densified, filled, state_scale
from omicsbench_sindy.integrate import trajectory
from omicsbench_sindy.library import Library, bounds, candidate_powers, equation, input_names, term_name
from omicsbench_sindy.regression import sparse_fit

POINTS, WINDOW, ORDER = 200, 7, 2
WALL = 0.01
"""Thickness of a clamped state's walls, as a share of its training maximum."""


Integers = NDArray[np.integer]


class Sindy(Model):
    """Each state's derivative as a sparse sum of products of states and controls."""

    def __init__(
        self,
        *,
        seed: int,
        device: str,
        library: Literal["polynomial", "bilinear"] = "polynomial",
        degree: int = 1,
        optimizer: Literal["stlsq", "sr3", "ssr", "frols"] = "stlsq",
        threshold: float = 0.02,
        alpha: float = 1.0,
        ensemble: int = 0,
        clamp: bool = True,
        control_transform: Literal["log", "hill", "raw"] = "log",
        clip_controls: bool = True,
    ) -> None:
        if library not in ("polynomial", "bilinear"):
            raise ValueError(f"library must be polynomial or bilinear, got {library!r}")
        if not 1 <= degree <= 3:
            raise ValueError(f"degree must be 1, 2 or 3, got {degree}")
        if optimizer not in ("stlsq", "sr3", "ssr", "frols"):
            raise ValueError(f"optimizer must be stlsq, sr3, ssr or frols, got {optimizer!r}")
        if not (threshold >= 0 and alpha >= 0 and ensemble >= 0):
            raise ValueError(
                f"threshold, alpha and ensemble must not be negative, got {threshold}, {alpha}, {ensemble}"
            )
        if control_transform not in ("log", "hill", "raw"):
            raise ValueError(f"control_transform must be log, hill or raw, got {control_transform!r}")
        self.seed, self.kind, self.degree, self.members = seed, library, degree, ensemble
        self.regress = partial(sparse_fit, optimizer=optimizer, threshold=threshold, alpha=alpha)
        self.clamp, self.control_transform, self.clip_controls = clamp, control_transform, clip_controls

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        series = [densified(strain, POINTS, task.horizon, WINDOW, ORDER) for strain in train]
        x, dx, u = filled(series), [one.dx for one in series], [one.u for one in series]
        self.learn(train, task, np.concatenate(x), np.concatenate(u), np.concatenate(dx), progress)

    def learn(
        self, train: Sequence[Trajectory], task: TaskInfo, x: Array, u: Array, dx: Array, progress: Progress
    ) -> None:
        """Regress ``dx`` (N, S) per hour, NaN where unknown, on states ``x`` (N, S) and controls ``u`` (N, C).

        ``train`` gives the scales and the walls.
        """
        self.task = task
        measured = np.concatenate([strain.x for strain in train])
        measured = np.where(np.isnan(measured), 0.0, measured)
        sd = state_scale(train)
        self.top, self.scale = measured.max(axis=0), np.maximum(np.abs(measured).max(axis=0), sd)
        transform = ControlTransform.fit(train, self.control_transform)
        powers = candidate_powers(self.kind, self.degree, len(task.states), len(task.controls))
        candidates = Library(powers, sd, transform, self.clip_controls)

        fits = self._fits(candidates.terms(x, u), dx / sd, progress)
        # Terms that no equation has are not computed again at every step of an integration.
        used = (fits != 0.0).any(axis=(0, 1))
        used[0] = True
        self.library = candidates.part(used)
        self.coefficients = np.median(fits[:, :, used], axis=0)
        self.ensemble = fits[:, :, used] if self.members else None

    def _fits(self, terms: Array, slopes: Array, progress: Progress) -> Array:
        """Scaled coefficients (N, S, M) of each bagged model, or of the one on all rows."""
        states, draw = slopes.shape[1], np.random.default_rng(self.seed)
        fits = np.zeros((max(1, self.members), states, terms.shape[1]))
        for number, fit in enumerate(fits):
            bag = draw.integers(len(terms), size=len(terms)) if self.members else np.arange(len(terms))
            for state in range(states):
                known = bag[~np.isnan(slopes[bag, state])]
                if known.size:
                    fit[state] = self.regress(terms[known], slopes[known, state])
                progress(number * states + state + 1, len(fits) * states, None)
        return fits

    def field(self, x: Array, u: Array) -> Array:
        return self._slope(self.coefficients, x, u)

    def _slope(self, coefficients: Array, x: Array, u: Array) -> Array:
        """dx/dt (N, S). Clamped: the terms see states within [0, top], and a motion out of there fades at the walls."""
        inside = np.clip(x, 0.0, self.top) if self.clamp else x
        slope = self.library.terms(inside, u) @ coefficients.T * self.library.scale
        if not self.clamp:
            return slope
        # Fading, not stopping: solvers chatter at a field that jumps.
        room = np.where(slope > 0, self.top - x, x) / (WALL * self.scale)
        return slope * np.clip(room, 0.0, 1.0)

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        x, status, evaluations = self._integrate(self.coefficients, x0, t, controls)
        samples = None
        if self.ensemble is not None:
            members = [self._integrate(member, x0, t, controls) for member in self.ensemble]
            # A member that diverges leaves no distribution to draw from.
            if all((ended[status == Status.OK] == Status.OK).all() for _, ended, _ in members):
                samples = np.stack([drawn for drawn, _, _ in members])
            evaluations = evaluations + sum(spent for _, _, spent in members)
        return Simulation(x, status, evaluations, samples)

    def _integrate(
        self, coefficients: Array, x0: Array, t: Array, controls: Controls
    ) -> tuple[Array, Integers, Integers]:
        """Trajectories (B, T, S), status (B,) and evaluations (B,)."""
        low = np.minimum(x0, 0.0) if self.clamp else np.full_like(x0, -np.inf)
        high = np.maximum(x0, self.top) if self.clamp else np.full_like(x0, np.inf)
        slope = partial(self._slope, coefficients)
        ends = [trajectory(slope, x0[b], t, controls[[b]], low[b], high[b], self.scale) for b in range(len(x0))]
        x, status, evaluations = zip(*ends, strict=True)
        return np.stack(x), np.array(status, dtype=np.int64), np.array(evaluations, dtype=np.int64)

    def describe(self) -> Mapping[str, Any]:
        """Equations in native units, where they hold, and the same coefficients at full precision."""
        transform = self.library.transform
        names = input_names(self.task, transform)
        native = [self.library.native(row, state) for state, row in enumerate(self.coefficients)]
        states = list(zip(self.task.states, self.task.state_units, native, strict=True))
        where = bounds(self.task, transform, self.clip_controls)
        if self.clamp:
            where += [
                f"{name} held within 0 and {top:.6g}; its motion towards these walls fades over the last {WALL:.0%}"
                for name, top in zip(names, self.top, strict=False)
            ]
        return {
            "equations": [equation(state, unit, terms, names) for state, unit, terms in states],
            "where": where,
            "coefficients": {
                state: {term_name(power, names): value for power, value in terms.items()} for state, _, terms in states
            },
        }
