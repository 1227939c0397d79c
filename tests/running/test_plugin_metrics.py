"""A plugin's metric that fails, in whatever way, is null and named; the cell and the scores of the core stand."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from omicsbench.records import Record
from omicsbench.running.runner import Settings, run

PLUGIN = """
from omicsbench.scoring.metrics import Metric


def worst(s):
    return np.nanmax(np.abs(s.prediction - s.truth), axis=(0, 1))


def fails(s):
    raise ValueError("no luck\\nat all")


def leaves(s):
    sys.exit("that is all")


def dies(s):
    os._exit(3)


def sleeps(s):
    time.sleep(600)


def one(s):
    return 1.0


@hookimpl
def omicsbench_metrics():
    metrics = [
        Metric(function.__name__, "", "1", "lower", function) for function in (worst, fails, leaves, dies, sleeps, one)
    ]
    return [Metric("native", "", "native", "lower", worst), *metrics]
"""


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def records(
    bench: Any,
    make_task: Callable[..., Path],
    make_plugin: Callable[[str, str], Path],
    tmp_path_factory: pytest.TempPathFactory,
    told: list[str],
) -> list[Record]:
    registry = bench.registry(make_plugin("plugin_bad_metrics", PLUGIN))
    cells = bench.plan(make_task(), ["persistence"])
    assert len(cells) == 2
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as executor:
        patch.setattr("omicsbench.running.plugin_metrics.LIMIT", 1.5)
        began = time.monotonic()
        settings = Settings(latency_budget=0.01)
        found = list(run(cells, tmp_path_factory.mktemp("out"), executor, 1, settings, registry))
        assert time.monotonic() - began < 20
    told += [f"{problem.plugin}: {problem.reason}" for problem in registry.problems]
    return found


def test_the_cells_are_fine(records: list[Record]) -> None:
    for record in records:
        assert record.status == "ok"
        (scores,) = record.scores.values()
        assert scores.mean["nrmse"] is not None
        assert [value is not None for value in scores.per_state["rmse"]] == [True, True]


def test_a_metric_that_works_is_beside_the_cores(records: list[Record]) -> None:
    for record in records:
        (scores,) = record.scores.values()
        assert scores.per_state["worst"] == scores.per_state["native"]
        assert None not in scores.per_state["worst"]
        assert scores.mean["worst"] == pytest.approx(sum(filter(None, scores.per_state["worst"])) / 2)
        assert "native" not in scores.mean


@pytest.mark.parametrize("name", ["fails", "leaves", "dies", "sleeps", "one"])
def test_a_metric_that_fails_is_null(records: list[Record], name: str) -> None:
    for record in records:
        (scores,) = record.scores.values()
        assert scores.per_state[name] == [None, None]
        assert scores.mean[name] is None


def test_each_is_named_once(records: list[Record], told: list[str]) -> None:
    assert len(records) == 2
    given_up = "; it is not tried again in this run"
    assert told == [
        "plugin_bad_metrics: metric 'fails' failed: ValueError: no luck at all",
        "plugin_bad_metrics: metric 'leaves' failed: SystemExit: that is all",
        "plugin_bad_metrics: metric 'dies' failed: WorkerDied: the worker process ended with exit code 3" + given_up,
        "plugin_bad_metrics: metric 'sleeps' failed: TimeoutError: not finished after 1.5 s" + given_up,
        "plugin_bad_metrics: metric 'one' must give one value a state (2,), got ()",
    ]
