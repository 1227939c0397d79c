"""The job of ``tests/asv/overhead.py`` as a benchopt benchmark: the scores of one held-out strain."""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "strain"
    sampling_strategy = "run_once"

    def set_data(self, train, truth):
        self.train, self.truth = train, truth

    def get_objective(self):
        return {"train": self.train, "x0": self.truth[0], "times": len(self.truth)}

    def evaluate_result(self, x):
        truth, sd = self.truth[1:], np.concatenate(self.train).std(axis=0)
        error = x[1:] - truth
        rmse = np.sqrt((error**2).mean(axis=0))
        r2 = 1.0 - (error**2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
        scores = {"rmse": rmse, "nrmse": rmse / sd, "r2": r2, "final": error[-1]}
        per_state = {f"{name}_{n}": float(v) for name, values in scores.items() for n, v in enumerate(values)}
        return {"value": float((rmse / sd).mean()), **per_state}

    def get_one_result(self):
        return {"x": np.repeat(self.truth[:1], len(self.truth), axis=0)}
