"""Sweeps: the same request gives the same result, held-out values reach nobody, finished cells are skipped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from omicsbench.data.tasks import find_tasks, load_task
from omicsbench.errors import RecordError, RequestError
from omicsbench.records import Prediction, Record, encode, load, path_of
from omicsbench.records.environment import gpus
from omicsbench.running.planning import finished

MakeTask = Callable[..., Path]
BASELINES = ("persistence", "mean-strain", "nearest-strain")

PLUGIN = '''
class Learner(Model):
    """Uses all it may: training states, controls, its seed, and the global random numbers it should not use."""

    def __init__(self, *, seed: int, device: str, gain: float = 1.0):
        self.seed, self.gain = seed, gain

    def fit(self, train, task, progress):
        self.level = np.nanmean(np.concatenate([strain.x for strain in train]), axis=0)
        shape = len(task.controls), len(task.states)
        self.weights = np.random.default_rng(self.seed).normal(size=shape) + np.random.normal(size=shape)

    def simulate(self, x0, t, controls):
        drive = np.tanh(np.log1p(np.abs(controls.at(t))) @ self.weights)
        x = x0[:, None] + self.gain * self.level * (drive - drive[:, :1])
        return Simulation(x, np.zeros(len(x0), dtype=np.int64), samples=x + np.zeros((3, 1, 1, 1)))


class Recorder(Model):
    """Says in its record what it was given: the hash of the training strains with those of each simulation."""

    def __init__(self, *, seed: int, device: str):
        self.given = set()

    def fit(self, train, task, progress):
        self.train = hashlib.sha256()
        for strain in train:
            self.train.update(strain.strain.encode())
            self.feed(self.train, strain.t, strain.x, strain.controls.t, strain.controls.u)

    @staticmethod
    def feed(digest, *arrays):
        for array in arrays:
            digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())

    def simulate(self, x0, t, controls):
        digest = self.train.copy()
        self.feed(digest, x0, t, controls.t, controls.u)
        self.given.add(digest.hexdigest())
        return held(x0, t)

    def describe(self):
        return {"given": sorted(self.given)}


@hookimpl
def omicsbench_models():
    return [
        ModelSpec("learner", "sweeping:Learner"),
        ModelSpec("recorder", "sweeping:Recorder"),
        ModelSpec("settled", "sweeping:Recorder", deterministic=True),
        ModelSpec("on-gpu", "sweeping:Learner", devices=("cpu", "cuda")),
    ]
'''


@pytest.fixture(scope="module")
def toy(make_task: MakeTask) -> Path:
    return make_task()


@pytest.fixture(scope="module")
def plugins(make_plugin: Callable[[str, str], Path]) -> Path:
    return make_plugin("sweeping", PLUGIN)


def essence(record: Record) -> bytes:
    """All of a record that the same request must give again, bit by bit."""
    assert record.status == "ok", record.error
    kept = (record.key, record.scores, record.details, record.nfe, record.prediction)
    return b"".join(encode(part) if isinstance(part, Prediction) else msgspec.json.encode(part) for part in kept)


def test_jobs_and_order_change_nothing(bench: Any, toy: Path, plugins: Path, tmp_path: Path) -> None:
    models = ["learner", "mean-strain", "recorder"]
    request = {"plugins": plugins, "seeds": 2, "protocols": ("measured", "published")}
    straight = bench.run(bench.plan(toy, models, **request), jobs=1, out=tmp_path / "1")
    turned = bench.plan(toy, models[::-1], **request)[::-1]
    parallel = bench.run(turned, jobs=2, out=tmp_path / "2")
    assert len(straight) == len(parallel) == 2 * 2 * (2 + 1 + 2)
    assert {record.key: essence(record) for record in straight} == {record.key: essence(record) for record in parallel}


def test_seeds_parameters_and_folds_change_a_result(bench: Any, toy: Path, plugins: Path, tmp_path: Path) -> None:
    cells = bench.plan(toy, ["learner"], plugins, seeds=2)
    cells += bench.plan(toy, ["learner"], plugins, folds=["S1"], given={"learner": {"gain": "2"}})
    records = bench.run(cells, out=tmp_path)
    assert len(records) == len({record.key for record in records}) == 5
    assert len({json.dumps(msgspec.to_builtins(record.scores)) for record in records}) == 5
    assert {record.cell.parameters["gain"] for record in records} == {1.0, 2.0}


def test_every_model_is_given_the_same_and_its_record_says_what(
    bench: Any, toy: Path, plugins: Path, tmp_path: Path
) -> None:
    request = {"plugins": plugins, "protocols": ("measured", "published", "published-leaky")}
    cells = bench.plan(toy, ["recorder", "settled"], **request)
    inputs = {one.cell.key: one.split.inputs.sha256 for one in cells}
    by_split: dict[tuple[str, str], set[str]] = {}
    for record in bench.run(cells, out=tmp_path):
        by_split.setdefault((record.cell.protocol, record.cell.fold), set()).add(inputs[record.key])
        assert inputs[record.key] in record.details["given"]  # what it was given is what the harness says
    assert len(by_split) == 6
    assert all(len(hashes) == 1 for hashes in by_split.values())
    assert len(set.union(*by_split.values())) == 6


def poisoned_csv(text: str, strain: str, states: Sequence[str], strain_column: str, time_column: str) -> str:
    """The file with every measured state of a strain but x(0) replaced."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        if row[strain_column] == strain and float(row[time_column]) > 0:
            row.update({state: "1e6" for state in states if row[state]})
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def predictions(record: Record) -> Any:
    assert record.status == "ok", record.error
    assert record.prediction is not None
    return record.prediction


def compare_poisoned(
    bench: Any, clean: Path, poisoned: Path, models: Sequence[str], fold: str, plugins: Path, out: Path
) -> dict[str, bool]:
    """By protocol, whether no model noticed; each model is asked for both tasks in the same worker."""
    protocols = ("measured", "published", "published-leaky")
    request = {"plugins": plugins, "protocols": protocols, "folds": [fold]}
    unmoved = dict.fromkeys(protocols, True)
    for model in models:
        cells = [cell for task in (clean, poisoned) for cell in bench.plan(task, [model], **request)]
        found = {record.key: record for record in bench.run(cells, out=out)}
        for one, other in zip(cells[:3], cells[3:], strict=True):
            assert one.split.truth_sha256 != other.split.truth_sha256
            same = one.split.inputs.sha256 == other.split.inputs.sha256
            same &= predictions(found[one.cell.key]) == predictions(found[other.cell.key])
            unmoved[one.cell.protocol] &= same
    return unmoved


CLEAN = {"measured": True, "published": True, "published-leaky": False}


def test_poisoned_held_out_values_change_no_prediction(
    bench: Any, make_task: MakeTask, plugins: Path, toy: Path, toy_csv: str, tmp_path: Path
) -> None:
    poisoned = make_task(csv=poisoned_csv(toy_csv, "S2", ("A", "P"), "Strain", "Hour"))
    assert compare_poisoned(bench, toy, poisoned, (*BASELINES, "learner"), "S2", plugins, tmp_path) == CLEAN


def test_poisoned_measured_strains_change_no_prediction(
    bench: Any, measured_data: Path, plugins: Path, tmp_path: Path
) -> None:
    task = find_tasks()["isopentenol"]
    source = task.source
    assert source is not None
    text = (measured_data / source.file).read_text(encoding="utf-8-sig")
    folders = []
    for name, content in (
        ("clean", text),
        ("poisoned", poisoned_csv(text, "I2", task.info.states, source.strain_column, source.time_column)),
    ):
        folder = tmp_path / name / task.name
        folder.mkdir(parents=True)
        (folder / source.file).write_text(content)
        toml = (Path(task.folder) / "task.toml").read_text(encoding="utf-8")
        digest = hashlib.sha256(content.encode()).hexdigest()
        (folder / "task.toml").write_text(toml.replace(source.sha256, digest))
        folders.append(folder)
    assert (
        compare_poisoned(bench, *folders, ("nearest-strain", "learner"), "I2", plugins, tmp_path / "results") == CLEAN
    )


def test_a_stored_prediction_gives_the_stored_scores(bench: Any, toy: Path, plugins: Path, tmp_path: Path) -> None:
    from omicsbench.scoring.cell import rescore

    (cell,) = bench.plan(toy, ["learner"], plugins, folds=["S1"])
    (record,) = bench.run([cell], out=tmp_path)
    again = load(path_of(record.cell, tmp_path))
    assert again == record
    (target,) = cell.split.targets
    assert again.prediction is not None
    scores = rescore(again.prediction, target, cell.split, cell.task.counted)
    assert scores is not None
    for name in ("rmse", "nrmse", "r2", "final_error", "negative_share"):
        assert scores.per_state[name] == again.scores["measured"].per_state[name]
    # All samples are the prediction itself.
    for name in ("crps", "coverage90"):
        assert all(value is not None for value in again.scores["measured"].per_state[name])


def test_a_record_says_where_it_ran(bench: Any, toy: Path, plugins: Path, tmp_path: Path) -> None:
    (record,) = bench.run(bench.plan(toy, ["learner"], plugins, folds=["S2"]), out=tmp_path)
    assert record.environment is not None
    assert record.environment.threads == 1
    assert record.environment.packages["numpy"] == np.__version__
    assert record.peak_memory_mb is not None
    assert record.peak_memory_mb > 10
    assert record.cell.distribution == "sweeping.py"
    assert record.cell.version.startswith("sha256:")
    assert (record.strains, record.states) == (1, ["A", "P"])


def test_deterministic_models_run_one_seed(bench: Any, toy: Path, plugins: Path) -> None:
    cells = bench.plan(toy, ["recorder", "settled"], plugins, seeds=3, folds=["S1"], baselines=True)
    seeds: dict[str, list[int]] = {}
    for planned in cells:
        seeds.setdefault(planned.cell.model, []).append(planned.cell.seed)
    assert seeds == {"recorder": [0, 1, 2], "settled": [0]} | {name: [0] for name in BASELINES}


def test_all_means_every_model_that_is_no_baseline(bench: Any, toy: Path, plugins: Path) -> None:
    cells = bench.plan(toy, ["all"], plugins, folds=["S1"], baselines=True)
    assert [planned.cell.model for planned in cells] == [*BASELINES, "learner", "recorder", "settled", "on-gpu"]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"models": ["lerner"]}, "unknown model 'lerner': did you mean 'learner'?"),
        ({"folds": ["S3"]}, "task 'toy' has no fold 'S3'"),
        ({"protocols": ["publishd"]}, "unknown protocol 'publishd': did you mean 'published'?"),
        ({"given": {"": {"gian": "1"}}}, "no model of this run has a parameter 'gian': did you mean 'gain'?"),
        ({"given": {"learner": {"gian": "1"}}}, "model 'learner' has no parameter 'gian': did you mean 'gain'?"),
        ({"given": {"lerner": {"gain": "1"}}}, "parameters are given for model 'lerner', which is not run"),
        ({"given": {"": {"gain": "much"}}}, "parameter 'gain' of model 'learner' takes float, got 'much'"),
    ],
    ids=str,
)
def test_what_cannot_be_planned_is_said(
    bench: Any, toy: Path, plugins: Path, request_: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RequestError) as error:
        bench.plan(toy, **({"models": ["learner"], "plugins": plugins} | request_))
    assert str(error.value).startswith(complaint)


@pytest.mark.skipif(bool(gpus()), reason="an NVIDIA GPU is here")
def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(bench: Any, toy: Path, plugins: Path) -> None:
    with pytest.raises(RequestError, match="device cuda: no NVIDIA GPU is to be seen here"):
        bench.plan(toy, ["on-gpu"], plugins, device="cuda")
    assert {planned.cell.device for planned in bench.plan(toy, ["on-gpu"], plugins)} == {"cpu"}


def test_the_record_of_another_cell_is_named(bench: Any, toy: Path, plugins: Path, tmp_path: Path) -> None:
    one, other = bench.plan(toy, ["learner"], plugins, folds=["S1"], seeds=2)
    (record,) = bench.run([one], out=tmp_path)
    assert finished(one, tmp_path, retry_failed=False) == (record, [])
    assert finished(other, tmp_path, retry_failed=False) == (None, [])
    path_of(one.cell, tmp_path).rename(path_of(other.cell, tmp_path))
    with pytest.raises(RecordError, match="holds the record of another cell \\(toy/measured/S1/learner/s0\\)"):
        finished(other, tmp_path, retry_failed=False)


def test_a_request_over_several_tasks_takes_the_folds_each_has(toy: Path, make_task: MakeTask, bench: Any) -> None:
    from omicsbench.running.planning import Request, plan

    other = make_task("other", toml=lambda text: text.replace('name = "S2"', 'name = "middle"'))
    tasks = [load_task(toy), load_task(other)]
    cells = plan(Request(tasks=tasks, models=["persistence"], folds=["middle"]), bench.registry())
    assert {(planned.cell.task, planned.cell.fold) for planned in cells} == {("other", "middle")}
    with pytest.raises(RequestError, match=r"no task of this run has a fold 'midle': did you mean 'middle'\?"):
        plan(Request(tasks=tasks, models=["persistence"], folds=["midle"]), bench.registry())
