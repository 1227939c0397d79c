"""Simulated tasks from task.toml to records: folds, truth, oracle, probes; and a pathway of one's own in SBML."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omicsbench.data import fold_data
from omicsbench.errors import DataError, RequestError
from omicsbench.protocols import FoldData, poison, prepare
from omicsbench.simulated import POOL
from omicsbench.tasks import Task, find_tasks, load_task

OWN_PATHWAY = """
title = "Two steps"
citation = "made for a test"
licence = "CC0-1.0"
redistributable = true
horizon = 24.0
final_product = "P"
states = [{ name = "S", unit = "mM" }, { name = "P", unit = "mM" }]
controls = [{ name = "k1", unit = "1/h" }, { name = "Vmax", unit = "mM/h" }]

[sbml]
file = "two_step.xml"
vary = { k1 = [0.05, 0.5], Vmax = [0.1, 0.4] }
held_out = 5
strains = [3]
draws = 2
"""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICSBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def task() -> Task:
    return find_tasks()["limonene-sim"]


@pytest.fixture(scope="module")
def ten(task: Task) -> FoldData:
    return fold_data(task, task.fold("n10-d1"))


@pytest.fixture
def own_pathway(tmp_path: Path) -> Path:
    folder = tmp_path / "two-step"
    folder.mkdir()
    (folder / "task.toml").write_text(OWN_PATHWAY)
    shutil.copy(Path(__file__).parent / "kinetics" / "two_step.xml", folder)
    return folder


def test_folds_are_nested_draws_of_training_strains_and_one_set_of_held_out_ones(task: Task, ten: FoldData) -> None:
    assert [fold.name for fold in task.folds] == [f"n{n}-d{d}" for n in (2, 10, 100) for d in range(3)]
    two = fold_data(task, task.fold("n2-d1"))
    assert [s.strain for s in ten.train[:2]] == [s.strain for s in two.train]
    np.testing.assert_array_equal(ten.train[1].x, two.train[1].x)
    assert [s.strain for s in ten.held_out] == [s.strain for s in two.held_out]
    other_draw = fold_data(task, task.fold("n2-d0"))
    assert not {s.strain for s in two.train} & {s.strain for s in other_draw.train}
    assert not {s.strain for s in ten.train} & {s.strain for s in ten.held_out}
    assert len(ten.held_out) == 50


def test_strains_are_measured_like_the_real_ones(ten: FoldData) -> None:
    for strain in (*ten.train, *ten.held_out):
        assert strain.t.tolist() == [0, 4, 8, 12, 18, 24, 36, 48, 72]
        seen = (~np.isnan(strain.x)).sum(axis=0)
        assert seen.tolist() == [6, 6, 9, 9, 9, 9]


def test_the_headline_is_the_noise_free_truth(task: Task, ten: FoldData) -> None:
    split = prepare(task, "measured", ten)
    assert [target.name for target in split.targets] == ["truth", "measured"]
    truth, measured = split.targets
    assert truth.truth.shape == (50, 199, 6)
    assert np.isfinite(truth.truth).all()
    # 24 h stands on no dense point; between neighbours, noise of 5 % is what tells the two apart.
    final_truth, final_measured = truth.truth[:, -1, 5], measured.truth[:, -1, 5]
    ratio = np.log(final_measured / final_truth)
    assert 0.03 < ratio.std() < 0.07
    assert np.abs(ratio).max() > 0


def test_the_scale_does_not_change_with_the_training_strains(task: Task, ten: FoldData) -> None:
    two = fold_data(task, task.fold("n2-d0"))
    assert ten.scale is not None
    np.testing.assert_array_equal(ten.scale, two.scale)
    assert POOL == 300


def test_a_dense_task_has_one_target_without_noise() -> None:
    dense = find_tasks()["limonene-sim-dense"]
    data = fold_data(dense, dense.fold("n2-d0"))
    assert data.train[0].t.size == 200
    assert np.isfinite(data.train[0].x).all()
    assert [target.name for target in prepare(dense, "measured", data).targets] == ["truth"]


def test_the_stiff_task_shows_all_ten_pools() -> None:
    stiff = find_tasks()["limonene-sim-stiff"]
    data = fold_data(stiff, stiff.fold("n2-d0"))
    assert data.train[0].x.shape == (9, 10)
    assert np.isfinite(data.train[0].x).all()


def test_poison_reaches_no_input(task: Task, ten: FoldData) -> None:
    clean, spoiled = prepare(task, "measured", ten), prepare(task, "measured", poison(ten))
    assert clean.inputs.sha256 == spoiled.inputs.sha256
    assert clean.truth_sha256 != spoiled.truth_sha256


def test_a_refused_world_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "refused"
    folder.mkdir()
    text = (Path(find_tasks()["isopentenol-sim"].folder) / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("world = 1", "world = 6"))
    refused = load_task(folder)
    with pytest.raises(RequestError, match=r"isopentenol world 6 is refused: AtoB alone ranks the final product"):
        fold_data(refused, refused.folds[0])


def test_states_must_be_those_of_the_pathway(tmp_path: Path) -> None:
    folder = tmp_path / "renamed"
    folder.mkdir()
    text = (Path(find_tasks()["limonene-sim"].folder) / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace('name = "Mevalonate"', 'name = "Mev"'))
    renamed = load_task(folder)
    with pytest.raises(DataError, match=r"its states must be Acetyl-CoA, HMG-CoA, Mevalonate"):
        fold_data(renamed, renamed.folds[0])


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, cli: Callable[..., Any]) -> dict[str, Any]:
    """Records of the floor and the ceiling of a learning curve's first two sizes, by model and fold."""
    out = tmp_path_factory.mktemp("results")
    ran = cli(
        *("run", "--model", "persistence", "--task", "limonene-sim", "--strains", "2,3", "--draws", "1"),
        *("--out", out, "--json"),
    )
    assert ran.code == 0, ran.err
    return {f"{r['cell']['model']} {r['cell']['fold']}": r for r in json.loads(ran.out)}


def test_floor_and_ceiling_stand_in_every_table(records: dict[str, Any]) -> None:
    models = {"persistence", "mean-strain", "nearest-strain", "oracle"}
    assert set(records) == {f"{model} {fold}" for model in models for fold in ("n2-d0", "n3-d0")}
    assert {r["training_strains"] for r in records.values()} == {2, 3}


def test_the_oracle_is_the_ceiling(records: dict[str, Any]) -> None:
    oracle, idle = records["oracle n2-d0"], records["persistence n2-d0"]
    assert oracle["scores"]["truth"]["mean"]["nrmse"] < 0.05
    assert idle["scores"]["truth"]["mean"]["nrmse"] > 1.0
    assert oracle["derived"]["rank"] > 0.99
    assert oracle["derived"]["best_decile"] == 1.0
    assert oracle["derived"]["intervention_sign"] > 0.98
    assert oracle["derived"]["intervention_nrmse"] < 0.05


def test_persistence_answers_no_question_of_a_metabolic_engineer(records: dict[str, Any]) -> None:
    derived = records["persistence n2-d0"]["derived"]
    assert derived["intervention_nrmse"] == pytest.approx(1.0)
    assert derived["intervention_sign"] == 0.0
    assert derived["rank"] is None


def test_the_prediction_stands_once_whatever_its_size(records: dict[str, Any]) -> None:
    record = records["persistence n2-d0"]
    assert set(record["scores"]) == {"truth", "measured"}
    assert np.array(record["prediction"]["x"]).shape == (50, 207, 6)  # 200 of the truth and those measured
    assert not any("prediction" in scores for scores in record["scores"].values())


def test_a_simulated_task_has_no_published_protocol(cli: Callable[..., Any], tmp_path: Path) -> None:
    ran = cli("run", "--model", "persistence", "--task", "limonene-sim", "--protocol", "published", "--out", tmp_path)
    assert ran.code == 2
    assert "is simulated and has no protocol 'published'; use measured" in ran.err


def test_sizes_are_for_simulated_tasks(cli: Callable[..., Any], make_task: Callable[..., Path]) -> None:
    toy = make_task("toy-sized")
    ran = cli("run", "--model", "persistence", "--tasks-dir", toy, "--task", "toy-sized", "--strains", "2")
    assert ran.code == 2
    assert "is measured: --strains and --draws are for simulated tasks" in ran.err
    assert cli("run", "--model", "persistence", "--task", "limonene-sim", "--strains", "2,x").code == 2


def test_audit_prints_the_gate(cli: Callable[..., Any]) -> None:
    ran = cli("audit", "limonene-sim")
    assert ran.code == 0, ran.err
    assert "gate: passed" in ran.out
    assert "no input changes" in ran.out
    gate = json.loads(cli("audit", "limonene-sim", "--json").out)["gate"]
    assert max(map(abs, gate["spearman"].values())) < 0.75
    assert gate["fastest"] < 50


def test_a_pathway_of_ones_own_runs_from_sbml(cli: Callable[..., Any], own_pathway: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    ran = cli("run", "--model", "persistence", "--tasks-dir", own_pathway, "--task", "two-step", "--out", out, "--json")
    assert ran.code == 0, ran.err
    records = json.loads(ran.out)
    assert {r["cell"]["fold"] for r in records} == {"n3-d0", "n3-d1"}
    assert {r["cell"]["model"] for r in records} == {"persistence", "mean-strain", "nearest-strain"}
    assert {r["strains"] for r in records} == {5}
    data = fold_data(load_task(own_pathway), load_task(own_pathway).fold("n3-d0"))
    for strain in data.truth or ():
        k1 = strain.controls.u[0, 0, 0]
        np.testing.assert_allclose(strain.x[:, 0], 2.0 * np.exp(-k1 * strain.t), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("two_step.xml", "three_step.xml", "three_step.xml: no such file"),
        ("k1 = [", "k2 = [", "no parameter 'k2'"),
        ('name = "S"', 'name = "Z"', "no species 'Z'"),
        ("[0.05, 0.5]", "[0.5, 0.05]", "must vary between two positive bounds"),
    ],
)
def test_a_wrong_sbml_task_is_one_line(own_pathway: Path, written: str, instead: str, complaint: str) -> None:
    path = own_pathway / "task.toml"
    path.write_text(path.read_text().replace(written, instead))
    task = load_task(own_pathway)
    with pytest.raises(RequestError) as caught:
        fold_data(task, task.folds[0])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
