"""Inference and training of each model, on a made-up task of the limonene task's shape."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from omicsbench import Model
from omicsbench.parameters import parameters_of
from omicsbench.plugins import discover
from omicsbench.running.clock import LATENCY_POINTS, timed
from omicsbench.running.speed import virtual_strains
from omicsbench.running.supervisor import device_environment
from omicsbench.running.worker import load_class

from .made_up import HORIZON, INFO, inputs

# Fits that are over soon: the time of inference does not hang on how well a model was trained.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "node-torch": ("node-torch", {"steps": 50}),
    "node-jax": ("node-jax", {"steps": 50}),
    "sindy": ("sindy", {}),
    "derivative-ml vectorised": ("derivative-ml", {"regressor": "gradient-boosting"}),
    "derivative-ml published": ("derivative-ml", {"regressor": "gradient-boosting", "path": "published"}),
}
ONE_BY_ONE = ("sindy", "derivative-ml published")
FEW, MANY = 50, 350
"""Training steps of two fits: the difference is free of what is done once."""

os.environ.update(device_environment("cpu", 1))  # as in a worker, before any model is imported


def fitted(variant: str, **more: Any) -> tuple[Model, float]:
    """A fitted model and the seconds of its fit but for compilation. Without its plugin asv skips the benchmark."""
    name, parameters = VARIANTS[variant]
    models = discover().models
    if name not in models:
        raise NotImplementedError(f"{name} is not installed")
    model: Any = load_class(models[name].spec.factory, None)
    made = model(seed=0, device="cpu", **(parameters | more))
    _, seconds = timed(lambda: made.fit(inputs().train, INFO, lambda step, of, loss=None: None))
    return made, seconds - made.describe().get("compile_seconds", 0.0)


class Inference:
    """One call on 200 points, shapes seen before."""

    params = (list(VARIANTS), [1, 100])
    param_names = ("model", "strains")
    timeout = 600.0
    number, repeat, rounds, warmup_time = 1, (3, 50, 10.0), 1, 0

    def setup(self, variant: str, strains: int) -> None:
        if variant in ONE_BY_ONE and strains > 1:
            raise NotImplementedError("one strain after another: as long as that many calls")
        self.model, _ = fitted(variant)
        self.x0, self.controls = virtual_strains(inputs(), strains)
        self.t = np.linspace(0.0, HORIZON, LATENCY_POINTS)
        if "steps" in VARIANTS[variant][1]:
            self.time_simulate(variant, strains)  # these compile

    def time_simulate(self, variant: str, strains: int) -> None:
        self.model.simulate(self.x0, self.t, self.controls)


class Training:
    """A training step where the model has steps, the whole fit where it has none."""

    params = ([variant for variant in VARIANTS if variant != "derivative-ml published"],)
    param_names = ("model",)
    timeout = 600.0
    unit = "ms"

    def track_step(self, variant: str) -> float:
        offer = discover().models.get(VARIANTS[variant][0])
        if offer is None:
            raise NotImplementedError(f"{VARIANTS[variant][0]} is not installed")
        if "steps" not in parameters_of(offer.spec.factory):
            return 1e3 * fitted(variant)[1]
        few, few_again, many = (fitted(variant, steps=steps)[1] for steps in (FEW, FEW, MANY))
        return 1e3 * (many - min(few, few_again)) / (MANY - FEW)
