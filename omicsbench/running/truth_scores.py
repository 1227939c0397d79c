"""The scores that only a simulated task knows, of what a worker brought back."""

from __future__ import annotations

import numpy as np

from omicsbench.data.tasks import Task
from omicsbench.records import significant, to_json
from omicsbench.running.worker import Outcome
from omicsbench.scoring import probes
from omicsbench.split import Split


def score_truth(outcome: Outcome, split: Split, task: Task) -> dict[str, float | None]:
    """The scores that only a simulated task knows; empty for a measured one."""
    if split.reality is None or outcome.answers is None:
        return {}
    product = task.info.states.index(task.final_product)
    truth = split.targets[0]
    predicted = outcome.simulation.x[:, truth.index[-1], product]
    scores = probes.score(outcome.answers, split.reality.reality)
    scores |= probes.score_ranking(predicted, truth.truth[:, -1, product])
    return {name: to_json(significant(np.array(value))) for name, value in scores.items()}
