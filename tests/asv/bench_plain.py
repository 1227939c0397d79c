"""How many times faster both neural ODE plugins are than the loop that one would write, that at rtol 1e-4."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from omicsbench.running.clock import LATENCY_POINTS, latency, timed
from omicsbench.running.speed import virtual_strains

from .bench_models import FEW, MANY, fitted
from .made_up import HORIZON, inputs
from .plain import BUILD

ROUNDS, RTOL = 5, 1e-4
WHAT = {"1 strain": 1, "1000 strains": 1000, "training step": 0}


class Plain:
    """The median of ratios within a round."""

    params = (list(BUILD), list(WHAT))
    param_names = ("model", "what")
    timeout = 600.0
    unit = "times faster"

    def track_ratio(self, name: str, what: str) -> float:
        train = inputs().train
        model, _ = fitted(name)
        plain = BUILD[name](train, model, RTOL)
        if WHAT[what]:
            x0, controls = virtual_strains(inputs(), WHAT[what])
            t = np.linspace(0.0, HORIZON, LATENCY_POINTS)
            return _ratio(
                lambda: _steady(plain.simulate, x0, t, controls), lambda: _steady(model.simulate, x0, t, controls)
            )
        plain.train(1)
        steps = 20
        return _ratio(
            lambda: timed(lambda: plain.train(steps))[1] / steps,
            lambda: (fitted(name, steps=MANY)[1] - fitted(name, steps=FEW)[1]) / (MANY - FEW),
        )


def _steady(call: Callable[..., object], *arguments: object) -> float:
    call(*arguments)
    return latency(lambda: call(*arguments), 0.2).median


def _ratio(theirs: Callable[[], float], ours: Callable[[], float]) -> float:
    return float(np.median([theirs() / ours() for _ in range(ROUNDS)]))
