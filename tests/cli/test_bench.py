"""``omicsbench bench``: records, a table, a plot, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omicsbench.environment import gpus
from omicsbench.speed_records import find, load

pytestmark = pytest.mark.xdist_group("timing")
QUICK = ("--limit", "0.05", "--batches", "10,1")


@pytest.fixture(scope="module")
def toy(make_task: Callable[..., Path]) -> tuple[str, ...]:
    return "--task", "toy", "--tasks-dir", str(make_task())


def test_it_leaves_records_a_table_and_a_plot(cli: Callable[..., Any], toy: tuple[str, ...], tmp_path: Path) -> None:
    models = ("--model", "persistence", "--model", "mean-strain", "--baseline", "mean-strain")
    ran = cli("bench", *models, *toy, *QUICK, "--out", tmp_path)
    assert ran.code == 0, ran.err
    records = [load(path) for path in find(tmp_path)]
    assert {record.cell.model for record in records} == {"persistence", "mean-strain"}
    # The published fold is taken where none is named.
    assert {record.cell.fold for record in records} == {"S2"}
    assert all([point.strains for point in record.throughput] == [1, 10] for record in records)
    assert "× mean-strain" in ran.out
    assert "B = 10" in ran.out
    assert f"plot: {tmp_path / 'bench' / 'speed.html'}" in ran.out
    assert "persistence from" in (tmp_path / "bench" / "speed.html").read_text()


def test_json_is_the_records(cli: Callable[..., Any], toy: tuple[str, ...], tmp_path: Path) -> None:
    ran = cli("bench", "--model", "persistence", *toy, *QUICK, "--fold", "S1", "--out", tmp_path, "--json")
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)
    assert found["cell"]["fold"] == "S1"
    assert found["timing"]["latency"]["repeats"] >= 1
    assert load(Path(found["path"])).key == found["key"]


def test_a_failed_model_is_exit_code_1(
    cli: Callable[..., Any], make_plugin: Callable[[str, str], Path], toy: tuple[str, ...], tmp_path: Path
) -> None:
    body = """
class Hopeless(Model):
    def __init__(self, *, seed: int, device: str, how: str = "badly"):
        self.how = how

    def fit(self, train, task, progress):
        raise RuntimeError(f"it went {self.how}")

    def simulate(self, x0, t, controls):
        return held(x0, t)


@hookimpl
def omicsbench_models():
    return [ModelSpec("hopeless", "hopeless_model:Hopeless")]
"""
    plugins = make_plugin("hopeless_model", body)
    asked = ("bench", "--variant", "hopeless:how=well", *toy, *QUICK, "--plugins-dir", plugins, "--out", tmp_path)
    ran = cli(*asked)
    assert ran.code == 1
    assert "hopeless: failed: RuntimeError: it went well" in ran.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "nothing to measure: name a --model or a --variant"),
        (("--model", "persistense"), "unknown model 'persistense': did you mean 'persistence'?"),
        (("--variant", "persistence"), "--variant 'persistence': must be MODEL:NAME=VALUE"),
        (("--variant", "persistence:path"), "--variant 'persistence:path': must be MODEL:NAME=VALUE"),
        (("--model", "persistence", "--fold", "S9"), "task 'toy' has no fold 'S9'"),
        (("--model", "persistence", "--batches", "0"), "give numbers from 1 to"),
        (("--model", "persistence", "--baseline", "nothing"), "unknown model 'nothing'"),
    ],
    ids=str,
)
def test_what_cannot_be_measured_is_said(
    cli: Callable[..., Any], toy: tuple[str, ...], tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    ran = cli("bench", *arguments, *toy, "--out", tmp_path)
    assert ran.code == 2
    assert complaint in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(bool(gpus()), reason="an NVIDIA GPU is here")
def test_without_a_gpu_cuda_is_refused_and_all_is_the_cpu(
    cli: Callable[..., Any], toy: tuple[str, ...], tmp_path: Path
) -> None:
    asked = ("bench", "--model", "persistence", *toy, *QUICK, "--out", tmp_path)
    refused = cli(*asked, "--device", "cuda")
    assert refused.code == 2
    assert "device cuda: no NVIDIA GPU is to be seen here" in refused.err
    ran = cli(*asked, "--device", "all")
    assert ran.code == 0, ran.err
    assert "only the CPU is measured" in ran.err


def test_without_the_measured_data_the_simulated_task_is_measured(cli: Callable[..., Any], tmp_path: Path) -> None:
    # An address that cannot be reached: a proxy that is not there.
    offline = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    ran = cli("bench", "--model", "persistence", *QUICK, "--out", tmp_path, **offline)
    assert ran.code == 0, ran.err
    assert "limonene-sim is measured instead of limonene" in ran.err
    assert {load(path).cell.task for path in find(tmp_path)} == {"limonene-sim"}
