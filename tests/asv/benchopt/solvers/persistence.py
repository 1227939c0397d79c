"""x(0) for ever."""

import numpy as np
from benchopt import BaseSolver


class Solver(BaseSolver):
    name = "persistence"

    def set_objective(self, train, x0, times):
        self.x0, self.times = x0, times

    def run(self, _):
        self.x = np.repeat(self.x0[None], self.times, axis=0)

    def get_result(self):
        return {"x": self.x}
