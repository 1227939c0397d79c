"""Records with chosen scores: statistics need many, and none of them needs a run."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from omicsbench.records import SCHEMA, Cell, Environment, Failure, Latency, Record, TargetScores, Timing
from omicsbench.spec import Role

PLACE = Environment(python="3.11", platform="x", cpu="CPU A", cores=2, memory_gb=8.0, threads=1, packages={})


def _record(
    model: str,
    fold: str,
    seed: int,
    nrmse: float | None,
    *,
    role: Role = "model",
    protocol: str = "measured",
    deterministic: bool = False,
    gpu: str = "",
    version: str = "1",
    training_strains: int = 2,
    parameters: dict[str, float] | None = None,
) -> Record:
    """A record of two states with this NRMSE; None for a failed cell."""
    cell = Cell(
        task="toy",
        data_sha256="d",
        protocol=protocol,
        fold=fold,
        model=model,
        distribution="d",
        version=version,
        parameters=dict(parameters or {}),
        seed=seed,
        device="cuda" if gpu else "cpu",
        harness="1",
    )
    place = Environment(**{name: getattr(PLACE, name) for name in PLACE.__struct_fields__} | {"gpu": gpu})
    both = [nrmse, nrmse]
    return Record(
        schema=SCHEMA,
        key=cell.key,
        cell=cell,
        status="failed" if nrmse is None else "ok",
        started="2026-01-01T00:00:00+00:00",
        states=["a", "b"],
        role=role,
        deterministic=deterministic,
        training_strains=training_strains,
        error=Failure(type="ValueError", message="no") if nrmse is None else None,
        scores={}
        if nrmse is None
        else {
            "measured": TargetScores(
                per_state={"rmse": both, "nrmse": both}, mean={"nrmse": nrmse, "negative_share": 0.0}
            )
        },
        timing=None
        if nrmse is None
        else Timing(
            load=1.0,
            fit=2.0,
            first_simulate=0.1,
            latency=Latency(median=0.01, lower=0.009, upper=0.011, repeats=9),
            warm=False,
            fit_alone=True,
        ),
        environment=place,
    )


def _trivial(folds: tuple[str, ...], nrmse: float = 1.0, name: str = "persistence") -> list[Record]:
    """A trivial baseline, which sets the zero of skill."""
    return [_record(name, fold, 0, nrmse, role="trivial", deterministic=True) for fold in folds]


def _model(name: str, errors: Mapping[tuple[str, int], float | None], **more: Any) -> list[Record]:
    """The records of a model with these errors by fold and seed."""
    return [_record(name, fold, seed, error, **more) for (fold, seed), error in errors.items()]


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """``make.record``, ``make.model`` and ``make.trivial``: records with chosen scores."""
    return SimpleNamespace(record=_record, model=_model, trivial=_trivial)
