"""Protocols: what a model is given, where it is scored, and that nothing held out reaches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from omicsbench.baselines.model import MeanStrain, NearestStrain, Persistence
from omicsbench.data.fold import FoldData, out_of_range, poison
from omicsbench.data.measured import fold_data
from omicsbench.data.protocols import PROTOCOLS, prepare, protocol_of
from omicsbench.data.tasks import Task, find_tasks, load_task
from omicsbench.errors import RequestError
from omicsbench.scoring.cell import score_simulation
from omicsbench.split import Split

MakeTask = Callable[..., Path]
MEASURED_TASKS = ("limonene", "isopentenol")


@pytest.fixture(scope="module")
def toy(make_task: MakeTask) -> Task:
    return load_task(make_task())


@pytest.fixture(scope="module")
def toy_data(toy: Task) -> FoldData:
    return fold_data(toy, toy.fold("S2"))


def test_measured_gives_what_was_measured_and_scores_later_times(toy: Task, toy_data: FoldData) -> None:
    split = prepare(toy, "measured", toy_data)
    assert split.inputs.train == toy_data.train
    np.testing.assert_array_equal(split.inputs.t, [0, 8, 16, 24])
    np.testing.assert_array_equal(split.inputs.x0, [[1.1, 0.0]])
    (target,) = split.targets
    assert target.name == "measured"
    np.testing.assert_array_equal(split.inputs.t[target.index], [8, 16, 24])
    np.testing.assert_array_equal(target.truth, [[[3.5, 0.6], [np.nan, 1.4], [3.0, 2.5]]])
    states = np.concatenate([strain.x for strain in toy_data.train])
    np.testing.assert_allclose(split.scale, np.nanstd(states, axis=0))


def test_several_strains_held_out_share_their_times(make_task: MakeTask) -> None:
    task = load_task(make_task(toml=lambda text: text.replace('["S2"]', '["S3", "S1"]', 1)))
    split = prepare(task, "measured", fold_data(task, task.fold("S2")))
    assert split.held_out == ("S3", "S1")
    np.testing.assert_array_equal(split.inputs.t, [0, 4, 8, 24])
    np.testing.assert_array_equal(split.inputs.x0, [[0.9, 0.1], [1.0, 0.0]])
    np.testing.assert_array_equal(split.targets[0].truth[:, :, 0], [[np.nan, 4.5, np.nan], [2.0, 2.5, 2.0]])


def test_published_gives_and_scores_200_points(toy: Task, toy_data: FoldData) -> None:
    split = prepare(toy, "published", toy_data)
    points = np.linspace(0.0, 24.0, 200)
    for strain in split.inputs.train:
        np.testing.assert_allclose(strain.t, points)
        assert strain.x.shape == (200, 2)
        assert np.isfinite(strain.x).all()
    assert [strain.strain for strain in split.inputs.train] == ["S1", "S3"]
    assert split.targets[0].name == "interpolated"
    assert split.targets[0].truth.shape == (1, 200, 2)
    np.testing.assert_array_equal(split.inputs.x0, [[1.1, 0.0]])


def test_published_leaky_trains_on_the_held_out_strain_and_is_never_ranked(toy: Task, toy_data: FoldData) -> None:
    clean, leaky = prepare(toy, "published", toy_data), prepare(toy, "published-leaky", toy_data)
    assert [strain.strain for strain in leaky.inputs.train] == ["S1", "S3", "S2"]
    assert leaky.truth_sha256 == clean.truth_sha256
    assert [name for name, protocol in PROTOCOLS.items() if not protocol.ranked] == ["published-leaky"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_arrays_of_a_split_are_read_only(toy: Task, toy_data: FoldData, protocol: str) -> None:
    split = prepare(toy, protocol, toy_data)
    inputs = split.inputs
    arrays = [inputs.x0, inputs.t, inputs.controls.t, inputs.controls.u, split.scale]
    arrays += [array for target in split.targets for array in (target.index, target.truth)]
    arrays += [array for strain in inputs.train for array in (strain.t, strain.x, strain.controls.u)]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("strain", ["S1,0,100,50,,0.0,0.1", "S1,1,100,50,1.0,0.0,0.1"], ids=["hole", "later"])
def test_a_strain_without_a_measured_start_cannot_be_held_out(make_task: MakeTask, toy_csv: str, strain: str) -> None:
    task = load_task(make_task(csv=toy_csv.replace("S1,0,100,50,1.0,0.0,0.1", strain)))
    for protocol in PROTOCOLS:
        with pytest.raises(RequestError, match="strain 'S1' cannot be held out: a state is not measured at 0 h"):
            prepare(task, protocol, fold_data(task, task.fold("S1")))
        prepare(task, protocol, fold_data(task, task.fold("S2")))


def test_an_unknown_protocol_comes_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"unknown protocol 'measurd': did you mean 'measured'\?"):
        protocol_of("measurd")


def test_out_of_range_is_of_peaks_and_both_ways(toy: Task, make_task: MakeTask) -> None:
    # Peaks of E1, E2: S1 300, 90; S2 500, 60; S3 900, 70.
    np.testing.assert_allclose(out_of_range(fold_data(toy, toy.fold("S1"))), [500 / 300, 90 / 70])
    np.testing.assert_allclose(out_of_range(fold_data(toy, toy.fold("S2"))), [1.0, 70 / 60])


@pytest.mark.parametrize("protocol", ["measured", "published"])
def test_poison_reaches_no_input(toy: Task, toy_data: FoldData, protocol: str) -> None:
    clean, poisoned = prepare(toy, protocol, toy_data), prepare(toy, protocol, poison(toy_data))
    assert clean.inputs.sha256 == poisoned.inputs.sha256
    np.testing.assert_array_equal(clean.scale, poisoned.scale)
    assert clean.truth_sha256 != poisoned.truth_sha256


def test_poison_shows_the_leak_of_published_leaky(toy: Task, toy_data: FoldData) -> None:
    clean, poisoned = prepare(toy, "published-leaky", toy_data), prepare(toy, "published-leaky", poison(toy_data))
    assert clean.inputs.sha256 != poisoned.inputs.sha256


def test_poison_leaves_start_holes_and_controls(toy_data: FoldData) -> None:
    (before,), (after,) = toy_data.held_out, poison(toy_data, 5.0).held_out
    np.testing.assert_array_equal(after.x[0], before.x[0])
    np.testing.assert_array_equal(np.isnan(after.x), np.isnan(before.x))
    assert set(after.x[1:][~np.isnan(after.x[1:])]) == {5.0}
    assert after.controls is before.controls


@pytest.mark.parametrize("change", ["strain", "t", "x", "u", "x0"])
def test_every_byte_a_model_is_given_is_in_the_hash(make_task: MakeTask, toy_csv: str, toy: Task, change: str) -> None:
    edits = {
        "strain": ("S3,", "S4,"),
        "t": ("S1,4,", "S1,5,"),
        "x": ("2.5,0.4", "2.5,0.40000001"),
        "u": ("S2,8,500", "S2,8,501"),
        "x0": ("1.1,0.0", "1.1,0.001"),
    }
    other = load_task(make_task(csv=toy_csv.replace(*edits[change])))
    hashes = {prepare(task, "measured", fold_data(task, task.fold("S2"))).inputs.sha256 for task in (toy, other)}
    assert len(hashes) == 2


def baseline_nrmse(kind: type, task: Task, split: Split) -> float:
    model = kind(seed=0, device="cpu")
    model.fit(split.inputs.train, task.info, lambda step, of, loss=None: None)
    simulation = model.simulate(split.inputs.x0, split.inputs.t, split.inputs.controls)
    scores, _ = score_simulation(simulation, split, task.counted)
    nrmse = scores["measured"].mean["nrmse"]
    assert nrmse is not None
    return nrmse


KNOWN = {
    (Persistence, "limonene"): (2.381, 1.358, 5.655),
    (Persistence, "isopentenol"): (1.653, 2.182, 1.144),
    (MeanStrain, "limonene"): (2.634, 1.971, 5.358),
    (MeanStrain, "isopentenol"): (1.665, 1.558, 0.850),
}


@pytest.mark.parametrize(("kind", "name"), KNOWN)
def test_known_values_on_measured(measured_data: Path, kind: type, name: str) -> None:
    task = find_tasks()[name]
    found = [
        baseline_nrmse(kind, task, prepare(task, "measured", fold_data(task, fold, measured_data)))
        for fold in task.folds
    ]
    np.testing.assert_allclose(found, KNOWN[kind, name], atol=0.0005)


def test_known_out_of_range_factors(measured_data: Path) -> None:
    task = find_tasks()["limonene"]
    factors = dict(zip(task.info.controls, out_of_range(fold_data(task, task.fold("L2"), measured_data)), strict=True))
    assert {name: int(factors[name]) for name in ("HMGS", "HMGR", "AtoB")} == {"HMGS": 21, "HMGR": 17, "AtoB": 10}


@pytest.mark.parametrize("name", MEASURED_TASKS)
@pytest.mark.parametrize("protocol", ["measured", "published"])
def test_poison_changes_no_input_and_no_baseline_of_the_measured_tasks(
    measured_data: Path, name: str, protocol: str
) -> None:
    task = find_tasks()[name]
    for fold in task.folds:
        data = fold_data(task, fold, measured_data)
        clean, poisoned = prepare(task, protocol, data), prepare(task, protocol, poison(data))
        assert clean.inputs.sha256 == poisoned.inputs.sha256
        for kind in (Persistence, MeanStrain, NearestStrain):
            runs = []
            for split in (clean, poisoned):
                model = kind(seed=0, device="cpu")
                model.fit(split.inputs.train, task.info, lambda step, of, loss=None: None)
                runs.append(model.simulate(split.inputs.x0, split.inputs.t, split.inputs.controls).x)
            np.testing.assert_array_equal(*runs)
