"""Records that no run made: one cell, and whatever fields a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from omicsbench.records import SCHEMA, Cell, Prediction, Record, Setting, TargetScores

CELL = Cell(
    task="toy",
    protocol="measured",
    fold="S1",
    model="mine",
    parameters={"width": 8, "rate": 0.1, "name": "µ", "smooth": True, "cap": None},
    seed=0,
    device="cpu",
    setting=Setting(data="d" * 64, strains="ab", horizon="24 h", protocol="measured 2"),
    code="c0de",
    distribution="mine.py",
    version="1",
)


def _make(cell: Cell = CELL, **fields: Any) -> Record:
    base: dict[str, Any] = {"status": "failed", "started": "2026-01-01T00:00:00+00:00", "states": ["A"]}
    if "scores" in fields:
        base["status"] = "ok"
    elif "error" not in fields:
        base["error"] = {"type": "ValueError", "message": "no"}
    raw = msgspec.to_builtins(base | {name: value for name, value in fields.items() if name != "prediction"})
    record = msgspec.convert(raw | {"schema": SCHEMA, "key": cell.key, "cell": msgspec.to_builtins(cell)}, Record)
    return msgspec.structs.replace(record, prediction=fields.get("prediction"))


def _predicting(x: np.ndarray, cell: Cell = CELL, t: np.ndarray | None = None, **fields: Any) -> Record:
    strains, times, states = x.shape
    one: list[float | None] = [0.5] * states
    base: dict[str, Any] = {
        "states": [f"s{n}" for n in range(states)],
        "strains": strains,
        "scores": {"measured": TargetScores(per_state={"rmse": one, "nrmse": one}, mean={"nrmse": 0.5})},
        "prediction": Prediction(t=np.arange(times) + 1.0 if t is None else t, x=x),
    }
    return _make(cell, **(base | fields))


@pytest.fixture(scope="session")
def cell() -> Cell:
    """A cell, all of whose content is made up."""
    return CELL


@pytest.fixture(scope="session")
def make() -> Callable[..., Record]:
    """``make(cell, **fields)``: a record; a failed one unless it is given ``scores``."""
    return _make


@pytest.fixture(scope="session")
def predicting() -> Callable[..., Record]:
    """``predicting(x, cell, t, **fields)``: a record with this prediction, of as many strains, times and states."""
    return _predicting


@pytest.fixture(scope="session")
def old() -> dict[str, Any]:
    """A record of schema 1 as it was committed, cut to two states: predictions stood at each target."""
    return {
        "schema": 1,
        "key": "9961788040989568f046470e3311ba774acdf2ee63c4ce91a89774d171cb621d",
        "cell": {
            "task": "limonene",
            "data_sha256": "7f4aba66c73d18ddc5eb8fe86356b13252866bfa482f5a4248f31bd17a81acd3",
            "protocol": "published",
            "fold": "L2",
            "model": "sindy",
            "distribution": "omicsbench-sindy",
            "version": "0.1.0",
            "parameters": {"library": "polynomial", "degree": 1, "threshold": 0.02, "clamp": True},
            "seed": 4,
            "device": "cpu",
            "harness": "0.1.0",
        },
        "status": "ok",
        "started": "2026-11-25T08:30:52+00:00",
        "states": ["Acetyl-CoA", "HMG-CoA"],
        "role": "model",
        "deterministic": False,
        "training_strains": 2,
        "error": None,
        "inputs_sha256": "219b8cdb2f97cf4131f799d2831eb90075c2e7f0410fbe583b13fcf381931f4f",
        "truth_sha256": "4bd2393fa3c9e93f4bb3d8fe67f839ea416d9d0fecc6cfb75121d7900ec37055",
        "scores": {
            "interpolated": {
                "per_state": {
                    "rmse": [0.15927499681581386, 0.026238176002989506],
                    "nrmse": [0.8878929601759079, 0.28675466346202727],
                    "crps": [None, None],
                },
                "mean": {"nrmse": 0.5873238118189676},
                "prediction": {"t": [0.0, 36.0], "x": [[[None, None], [0.0815454, 0.0068557]]]},
                "omitted": "",
            }
        },
        "derived": {},
        "diverged_strains": 0,
        "strains": 1,
        "timing": {
            "load": None,
            "fit": 0.014061113000025216,
            "first_simulate": 0.046756213000207936,
            "latency": {
                "median": 0.045382272000097146,
                "lower": 0.04480717900014497,
                "upper": 0.04610334900007729,
                "repeats": 9,
            },
            "warm": True,
            "fit_alone": False,
            "integration_error": 0.000010794879841493472,
            "integration_note": "",
        },
        "peak_memory_mb": 281.9,
        "nfe": 1428.0,
        "details": {"equations": ["d[Acetyl-CoA]/dt = -0.386265 [HMG-CoA]"]},
        "environment": {
            "python": "3.11.7",
            "platform": "Linux x86_64",
            "cpu": "AMD EPYC",
            "cores": 2,
            "memory_gb": 23.5,
            "threads": 1,
            "packages": {"numpy": "2.4.6", "scipy": "1.17.1", "pysindy": "2.1.0"},
            "gpu": "",
            "driver": "",
            "git_commit": "fe2460d9a2ae2825921ffcbfa63744125e4d1db4",
            "git_dirty": False,
        },
    }
