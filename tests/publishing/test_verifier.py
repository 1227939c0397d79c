"""Forged records: whatever is edited, and however well, ``check`` and ``submit`` say in one line what is wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from omicsbench.cli.leaderboard import command as leaderboard
from omicsbench.cli.submit import command as submit
from omicsbench.records import Cell, Latency, Prediction, Record, save
from omicsbench.records.store import write_cells
from omicsbench.scoring.cell import score_prediction

Forge = Callable[..., Record]


def nulls(record: Record, split) -> Record:
    """Scores of nothing: the mean is made up, and no prediction could contradict it."""
    scores = record.scores["measured"]
    nothing = replace(record.prediction, x=np.full_like(record.prediction.x, np.nan))
    return replace(
        record,
        prediction=nothing,
        scores={
            "measured": replace(
                scores,
                per_state={name: [None] * len(values) for name, values in scores.per_state.items()},
                mean=scores.mean | {"nrmse": 0.01},
            )
        },
    )


def without(record: Record, split) -> Record:
    return replace(nulls(record, split), prediction=None)


def perfect(record: Record, split) -> Record:
    """The truth as a prediction, with the scores that it deserves: nothing in it contradicts the rest."""
    (target,) = split.targets
    x = record.prediction.x.copy()
    x[:, target.index] = np.where(np.isnan(target.truth), 1.0, target.truth)
    return replace(
        record,
        prediction=Prediction(t=record.prediction.t, x=x),
        scores={target.name: score_prediction(x[:, target.index], target.truth, split.scale, (True, True))},
    )


def also(**fields) -> Forge:
    """A perfect forgery with other fields; those of the cell by name."""

    def forge(record: Record, split) -> Record:
        mine = {name: value for name, value in fields.items() if name not in Cell.__struct_fields__}
        cell = replace(record.cell, **{k: v for k, v in fields.items() if k in Cell.__struct_fields__})
        return replace(perfect(record, split), cell=cell, **mine)

    return forge


def twice(record: Record, split) -> Record:
    """The held-out strain, predicted a second time."""
    whole = perfect(record, split)
    x = np.concatenate([whole.prediction.x] * 2)
    return replace(whole, strains=2, prediction=replace(whole.prediction, x=x))


def timed(**fields) -> Forge:
    def forge(record: Record, split) -> Record:
        latency = {"median": 0.01, "lower": 0.009, "upper": 0.011, "repeats": 9} | fields
        return replace(
            perfect(record, split), timing=replace(record.timing, first_simulate=0.1, latency=Latency(**latency))
        )

    return forge


def placed(**fields) -> Forge:
    return lambda record, split: replace(perfect(record, split), environment=replace(record.environment, **fields))


def scored(change: Callable[[Record], object]) -> Forge:
    def forge(record: Record, split) -> Record:
        scores = record.scores["measured"]
        per_state = {name: list(values) for name, values in scores.per_state.items()}
        mean = dict(scores.mean)
        change((per_state, mean))
        return replace(record, scores={"measured": replace(scores, per_state=per_state, mean=mean)})

    return forge


def better(scores) -> None:
    per_state, mean = scores
    per_state["nrmse"] = [0.01, 0.01]
    mean["nrmse"] = 0.01


FORGERIES = {
    "scores without prediction": (without, "has scores and no prediction that they could follow from"),
    "a mean of nulls": (nulls, "means at 'measured' do not follow from its states"),
    "a better mean": (scored(lambda s: s[1].update(nrmse=0.01)), "means at 'measured' do not follow from its states"),
    "better scores": (scored(better), "scores at 'measured' do not follow from its prediction: "),
    "a score that is null": (
        scored(lambda s: (s[0].update(r2=[None, None]), s[1].update(r2=None))),
        "do not follow from its prediction: r2",
    ),
    "no r2": (scored(lambda s: (s[0].pop("r2"), s[1].pop("r2"))), "scores at 'measured' lack r2"),
    "a baseline as a model": (also(role="model"), "says that persistence is a model; its plugin says a trivial baseli"),
    "an oracle": (also(role="oracle"), "says that persistence is an oracle; its plugin says a trivial baseline"),
    "with randomness": (also(deterministic=False), "says deterministic: false; its plugin says otherwise"),
    "another distribution": (also(distribution="other"), "says it comes from other; persistence is of omicsbench"),
    "another seed": (also(seed=3), "seed 3 is none that persistence is run with"),
    "another device": (also(device="cuda"), "ran on cuda and names no GPU"),
    "an unknown parameter": (also(parameters={"width": 3}), "model 'persistence' has no parameter 'width'"),
    "two lines": (also(parameters={"width": "a\nb"}), "$.cell.parameters"),
    "a name of two lines": (also(parameters={"a\nb": 1}), "$.cell.parameters"),
    "a version of two lines": (also(version="1\n2"), "$.cell.version"),
    "other states": (also(states=["A", "Q"]), "its states are not those of its task"),
    "states of two lines": (also(states=["A", "P\nQ"]), "$.states"),
    "other training strains": (also(training_strains=7), "says it trained on 7 strains; its fold has 1"),
    "more strains": (twice, "says it predicts 2 strains; its fold holds out 1"),
    "left out": (also(prediction=None, omitted="licence"), "says that the licence forbids its prediction, and nothing"),
    "left out and there": (also(omitted="licence"), "says that the licence forbids its prediction, and nothing does"),
    "other code": (also(code="beef"), "comes from other code than omicsbench"),
    "unknown code": (also(code=""), "made before records knew what they stand on; run it again"),
    "scores of a simulator": (also(derived={"rank": 1.0}), "holds scores that its task does not have"),
    "diverged strains": (also(diverged_strains=1), "status 'ok' does not fit its prediction"),
    "negative latency": (timed(median=-1.0), "Expected `float` >= 0.0"),
    "no latency": (timed(median=1e-15, lower=1e-15), "holds a time that no clock gives"),
    "a latency outside its quartiles": (timed(median=1e-3), "its latency does not lie within its quartiles"),
    "no repeats": (timed(repeats=0), "its latency does not lie within its quartiles"),
    "no times": (also(timing=None), "has a result and no times"),
    "a GPU on the CPU": (placed(gpu="Loom 9"), "ran on cpu and names Loom 9"),
    "a dirty commit": (placed(git_dirty=True), "comes from a dirty commit"),
    "no hardware": (placed(cpu=""), "does not say what hardware and packages it ran on"),
    "nowhere": (also(environment=None), "says nothing of where it ran"),
    "tomorrow": (also(started="2999-01-01T00:00:00+00:00"), "which is yet to come"),
    "no time": (also(started="yesterday"), "which is no time with a time zone"),
    "no zone": (also(started="2026-01-01T00:00:00"), "which is no time with a time zone"),
    "a huge number": (also(nfe=1e200), "holds a number beyond 1e+15"),
}


@pytest.fixture
def forged(lab) -> Callable[[Forge], Record]:
    """A record of persistence on the open task, forged, with the right key."""

    def make(forge: Forge) -> Record:
        record = next(
            r for r in lab.load() if (r.cell.task, r.cell.model, r.cell.fold) == ("open", "persistence", "n1-d0")
        )
        made = forge(record, lab.splits(record, "measured"))
        return replace(made, key=made.cell.key)

    return make


def test_the_record_itself_is_sound(forged, lab, call, tmp_path: Path) -> None:
    """Neither command refuses everything."""
    record = forged(lambda record, split: record)
    save(record, tmp_path / "results")
    assert call(submit, tmp_path / "results", "--to", tmp_path / "records", *lab.options).code == 0
    result = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert result.code == 0, result.text
    assert "1 predictions scored again" in result.text


@pytest.mark.parametrize("name", FORGERIES)
def test_check_finds_it(forged, lab, call, tmp_path: Path, name: str) -> None:
    forge, complaint = FORGERIES[name]
    write_cells([forged(forge)], tmp_path / "records")
    result = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    lines = result.text.splitlines()
    assert result.code == 1
    assert any(complaint in line for line in lines), result.text
    assert lines[-1].endswith(f"{len(lines) - 1} problems")


@pytest.mark.parametrize("name", FORGERIES)
def test_submit_refuses_it(forged, lab, call, tmp_path: Path, name: str) -> None:
    forge, complaint = FORGERIES[name]
    save(forged(forge), tmp_path / "results")
    result = call(submit, tmp_path / "results", "--to", tmp_path / "records", *lab.options)
    refused = [line for line in result.text.splitlines() if line.startswith("refused: ")]
    assert result.code == 1
    assert any(complaint in line for line in refused), result.text
    assert not (tmp_path / "records").exists()
