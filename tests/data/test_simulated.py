"""Simulated tasks from task.toml to records: folds, truth, oracle, probes; and a pathway of one's own in SBML."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from omicsbench import kinetics
from omicsbench.data import simulated
from omicsbench.data.fold import FoldData, poison
from omicsbench.data.making import make, pin
from omicsbench.data.measured import fold_data
from omicsbench.data.pinned import FILE, Pin, open_pin, packed
from omicsbench.data.protocols import prepare
from omicsbench.data.simulated import draw_strains, simulated_fold, times_of
from omicsbench.data.tasks import Fold, Task, find_tasks, load_task
from omicsbench.errors import DataError, RequestError
from omicsbench.kinetics import GATE, HELD_OUT, POOL, HeldOut, Shown, cache, spread
from omicsbench.scoring.probes import RAISE

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


@pytest.fixture(autouse=True)
def _says_everything_again() -> None:
    simulated._say.cache_clear()


SUITE = [name for name, task in find_tasks().items() if task.simulated is not None]


def copied(name: str, folder: Path, *edits: tuple[str, str], pinned: bool = True) -> Task:
    """A task of the suite in a folder of its own, with its task.toml edited; with or without its pinned file."""
    source = Path(find_tasks()[name].folder)
    folder.mkdir()
    text = (source / "task.toml").read_text()
    for before, after in (*edits, *(() if pinned else ((f'sha256 = "{sha256_of(name)}"\n', ""),))):
        assert before in text
        text = text.replace(before, after)
    (folder / "task.toml").write_text(text)
    if pinned:
        shutil.copy(source / FILE, folder)
    return load_task(folder)


def sha256_of(name: str) -> str:
    source = find_tasks()[name].simulated
    assert source is not None
    return source.sha256


def pin_of(name: str) -> Pin:
    return open_pin(Path(find_tasks()[name].folder) / FILE, sha256_of(name))


@pytest.fixture
def no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither strains nor the gate can be had."""

    def refuse(*args: object, **kwargs: object) -> Any:
        raise AssertionError("nothing may be generated")

    for name in ("virtual_strains", "sbml_strains", "require"):
        monkeypatch.setattr(kinetics, name, refuse)


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
    shutil.copy(Path(__file__).parents[1] / "kinetics" / "two_step.xml", folder)
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
    assert truth.truth.shape == (50, 36, 6)
    assert split.inputs.t.tolist() == list(range(0, 73, 2))
    assert np.isfinite(truth.truth).all()
    at = np.searchsorted(truth.index, measured.index)
    np.testing.assert_array_equal(truth.index[at], measured.index)
    ratio = np.log(measured.truth[:, -1, 5] / truth.truth[:, at[-1], 5])
    assert 0.03 < ratio.std() < 0.07


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
    split = prepare(dense, "measured", data)
    assert [target.name for target in split.targets] == ["truth"]
    assert split.targets[0].truth.shape == (50, 36, 6)
    assert split.inputs.t.tolist() == list(range(0, 73, 2))
    np.testing.assert_array_equal(split.inputs.controls.t, kinetics.DENSE_TIMES)


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
    refused = copied("isopentenol-sim", tmp_path / "refused", ("world = 1", "world = 6"), pinned=False)
    with pytest.raises(RequestError, match=r"isopentenol world 6 is refused: AtoB alone ranks the final product"):
        fold_data(refused, refused.folds[0])


def test_states_must_be_those_of_the_pathway(tmp_path: Path) -> None:
    renamed = copied("limonene-sim", tmp_path / "renamed", ('name = "Mevalonate"', 'name = "Mev"'))
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
    assert oracle["timing"] is None
    assert idle["timing"] is not None
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


def test_predictions_are_kept(records: dict[str, Any]) -> None:
    for record in records.values():
        assert record["prediction"]["t"] == list(range(0, 73, 2))
        assert np.array(record["prediction"]["x"]).shape == (50, 37, 6)
        assert record["cell"]["setting"]["data"] == sha256_of("limonene-sim")


@pytest.mark.parametrize("name", SUITE)
def test_pinned_folds_need_no_simulator(name: str, no_simulator: None, caplog: pytest.LogCaptureFixture) -> None:
    task = find_tasks()[name]
    for fold in task.folds:
        data = simulated_fold(task, fold)
        assert data.sha256 == sha256_of(name)
        assert [strain.strain for strain in data.train] == list(fold.train)
    assert caplog.records == [], "the suite's data were made by this code, with the settings of task.toml"


@pytest.mark.parametrize("name", SUITE)
def test_the_pinned_numbers_are_what_the_generator_gives(name: str) -> None:
    """Within 1e-9 of what scores are counted in: processors differ in the last digits, more so in dx/dt of fast pools,
    small differences of large fluxes."""
    task, file = find_tasks()[name], pin_of(name)
    assert task.simulated is not None
    times, sampling = times_of(task), task.simulated.sampling
    scale = file.array("scale")

    def same(kept: np.ndarray, made: np.ndarray, unit: Any = 1.0) -> None:
        assert np.isfinite(made).any()
        np.testing.assert_allclose(kept / unit, made / unit, rtol=1e-9, atol=1e-9)

    some = HeldOut.of(draw_strains(task, HELD_OUT, range(3), gated=False), times, sampling, RAISE)
    for what, made in vars(some).items():
        assert (made is not None) == (f"held-out/{what}" in file.header.arrays)
        if made is None:
            continue
        kept = file.array(f"held-out/{what}")
        units = {"x": scale, "measured": scale, "dx": kept.std(axis=(0, 1))}
        same(kept[:3], made, units.get(what, 1.0))
    train = Shown.of(draw_strains(task, 11, [0, 99], gated=False), times, sampling)
    same(file.array("train/1/x")[[0, 99]], train.x, scale)
    same(file.array("train/1/u")[[0, 99]], train.u)
    same(scale, spread(draw_strains(task, GATE, range(POOL), gated=False), times))


def bytes_of(data: FoldData) -> str:
    """A digest of every number of a fold: what models are given, the truth, the probes, what an oracle is shown."""
    assert data.truth is not None
    digest = hashlib.sha256()
    for strain in (*data.train, *data.held_out, *data.truth):
        for array in (strain.t, strain.x, strain.controls.t, strain.controls.u):
            digest.update(array.tobytes())
    known = data.reality
    probes = (known.probes.x, known.probes.u, known.probes.x0, known.probes.controls.t, known.probes.controls.u)
    for array in (*probes, known.reality.dx, known.reality.response, known.oracle.pools, data.scale):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("limonene-sim", "f5ee76ce847a96fe"),
        ("isopentenol-sim", "11bb23cc9a99bd96"),
        ("limonene-sim-dense", "c6d9c5e2857b5309"),
        ("limonene-sim-stiff", "eea73ee6f896b94c"),
    ],
)
def test_a_fold_is_the_same_bytes_on_every_machine(name: str, wanted: str) -> None:
    """Nothing that a processor may do otherwise happens between the file and the fold."""
    task = find_tasks()[name]
    assert bytes_of(simulated_fold(task, task.fold("n10-d1"))) == wanted


def test_beyond_the_pinned_strains_only_the_others_are_generated(
    task: Task, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []
    made = kinetics.virtual_strains

    def spy(pathway: Any, world: int, number: int, ks: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append((number, list(ks)))
        return made(pathway, world, number, ks, *args, **kwargs)

    monkeypatch.setattr(kinetics, "virtual_strains", spy)
    monkeypatch.setattr(kinetics, "require", lambda *args: pytest.fail("a pinned task has passed the gate"))
    more = simulated_fold(task, task.fold("n102-d1"))
    assert asked == [(11, [100, 101])]
    hundred = simulated_fold(task, task.fold("n100-d1"))
    for kept, same in zip(hundred.train, more.train, strict=False):
        np.testing.assert_array_equal(kept.x, same.x)
        np.testing.assert_array_equal(kept.controls.u, same.controls.u)
    assert hundred.sha256 == sha256_of("limonene-sim") != more.sha256
    another = simulated_fold(task, task.fold("n2-d3"))
    assert asked[1:] == [(13, [0, 1])]
    np.testing.assert_array_equal(another.truth[0].x, hundred.truth[0].x)  # type: ignore[index]
    assert [record.getMessage() for record in caplog.records] == [
        "limonene-sim: strains beyond those pinned (50 held out, 3 draws of 100) are generated"
    ]


def test_strains_come_in_the_order_of_their_names(task: Task) -> None:
    mixed = simulated_fold(task, Fold("mixed", held_out=("V0-7", "V0-2"), train=("V10-1", "V10-100", "V10-0")))
    two, alone = simulated_fold(task, task.fold("n2-d0")), draw_strains(task, 10, [100], gated=False)
    assert [strain.strain for strain in mixed.train] == ["V10-1", "V10-100", "V10-0"]
    np.testing.assert_array_equal(mixed.train[0].x, two.train[1].x)
    np.testing.assert_array_equal(mixed.train[2].x, two.train[0].x)
    np.testing.assert_allclose(mixed.train[1].x, Shown.of(alone, times_of(task), "measured").x[0], rtol=1e-9)
    np.testing.assert_array_equal(mixed.held_out[0].x, two.held_out[7].x)
    np.testing.assert_array_equal(mixed.reality.oracle.pools[1], two.reality.oracle.pools[2])


def test_strains_beyond_the_held_out_ones_are_generated(task: Task) -> None:
    beyond = simulated_fold(task, Fold("beyond", held_out=("V0-0", "V0-50"), train=("V10-0",)))
    kept = simulated_fold(task, task.fold("n2-d0"))
    np.testing.assert_allclose(beyond.truth[0].x, kept.truth[0].x, rtol=1e-9)  # type: ignore[index]
    assert beyond.sha256 != kept.sha256


@pytest.mark.parametrize("train", [(), ("S1",), ("V10-0", "V11-0")])
def test_a_fold_names_strains_of_one_set(task: Task, train: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"fold 'odd' must name .* as in V0-3"):
        simulated_fold(task, Fold("odd", held_out=("V0-0",), train=train))


SMALL = (("held_out = 50", "held_out = 3"), ("strains = [2, 10, 100]", "strains = [2]"), ("draws = 3", "draws = 1"))


def test_other_settings_than_the_pinned_ones_generate_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shorter = copied("limonene-sim", tmp_path / "shorter", ("horizon = 72.0", "horizon = 48.0"), *SMALL)
    data = simulated_fold(shorter, shorter.folds[0])
    assert [record.getMessage() for record in caplog.records] == [
        "shorter: its strains.zip was made with horizon 72, task.toml says 48: strains are generated; "
        "`omicsbench data make shorter` pins them"
    ]
    assert data.sha256 != sha256_of("limonene-sim")
    assert data.truth is not None
    assert (data.truth[0].t[-1], data.truth[0].t.size, data.train[0].t[-1]) == (48.0, 37, 48.0)
    assert len(data.held_out) == 3

    caplog.clear()
    pin(shorter, make(shorter))
    again = load_task(tmp_path / "shorter")
    kept = simulated_fold(again, again.folds[0])
    assert caplog.records == []
    assert kept.sha256 == again.simulated.sha256  # type: ignore[union-attr]
    for one, other in ((kept.train, data.train), (kept.held_out, data.held_out), (kept.truth, data.truth)):
        np.testing.assert_allclose(np.stack([s.x for s in one]), np.stack([s.x for s in other]), rtol=1e-11)  # type: ignore[union-attr]
    for name in ("dx", "response"):
        np.testing.assert_allclose(getattr(kept.reality.reality, name), getattr(data.reality.reality, name), rtol=1e-11)
    # Interventions are judged at the task's own last time.
    assert kept.reality.probes.horizon == 48.0
    assert not np.allclose(kept.reality.reality.response, pin_of("limonene-sim").array("held-out/response")[:3])


def test_another_simulator_than_the_pins_is_said(
    tmp_path: Path, no_simulator: None, caplog: pytest.LogCaptureFixture
) -> None:
    file = pin_of("limonene-sim")
    arrays = {name: file.array(name) for name in file.header.arrays}
    assert packed(file.header, arrays) == file.path.read_bytes(), "what was rounded once is not rounded again"
    content = packed(msgspec.structs.replace(file.header, code="0" * 64), arrays)
    old = copied("limonene-sim", tmp_path / "old")
    pin(old, content)
    old = load_task(tmp_path / "old")
    data = simulated_fold(old, old.folds[0])
    assert [record.getMessage() for record in caplog.records] == [
        "old: its data are pinned and were made by another simulator than this code; "
        "`omicsbench data make old` makes them again"
    ]
    np.testing.assert_array_equal(data.train[0].x, file.array("train/0/x")[0])


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "garbage"])
def test_a_damaged_file_is_one_line(cli: Callable[..., Any], tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "damaged"
    copied("limonene-sim", folder)
    path = folder / FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    after = {"missing": None, "truncated": content[:1000], "garbage": b"no zip"}.get(damage, content)
    path.unlink()
    if after is not None:
        path.write_bytes(after)
    ran = cli("run", "--model", "persistence", "--tasks-dir", folder, "--task", "damaged", "--out", tmp_path / "out")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith(f"error: {path}: ")
    assert (
        "No such file" in ran.err
        if after is None
        else f"but the task wants {sha256_of('limonene-sim')[:12]}" in ran.err
    )
    assert "make it again by `omicsbench data make damaged`" in ran.err
    assert (path.read_bytes() if path.exists() else None) == after


def test_generated_strains_are_known_by_all_that_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit of the settings or of the simulator makes other data, a comment does not."""
    copy = tmp_path / "kinetics"
    shutil.copytree(Path(cache.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    own = copied("limonene-sim", tmp_path / "own", *SMALL, pinned=False)

    def identity(task: Task = own) -> str:
        cache._code.cache_clear()
        return simulated._content(task, None)

    before = identity()
    assert before == simulated_fold(own, own.folds[0]).sha256
    monkeypatch.setattr(cache, "_HOME", copy)
    text = (copy / "sampling.py").read_text()
    (copy / "sampling.py").write_text("# a comment\n" + text)
    assert identity() == before
    (copy / "sampling.py").write_text(text.replace("NOISE = 0.05", "NOISE = 0.04"))
    assert identity() != before
    (copy / "sampling.py").write_text(text)
    assert identity() == before
    assert identity(msgspec.structs.replace(own, horizon=71.0)) != before
    monkeypatch.setattr(kinetics, "GENERATOR", 2)
    assert identity() != before
    cache._code.cache_clear()


def test_an_sbml_task_is_known_by_its_file_and_integrator(own_pathway: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task(own_pathway)
    before = simulated._content(task, None)
    monkeypatch.setattr(kinetics, "roadrunner_version", lambda: "0.0")
    assert simulated._content(task, None) != before
    monkeypatch.undo()
    assert simulated._content(task, None) == before
    path = own_pathway / "two_step.xml"
    path.write_text(path.read_text() + "<!-- edited -->")
    assert simulated._content(task, None) != before


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


def test_a_pathway_of_ones_own_is_pinned_like_the_suites(
    cli: Callable[..., Any], own_pathway: Path, request: pytest.FixtureRequest
) -> None:
    """Once pinned it needs no libRoadRunner."""
    made = cli("data", "make", "two-step", "--tasks-dir", own_pathway)
    assert made.code == 0, made.err
    task = load_task(own_pathway)
    assert task.sbml is not None
    assert task.sbml.sha256 in made.out
    request.getfixturevalue("no_simulator")
    data = simulated_fold(task, task.fold("n3-d1"))
    assert data.sha256 == task.sbml.sha256
    assert data.reality is None
    assert (len(data.held_out), len(data.train)) == (5, 3)


def test_an_sbml_file_that_was_edited_since_generates_and_says_so(
    cli: Callable[..., Any], own_pathway: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert cli("data", "make", "two-step", "--tasks-dir", own_pathway).code == 0
    path, task = own_pathway / "two_step.xml", load_task(own_pathway)
    before, pinned = hashlib.sha256(path.read_bytes()).hexdigest(), simulated_fold(task, task.folds[0])
    path.write_text(path.read_text() + "<!-- edited -->\n")
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    data = simulated_fold(task, task.folds[0])
    assert [record.getMessage() for record in caplog.records] == [
        f"two-step: its strains.zip was made with model {before[:12]}…, task.toml says {now[:12]}…: "
        "strains are generated; `omicsbench data make two-step` pins them"
    ]
    assert data.sha256 != pinned.sha256
    np.testing.assert_allclose(data.train[0].x, pinned.train[0].x, rtol=1e-9)
