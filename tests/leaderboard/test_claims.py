"""The published claim against records with chosen errors: every number of the comparison is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench.data.tasks import find_tasks
from omicsbench.leaderboard.claims import BEST_TRIVIAL, SCOPES, compare, spread, verdict
from omicsbench.leaderboard.claims_text import markdown, tables
from omicsbench.records import SCHEMA, Cell, Environment, Latency, Record, Setting, TargetScores, Timing, save
from omicsbench.records.speeds import save as save_speed
from omicsbench.results.summary import groups
from omicsbench.spec import Role

TASKS = find_tasks()
BASE = [1.0, 2.0, 1.0, 4.0, 1.0, 2.0]


def record(
    model: str,
    rmse: Sequence[float] | None,
    seed: int = 0,
    protocol: str = "published",
    fold: str = "L2",
    role: Role = "model",
    parameters: Mapping[str, Any] | None = None,
    latency: float = 1.0,
    cpu: str = "CPU A",
) -> Record:
    cell = Cell(
        task="limonene" if fold[0] == "L" else "isopentenol",
        protocol=protocol,
        fold=fold,
        model=model,
        distribution="d",
        version="1",
        parameters=dict(parameters or {}),
        seed=seed,
        device="cpu",
        setting=Setting(data="d"),
        code="c0de",
    )
    errors = None if rmse is None else [float(value) for value in rmse]
    scores = (
        {
            "interpolated": TargetScores(
                per_state={"rmse": list(errors), "nrmse": list(errors)}, mean={"nrmse": float(np.mean(errors))}
            )
        }
        if errors
        else {}
    )
    steady = Latency(median=latency, lower=latency, upper=latency, repeats=7)
    return Record(
        schema=SCHEMA,
        key=cell.key,
        cell=cell,
        status="ok" if errors else "diverged",
        started="2026-01-01T00:00:00+00:00",
        states=[state.name for state in TASKS[cell.task].states],
        role=role,
        scores=scores,
        timing=Timing(load=1.0, fit=1.0, first_simulate=1.0, latency=steady, warm=False, fit_alone=True),
        environment=Environment(python="3.11", platform="x", cpu=cpu, cores=2, memory_gb=8.0, threads=1, packages={}),
    )


def gains(records: Sequence[Record]) -> dict[tuple[str, str, str], Any]:
    (comparison,) = compare(groups(records), TASKS, "derivative-ml")
    return {(str(g.scope), g.model, g.baseline): g for g in comparison.gains}


def test_maximum_state_and_mean_are_those_of_the_formula() -> None:
    halved = [1.0, 2.0, 1.0, 0.4, 1.0, 2.0]
    found = gains([record("derivative-ml", BASE), record("node-jax", halved)])
    gain = found["published, published fold", "node-jax", "derivative-ml"]
    assert gain.maximum.median == pytest.approx(90.0)
    assert gain.state == "Mev-P"
    assert gain.mean.median == pytest.approx(15.0)


def test_seeds_are_paired_and_a_baseline_without_randomness_pairs_with_all() -> None:
    nodes = [record("node-jax", np.array(BASE) * factor, seed) for seed, factor in enumerate((0.5, 0.6, 0.9))]
    paired = [record("derivative-ml", np.array(BASE) * factor, seed) for seed, factor in enumerate((1.0, 0.6, 1.8))]
    key = ("published, published fold", "node-jax", "derivative-ml")
    assert gains([*nodes, *paired])[key].maximum.median == pytest.approx(50.0)
    assert gains([*nodes, *paired])[key].maximum.best == pytest.approx(50.0)
    alone = gains([*nodes, paired[0]])[key]
    assert alone.maximum.median == pytest.approx(40.0)
    assert alone.maximum.best == pytest.approx(50.0)
    assert alone.maximum.cells == 3


def test_a_state_with_a_fault_does_not_count() -> None:
    copied = [1.0, 2.0, 1.0, 0.0, 1.0, 2.0]
    found = gains([record("derivative-ml", BASE, fold="I2"), record("node-jax", copied, fold="I2")])
    gain = found["published, published fold", "node-jax", "derivative-ml"]
    assert gain.maximum.median == pytest.approx(0.0)


def test_a_model_that_diverged_has_failed_and_a_baseline_that_diverged_makes_no_gain() -> None:
    broken = gains([record("derivative-ml", BASE), record("node-jax", None)])
    assert broken["published, published fold", "node-jax", "derivative-ml"].maximum.median == -np.inf
    assert not [
        key
        for key in gains(
            [record("derivative-ml", None), record("node-jax", BASE), record("persistence", BASE, role="trivial")]
        )
        if key[2] == "derivative-ml"
    ]


def test_the_best_trivial_baseline_is_that_of_the_fold() -> None:
    found = gains(
        [
            record("derivative-ml", BASE),
            record("node-jax", np.array(BASE) / 4),
            record("persistence", np.array(BASE) / 2, role="trivial"),
            record("mean-strain", np.array(BASE) * 3, role="trivial"),
        ]
    )
    assert found["published, published fold", "node-jax", BEST_TRIVIAL].mean.median == pytest.approx(50.0)


def test_a_leak_is_held_against_the_baseline_that_has_none() -> None:
    found = gains(
        [
            record("derivative-ml", BASE),
            record("derivative-ml", np.array(BASE) / 1000, protocol="published-leaky"),
            record("node-jax", np.array(BASE) / 50, protocol="published-leaky"),
            record("nearest-strain", np.zeros(6), protocol="published-leaky", role="trivial"),
        ]
    )
    leaky = {key: gain for key, gain in found.items() if key[0].startswith("published-leaky")}
    assert leaky["published-leaky, published fold", "node-jax", "derivative-ml"].maximum.median == pytest.approx(98.0)
    assert not any(model == "nearest-strain" or baseline == BEST_TRIVIAL for _, model, baseline in leaky)


def test_only_the_published_fold_is_compared_under_published_and_every_fold_under_measured() -> None:
    records = [
        record("derivative-ml", BASE, fold=fold, protocol=p)
        for fold in ("L1", "L2", "L3")
        for p in ("published", "measured")
    ]
    halves = {"L1": 0.2, "L2": 0.5, "L3": 0.8}
    records += [
        record("node-jax", np.array(BASE) * halves[r.cell.fold], fold=r.cell.fold, protocol=r.cell.protocol)
        for r in records
    ]
    found = gains(records)
    for scope, cells in zip(map(str, SCOPES), (1, None, 1, 3), strict=True):
        if cells:
            gain = found[scope, "node-jax", "derivative-ml"]
            assert (gain.maximum.cells, gain.maximum.median) == (cells, pytest.approx(50.0))


def test_time_is_compared_on_one_hardware_only_and_both_paths_stand_apart() -> None:
    (comparison,) = compare(
        groups(
            [
                record("derivative-ml", BASE, parameters={"path": "published"}, latency=10.0),
                record("derivative-ml", BASE, parameters={"path": "vectorised"}, latency=0.1),
                record("node-jax", BASE, latency=0.001),
                record("node-torch", BASE, latency=0.001, cpu="CPU B"),
            ]
        ),
        TASKS,
        "derivative-ml",
    )
    ratios = {(r.model, r.path): r.ratio for r in comparison.ratios}
    assert ratios == {
        ("node-jax", "published"): pytest.approx(10_000.0),
        ("node-jax", "vectorised"): pytest.approx(100.0),
    }
    # One answer, two ways to it: improvement is told once.
    assert {g.baseline for g in comparison.gains if g.model == "node-jax"} == {"derivative-ml (path=vectorised)"}


def test_words_and_tables_tell_the_same_numbers() -> None:
    records = [record("derivative-ml", BASE, seed) for seed in range(5)]
    records += [record("node-jax", np.array(BASE) * (0.3 + 0.1 * seed), seed) for seed in range(5)]
    records += [record("persistence", np.array(BASE) * 0.04, role="trivial")]
    comparisons = compare(groups(records), TASKS, "derivative-ml")
    text = verdict(comparisons[0])
    assert "up to 94.38 % was not reached without a leak" in text
    assert "median over 5 seeds is 50.0 %" in text
    assert "best single seed 70.0 %" in text
    assert "Persistence, which learns nothing, reaches 96.0 %" in text
    page = markdown(comparisons, "derivative-ml")
    assert text in page
    assert "| neural ODE, as published | the 2018 pipeline | up to 94.38 |" in page
    assert "50.0 [30.0, 70.0]" in page
    assert all(len(row) == len(table[0]) for _, table in tables(comparisons[0]) for row in table)


def test_a_claim_that_is_reached_is_said_to_be_reached() -> None:
    records = [record("derivative-ml", BASE), record("node-jax", np.array(BASE) * 0.01)]
    assert "was reached without a leak" in verdict(compare(groups(records), TASKS, "derivative-ml")[0])


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.randoms())
def test_the_interval_holds_the_median_and_does_not_depend_on_order(values: list[float], random: Any) -> None:
    first = spread([np.array(values)])
    random.shuffle(values)
    assert first == spread([np.array(values)])
    assert first.best == max(values)
    assert first.lower <= np.round(first.median, 9) <= first.upper <= np.round(first.best, 9)  # they have nine decimals


def test_the_command_reads_records_and_names_what_is_missing(
    cli: Callable[..., Any], make: Any, tmp_path: Path
) -> None:
    assert "no such folder of records" in cli("compare", tmp_path / "nowhere").err
    for found in (record("derivative-ml", BASE), record("node-jax", np.array(BASE) / 2)):
        save(found, tmp_path)
    ran = cli("compare", tmp_path)
    assert ran.code == 0, ran.err
    assert "Improvement % · published, published fold" in ran.out
    assert "up to 94.38" in ran.out
    told = json.loads(cli("compare", tmp_path, "--json").out)
    assert [found["task"] for found in told["errors"]] == ["limonene"]
    assert told["speed"] == []
    assert "strains per second" not in ran.out
    for measured in (make.speed("derivative-ml", 1.0, {1: 1.0}), make.speed("node-jax", 0.001, {1: 0.001})):
        save_speed(measured, tmp_path)
    ran = cli("compare", tmp_path)
    assert ran.code == 0, ran.err
    assert "up to 94.38" in ran.out
    assert "strains per second" in ran.out
    assert re.search(r"node-jax +.*1 ms .* 1 000 ", ran.out)
    ((latencies, _),) = (found["tables"] for found in json.loads(cli("compare", tmp_path, "--json").out)["speed"])
    assert latencies[1][0][0] == "node-jax"
    assert cli("compare", tmp_path / "bench").code == 0
    misspelt = cli("compare", tmp_path, "--baseline", "derivative-mk")
    assert misspelt.code == 2
    assert "did you mean 'derivative-ml'?" in misspelt.err
