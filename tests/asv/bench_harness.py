"""What the harness adds to a cell: 200 cells of persistence, against the same loop written bare in numpy."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .made_up import INFO, write_task

CELLS = 200


def sweep(task: Path, out: Path, latency_budget: float = 1.0) -> int:
    """What ``omicsbench run`` does with these cells: plan, a worker process, scores, a record each."""
    from omicsbench.data.tasks import load_task
    from omicsbench.plugins import discover
    from omicsbench.running.planning import Request, plan
    from omicsbench.running.runner import Settings, run

    registry = discover()
    planned = plan(Request([load_task(task)], ["persistence"]), registry)
    cells = [one for one in planned if one.cell.model == "persistence"]
    with ThreadPoolExecutor(1) as executor:
        settings = Settings(latency_budget=latency_budget)
        return sum(record.status == "ok" for record in run(cells, out, executor, 1, settings, registry))


def bare(task: Path, out: Path) -> int:
    """Read, split, predict, score, write: no isolation, no clock, no checks, no provenance."""
    with (task / "made-up.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    strains: dict[str, list[list[float]]] = {}
    for row in rows:
        strains.setdefault(row["Strain"], []).append([float(row[name]) for name in INFO.states])
    x = [np.array(values) for values in strains.values()]
    for held_out, truth in enumerate(x):
        sd = np.concatenate([x[(held_out + 1) % len(x)], x[(held_out + 2) % len(x)]]).std(axis=0)
        error = np.repeat(truth[:1], len(truth) - 1, axis=0) - truth[1:]
        rmse = np.sqrt((error**2).mean(axis=0))
        r2 = 1.0 - (error**2).sum(axis=0) / ((truth[1:] - truth[1:].mean(axis=0)) ** 2).sum(axis=0)
        scores = {"rmse": rmse.tolist(), "nrmse": (rmse / sd).tolist(), "r2": r2.tolist(), "final": error[-1].tolist()}
        (out / f"S{held_out}.json").write_text(json.dumps(scores | {"x": truth[0].tolist()}))
    return len(x)


class Overhead:
    """Seconds for all cells."""

    number, repeat, rounds, warmup_time, timeout = 1, (2, 5, 60.0), 1, 0, 300.0

    def setup(self) -> None:
        os.environ["OMICSBENCH_PLUGINS"] = ""  # baselines only
        self.folder = tempfile.TemporaryDirectory()
        self.task = write_task(Path(self.folder.name), CELLS)
        self.out = Path(self.folder.name) / "out"
        self.out.mkdir()

    def teardown(self) -> None:
        self.folder.cleanup()

    def time_200_cells_of_persistence(self) -> None:
        assert sweep(self.task, self.out) == CELLS

    def time_200_cells_bare(self) -> None:
        assert bare(self.task, self.out) == CELLS
