"""Regression on estimated derivatives, then integration (Costello & Martin 2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from sklearn import config_context
from sklearn.neighbors import KNeighborsRegressor

from omicsbench import Array, Controls, Model, Progress, Simulation, TaskInfo, Trajectory
from omicsbench.preprocessing import ControlTransform, densified, filled
from omicsbench_derivative_ml import regressors
from omicsbench_derivative_ml.integrate import Box, dop853, rk4
from omicsbench_derivative_ml.trees import Forest, is_forest

Predict = Callable[[Array], Array]

HALVINGS = 2
STEP_ERROR, ROUGH_STEP_ERROR = 1e-3, 0.1
"""The step of the vectorised path is halved, at most ``HALVINGS`` times, until halving moves no training trajectory
by more than this share of its largest value. Trees and neighbours make fields that jump, where no method on a grid
converges fast: there the check is against instability only."""
CHECKED_STRAINS = 8


class DerivativeML(Model):
    """One regressor a state from (x, u) to dx/dt, integrated from x(0)."""

    def __init__(
        self,
        *,
        seed: int,
        device: str,
        regressor: Literal[
            "cv",
            "random-forest",
            "extra-trees",
            "gradient-boosting",
            "knn",
            "svr",
            "mlp",
            "ridge",
            "gaussian-process",
            "tpot",
        ] = "cv",
        points: int = 200,
        window: int = 7,
        order: int = 2,
        control_transform: Literal["raw", "log", "hill"] = "raw",
        clamp: bool = False,
        path: Literal["vectorised", "published"] = "vectorised",
        tpot_generations: int = 12,
        tpot_population: int = 30,
    ) -> None:
        if regressor not in ("cv", "tpot", *regressors.CANDIDATES):
            raise ValueError(
                f"regressor must be cv, tpot or one of {', '.join(regressors.CANDIDATES)}, got {regressor!r}"
            )
        if not 1 <= order < window <= points:
            raise ValueError(f"order, window and points must rise from 1, got {order}, {window} and {points}")
        if control_transform not in ("raw", "log", "hill"):
            raise ValueError(f"control_transform must be raw, log or hill, got {control_transform!r}")
        if path not in ("vectorised", "published"):
            raise ValueError(f"path must be vectorised or published, got {path!r}")
        if min(tpot_generations, tpot_population) < 1:
            raise ValueError("tpot_generations and tpot_population must be at least 1")
        if regressor == "tpot":
            regressors.import_tpot()
        self.seed, self.regressor, self.path, self.clamp = seed, regressor, path, clamp
        self.points, self.window, self.order = points, window, order
        self.control_transform = control_transform
        self.search = {"generations": tpot_generations, "population": tpot_population}

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        series = [densified(strain, self.points, task.horizon, self.window, self.order) for strain in train]
        x = filled(series)
        rows = np.concatenate(x)
        self.states = task.states
        self.scale = np.abs(rows).max(axis=0)
        self.scale[self.scale == 0] = 1.0
        self.top = rows.max(axis=0) if self.clamp else None
        self.centre, self.spread = rows.mean(axis=0), rows.std(axis=0)
        self.spread[self.spread == 0] = 1.0
        self.transform = ControlTransform.fit(train, self.control_transform)
        features = self._features(rows, np.concatenate([strain.u for strain in series]))
        slopes = np.concatenate([strain.dx for strain in series])
        groups = np.concatenate([np.full(strain.t.size, number) for number, strain in enumerate(series)])

        self.fitted: dict[int, Any] = {}
        self.unit = np.ones(len(task.states))
        self.found: dict[str, Mapping[str, Any]] = {}
        for state, name in enumerate(task.states):
            known = ~np.isnan(slopes[:, state])
            self.unit[state] = slopes[known, state].std() if known.any() else 0.0
            if self.unit[state] > 0:
                target = slopes[known, state] / self.unit[state]
                self.fitted[state], self.found[name] = self._fit_state(features[known], target, groups[known])
            else:
                self.found[name] = {"regressor": "none: no change was seen in training"}
            progress(state + 1, len(task.states), self.found[name].get("cv_nrmse"))
        self.forest = {n: fitted for n, fitted in self.fitted.items() if is_forest(fitted)}
        self.predict_batch = self._batched()
        self.longest_step = task.horizon / (self.points - 1)
        self.step = self._settle_step(x, train, self.longest_step)

    def _fit_state(self, features: Array, target: Array, groups: Any) -> tuple[Any, Mapping[str, Any]]:
        """The regressor of one state, and what is to be said of it."""
        if self.regressor == "tpot":
            pipeline = regressors.evolve(features, target, groups, self.seed, **self.search)
            return pipeline, {"regressor": "tpot", "pipeline": " ".join(str(pipeline).split())}
        if self.regressor != "cv":
            return regressors.fit(self.regressor, features, target, self.seed), {"regressor": self.regressor}
        scores = regressors.choose(features, target, groups, self.seed)
        best = next(iter(scores))
        fitted = regressors.fit(best, features, target, self.seed)
        return fitted, {"regressor": best, "cv_nrmse": scores[best], "candidates": scores}

    def _settle_step(self, x: Sequence[Array], train: Sequence[Trajectory], step: float) -> float:
        """The step in hours of the vectorised path, from ``step`` downward."""
        x0 = np.stack([states[0] for states in x[:CHECKED_STRAINS]])
        controls = Controls.stack([strain.controls for strain in train[:CHECKED_STRAINS]])
        t = step * np.arange(self.points)
        rough = any(is_forest(fitted) or isinstance(fitted, KNeighborsRegressor) for fitted in self.fitted.values())
        tolerance = ROUGH_STEP_ERROR if rough else STEP_ERROR
        coarse = self._vectorised(x0, t, controls, step)
        for _ in range(HALVINGS):
            fine = self._vectorised(x0, t, controls, step / 2)
            size = np.maximum(self.scale, np.nanmax(np.abs(fine.x), axis=1, keepdims=True))
            if np.nanmax(np.abs(fine.x - coarse.x) / size) <= tolerance:
                break
            step, coarse = step / 2, fine
        return step

    def _features(self, x: Array, u: Array) -> Array:
        return np.concatenate([(x - self.centre) / self.spread, self.transform(u)], axis=-1)

    def _batched(self) -> Predict:
        """Scaled slopes (N, S) of features (N, F): the trees of all states walked at once, one call for each other."""
        states = len(self.states)
        trees = Forest(self.forest, states) if self.forest else None

        def predict(features: Array) -> Array:
            slopes = np.zeros((len(features), states)) if trees is None else trees.predict(features)
            for state, fitted in self.fitted.items():
                if state not in self.forest:
                    slopes[:, state] = fitted.predict(features)
            return slopes

        return predict

    def _as_published(self, features: Array) -> Array:
        """The same by one call of ``predict`` for every state."""
        slopes = np.zeros((len(features), len(self.states)))
        for state, fitted in self.fitted.items():
            slopes[:, state] = fitted.predict(features)
        return slopes

    def _slope(self, predict: Predict, x: Array, u: Array) -> Array:
        inside = x if self.top is None else np.clip(x, 0.0, self.top)
        with config_context(assume_finite=True):
            slope = predict(self._features(inside, u)) * self.unit
        if self.top is None:
            return slope
        outward = ((x >= self.top) & (slope > 0)) | ((x <= 0.0) & (slope < 0))
        return np.where(outward, 0.0, slope)

    def field(self, x: Array, u: Array) -> Array:
        return self._slope(self.predict_batch, x, u)

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        if self.path == "vectorised":
            return self._vectorised(x0, t, controls, self.step)
        slope = partial(self._slope, self._as_published)
        box = Box.around(x0, self.top, self.scale)
        return dop853(slope, x0, t, controls, self.longest_step, box, self.scale)

    def _vectorised(self, x0: Array, t: Array, controls: Controls, step: float) -> Simulation:
        return rk4(self.field, x0, t, controls, step, Box.around(x0, self.top, self.scale))

    def describe(self) -> Mapping[str, Any]:
        return {"regressors": self.found, "path": self.path, "step_hours": self.step}
