"""200 cells of persistence in one command: omicsbench, the same loop bare in numpy, and the same job in benchopt.

    python tests/asv/overhead.py [PYTHON_WITH_BENCHOPT]

Every command is a fresh process, rounds are interleaved. All read the CSV, hold out each strain in turn, train on two,
score RMSE, NRMSE, R2 and the final error of every state and write them down.
Only omicsbench runs the model in a process of its own, takes its latency, simulates at the scored times as well,
integrates the field at a tight tolerance, and keeps predictions and provenance with every cell.
The latency is repeated until it is known to 2 %; without the clock, it is taken once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from omicsbench.running.clock import timed  # noqa: E402
from tests.asv.bench_harness import CELLS  # noqa: E402
from tests.asv.made_up import write_task  # noqa: E402

ROUNDS = 5
CODE = "import sys; from pathlib import Path; from tests.asv.bench_harness import bare, sweep; "


def main(benchopt: str | None) -> None:
    """Measure, print a table in Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        task = write_task(home, CELLS)
        environment = os.environ | {
            "OMICSBENCH_PLUGINS": "",
            "PYTHONPATH": str(HERE.parent.parent),
            "MADE_UP": str(task / "made-up.csv"),
        }
        commands: dict[str, list[str]] = {}
        for name, call in (
            ("omicsbench", "sweep(task, out)"),
            ("omicsbench without the clock", "sweep(task, out, latency_budget=0.0)"),
            ("bare numpy", "bare(task, out)"),
        ):
            paths = f"task, out = Path({str(task)!r}), Path({str(home / 'out')!r}); "
            commands[name] = [sys.executable, "-c", f"{CODE}{paths}assert {call} == {CELLS}"]
        if benchopt is not None:
            shutil.copytree(HERE / "benchopt", home / "benchopt")
            commands["benchopt"] = [
                benchopt,
                "-m",
                "benchopt",
                "run",
                str(home / "benchopt"),
                "-n",
                "1",
                "--no-plot",
                "--no-cache",
            ]
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                shutil.rmtree(home / "out", ignore_errors=True)
                (home / "out").mkdir()
                _, took = timed(
                    lambda command=command: subprocess.run(
                        command, check=True, env=environment, cwd=home, stdout=subprocess.DEVNULL
                    )
                )
                seconds[name].append(took)
    print(f"| {CELLS} cells of persistence | seconds | quartiles | a cell |\n|---|---:|---|---:|")
    for name, taken in seconds.items():
        low, middle, high = np.quantile(taken, (0.25, 0.5, 0.75))
        print(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {1e3 * middle / CELLS:.1f} ms |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
