"""Tasks from task.toml: what is wrong with one is said in one line, with the nearest known name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omicsbench.data.tasks import data_dir_of, find_tasks, load_task, pick
from omicsbench.errors import RequestError

MakeTask = Callable[..., Path]


def test_a_task_is_read_as_written(make_task: MakeTask) -> None:
    task = load_task(make_task("toy"))
    assert task.name == "toy"
    assert task.info.states == ("A", "P")
    assert task.info.state_units == ("mM", "g/L")
    assert task.info.controls == ("E1", "E2")
    assert task.info.horizon == 24.0
    assert task.counted == (True, True)
    assert [fold.name for fold in task.folds if fold.published] == ["S2"]
    assert task.fold("S1").held_out == ("S1",)


def test_excluded_states_do_not_count(make_task: MakeTask) -> None:
    excluded = 'excluded = [{ state = "A", reason = "twice the same" }]\n'
    task = load_task(make_task(toml=lambda text: text.replace("folds = [", excluded + "folds = [", 1)))
    assert task.counted == (False, True)


EXCLUDED_A = '{ state = "A", reason = "r" }'

BAD = {
    "unknown key": ("horizon = 24.0", "horizont = 24.0", "unknown key 'horizont': did you mean 'horizon'?"),
    "name is no key": ('title = "Made up"', 'title = ""\nname = "other"', "unknown key 'name'"),
    "unknown key of a state": ('unit = "mM"', 'units = "mM"', "unknown key 'states[0].units': did you mean 'unit'?"),
    "unknown key of a fold": ("published", "publishd", "unknown key 'folds[1].publishd': did you mean 'published'?"),
    "unknown key of the source": (
        'time_column = "Hour"',
        'time_colum = "Hour"',
        "unknown key 'source.time_colum': did you mean 'time_column'?",
    ),
    "missing key": ('licence = "CC0-1.0"\n', "", "missing required field `licence`"),
    "missing key of the source": ('file = "toy.csv"\n', "", "missing required field `file` - at `$.source`"),
    "wrong type": ("horizon = 24.0", 'horizon = "24"', "Expected `float`, got `str` - at `$.horizon`"),
    "wrong type within": ('held_out = ["S1"]', 'held_out = "S1"', "Expected `array`, got `str`"),
    "state twice": ('name = "P", unit', 'name = "A", unit', "state 'A' is named twice"),
    "control twice": ('name = "E2"', 'name = "E1"', "control 'E1' is named twice"),
    "fold twice": ('name = "S2"', 'name = "S1"', "fold 'S1' is named twice"),
    "fold without strain": ('held_out = ["S1"]', "held_out = []", "fold 'S1' holds out no strain"),
    "strain held out and trained on": (
        'held_out = ["S1"]',
        'held_out = ["S1"], train = ["S1", "S3"]',
        "fold 'S1' names strain 'S1' twice",
    ),
    "excluded unknown": (
        "folds = [",
        'excluded = [{ state = "a", reason = "r" }]\nfolds = [',
        "excluded state 'a' is not a state",
    ),
    "all excluded": (
        "folds = [",
        f"excluded = [{EXCLUDED_A}, {EXCLUDED_A.replace('A', 'P')}]\nfolds = [",
        "every state is excluded",
    ),
    "unknown final product": ('final_product = "P"', 'final_product = "PP"', "did you mean 'P'?"),
    "no hours": ("horizon = 24.0", "horizon = 0.0", "horizon must be a positive number of hours"),
    "endless": ("horizon = 24.0", "horizon = inf", "horizon must be a positive number of hours"),
    "horizon not a number": ("horizon = 24.0", "horizon = nan", "horizon must be a positive number of hours"),
    "no source": ("[source]", "[[source]]", "Expected `object"),
    "not TOML": ("horizon = 24.0", "horizon = ", "not valid TOML"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_malformed_task_names_file_and_fault(make_task: MakeTask, old: str, new: str, complaint: str) -> None:
    folder = make_task(toml=lambda text: text.replace(old, new, 1))
    with pytest.raises(RequestError) as error:
        load_task(folder)
    text = str(error.value)
    assert text.startswith(str(folder / "task.toml"))
    assert complaint in text
    assert "\n" not in text


def test_a_task_needs_a_source(make_task: MakeTask) -> None:
    folder = make_task(toml=lambda text: text[: text.index("[source]")])
    with pytest.raises(RequestError, match=r"\[source\]"):
        load_task(folder)


def test_a_file_that_is_not_text_is_not_toml(make_task: MakeTask) -> None:
    folder = make_task()
    (folder / "task.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="not UTF-8 text"):
        load_task(folder)


def test_a_folder_is_a_task_or_holds_tasks(make_task: MakeTask) -> None:
    folder = make_task("mine")
    suite = set(find_tasks())
    assert {"limonene", "isopentenol"} <= suite
    assert set(find_tasks([folder])) == set(find_tasks([folder.parent])) == suite | {"mine"}


def test_a_folder_without_tasks_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"neither it nor a folder in it has a task\.toml"):
        find_tasks([tmp_path])
    with pytest.raises(RequestError, match="no such folder"):
        find_tasks([tmp_path / "absent"])
    with pytest.raises(RequestError, match=r"no task\.toml"):
        load_task(tmp_path)


def test_a_task_cannot_take_the_name_of_another(make_task: MakeTask) -> None:
    with pytest.raises(RequestError, match="a task named 'limonene' stands already in"):
        find_tasks([make_task("limonene")])


def test_unknown_names_come_with_the_nearest(make_task: MakeTask) -> None:
    task = load_task(make_task())
    with pytest.raises(RequestError, match=r"task 'toy' has no fold 'S3': did you mean 'S[12]'\?"):
        task.fold("S3")
    with pytest.raises(RequestError, match=r"unknown task 'limonen': did you mean 'limonene'\?"):
        pick(find_tasks(), "limonen")
    with pytest.raises(RequestError, match="known: toy"):
        pick({"toy": task}, "quite different")


def test_a_given_data_folder_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMICSBENCH_DATA", "/named")
    assert data_dir_of(None) == Path("/named")
    assert data_dir_of(Path("/given")) == Path("/given")
    monkeypatch.setenv("OMICSBENCH_DATA", "")
    assert data_dir_of(None) is None
