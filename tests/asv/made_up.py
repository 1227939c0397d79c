"""Data that need no download: a task of the measured shape from a seed, and records of runs that never were."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from omicsbench import Controls, TaskInfo, Trajectory
from omicsbench.records import (
    SCHEMA,
    Cell,
    Environment,
    Latency,
    Prediction,
    Record,
    Setting,
    TargetScores,
    Timing,
)
from omicsbench.split import Inputs

STATES, CONTROLS, HORIZON = 6, 9, 72.0
TIMES = np.array([0.0, 4, 8, 12, 18, 24, 36, 48, 60, 72])
INFO = TaskInfo(
    tuple(f"x{n}" for n in range(STATES)),
    ("mM",) * STATES,
    tuple(f"u{n}" for n in range(CONTROLS)),
    ("counts",) * CONTROLS,
    HORIZON,
)


def strains(count: int, seed: int = 0) -> list[Trajectory]:
    """Proteins that rise after induction, metabolites that rise and decay: the shapes of the limonene task."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        level, delay = rng.lognormal(8.0, 1.0, CONTROLS), rng.uniform(2.0, 10.0, CONTROLS)
        u = 10.0 + level / (1.0 + np.exp(-(TIMES[:, None] - delay) / 2.0))
        top, rise, fall = (rng.lognormal(mean, 0.4, STATES) for mean in (0.0, 2.0, 3.5))
        x = 0.05 + top * (np.exp(-TIMES[:, None] / fall) - np.exp(-TIMES[:, None] / rise))
        made.append(Trajectory(f"S{number}", TIMES, x, Controls(TIMES, u[None])))
    return made


def inputs() -> Inputs:
    """What a model is given with one of three strains held out."""
    *train, held_out = strains(3)
    return Inputs(tuple(train), held_out.x[:1], held_out.t, held_out.controls)


def write_task(folder: Path, folds: int) -> Path:
    """A task folder with as many folds, each of which holds one strain out and trains on the next two."""
    names = [*INFO.states, *INFO.controls]
    made = strains(folds)
    rows = [
        ",".join([strain.strain, f"{t:g}", *(f"{v:.6g}" for v in (*x, *u))])
        for strain in made
        for t, x, u in zip(strain.t, strain.x, strain.controls.u[0], strict=True)
    ]
    text = "\n".join([",".join(["Strain", "Hour", *names]), *rows]) + "\n"
    home = folder / "made-up"
    home.mkdir()
    (home / "made-up.csv").write_text(text)
    quantities = "\n".join(
        f"{kind} = [" + ", ".join(f'{{ name = "{name}", unit = "{unit}" }}' for name in found) + "]"
        for kind, found, unit in (("states", INFO.states, "mM"), ("controls", INFO.controls, "counts"))
    )
    folds_text = ", ".join(
        f'{{ name = "S{n}", held_out = ["S{n}"], train = ["S{(n + 1) % folds}", "S{(n + 2) % folds}"] }}'
        for n in range(folds)
    )
    (home / "task.toml").write_text(
        f"""title = "Made up"
citation = "nobody"
licence = "CC0-1.0"
horizon = {HORIZON}
final_product = "{INFO.states[-1]}"
{quantities}
folds = [{folds_text}]

[source]
file = "made-up.csv"
sha256 = "{hashlib.sha256(text.encode()).hexdigest()}"
"""
    )
    return home


def records(count: int) -> list[Record]:
    """Records of eight models and persistence on two tasks, three folds each, as many seeds as it takes."""
    rng = np.random.default_rng(0)
    models = [f"model-{n}" for n in range(8)]
    made = [_record(task, fold, "persistence", 0, 1.0) for task in "ab" for fold in "123"]
    for n in range(count - len(made)):
        seed, rest = divmod(n, 6 * len(models))
        place, model = divmod(rest, len(models))
        task, fold = "ab"[place // 3], "123"[place % 3]
        made.append(_record(task, fold, models[model], seed, float(rng.lognormal(0.1 * model, 0.3))))
    return made


def _record(task: str, fold: str, model: str, seed: int, error: float) -> Record:
    cell = Cell(
        task=task,
        protocol="measured",
        fold=fold,
        model=model,
        distribution=model,
        version="1",
        parameters={"width": 32},
        seed=seed,
        device="cpu",
        setting=Setting(),
        code="c0de",
    )
    per_state: list[float | None] = [error * (1.0 + 0.1 * n) for n in range(STATES)]
    names = ("rmse", "nrmse", "r2", "final_error", "negative_share")
    x = np.outer(TIMES[1:], np.ones(STATES))[None] * error
    return Record(
        schema=SCHEMA,
        key=cell.key,
        cell=cell,
        status="ok",
        started="2026-01-01T00:00:00+00:00",
        states=list(INFO.states),
        role="trivial" if model == "persistence" else "model",
        deterministic=model == "persistence",
        training_strains=2,
        scores={
            "measured": TargetScores(
                per_state=dict.fromkeys(names, per_state),
                mean=dict.fromkeys(names, error),
            )
        },
        prediction=Prediction(t=TIMES[1:], x=x),
        strains=1,
        timing=Timing(
            load=1.0,
            fit=2.0,
            first_simulate=0.1,
            latency=Latency(median=0.01, lower=0.009, upper=0.011, repeats=9),
            warm=False,
            fit_alone=True,
            integration_error=1e-4,
        ),
        peak_memory_mb=100.0,
        nfe=200.0,
        environment=Environment(
            python="3.11", platform="Linux", cpu="CPU", cores=2, memory_gb=8.0, threads=1, packages={}
        ),
    )
