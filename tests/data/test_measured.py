"""The measured files: found, fetched, checked, and read. Every fault is named by file, line and column."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from omicsbench.data.measured import cache_dir, fold_data, locate, read_series
from omicsbench.data.tasks import Task, load_task
from omicsbench.errors import DataError, DataUnavailable
from omicsbench.trajectory import Trajectory

MakeTask = Callable[..., Path]
NOBODY_LISTENS = "http://127.0.0.1:9/toy.csv"


def read(folder: Path) -> dict[str, Trajectory]:
    return read_series(load_task(folder), folder / "toy.csv")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees, or leaves, a file in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_strains_are_read_with_holes_and_filled_controls(make_task: MakeTask) -> None:
    s1 = read(make_task())["S1"]
    np.testing.assert_array_equal(s1.t, [0, 4, 8, 24])
    np.testing.assert_array_equal(s1.x, [[1.0, 0.0], [2.0, np.nan], [2.5, 0.4], [2.0, 1.5]])
    np.testing.assert_array_equal(s1.controls.t, [0, 8, 24])
    np.testing.assert_array_equal(s1.controls.u, [[[100, 50], [300, 80], [250, 90]]])


def test_a_control_is_linear_over_its_own_holes(make_task: MakeTask, toy_csv: str) -> None:
    s1 = read(make_task(csv=toy_csv.replace("S1,8,300,80", "S1,8,300,")))["S1"]
    np.testing.assert_allclose(s1.controls.u[0, :, 1], [50, 50 + 40 * 8 / 24, 90])


def test_rows_may_come_in_any_order(make_task: MakeTask, toy_csv: str) -> None:
    head, *rows = toy_csv.splitlines()
    straight, turned = read(make_task()), read(make_task(csv="\n".join([head, *reversed(rows)]) + "\n"))
    for name, strain in straight.items():
        np.testing.assert_array_equal(strain.x, turned[name].x)
        np.testing.assert_array_equal(strain.controls.u, turned[name].controls.u)


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.replace("2.0,,0.5", "2.0,NA,0.5").encode(),
        lambda text: text.replace("2.0,,0.5", " 2.0 , NaN ,0.5").encode(),
        lambda text: text.rstrip("\n").encode(),
    ],
    ids=["byte order mark", "CRLF", "blank lines", "NA", "spaces and NaN", "no last newline"],
)
def test_other_spellings_of_the_same_file(make_task: MakeTask, toy_csv: str, spell: Callable[[str], bytes]) -> None:
    plain, other = read(make_task()), read(make_task(csv=spell(toy_csv)))
    assert list(plain) == list(other)
    for name, strain in plain.items():
        np.testing.assert_array_equal(strain.t, other[name].t)
        np.testing.assert_array_equal(strain.x, other[name].x)


BAD = {
    "missing column": ("Enzyme two", "Enzyme too", "no column 'Enzyme two': did you mean 'Enzyme too'?"),
    "missing strain column": ("Strain,", "strain,", "no column 'Strain': did you mean 'strain'?"),
    "the same time twice": ("S1,8,", "S1,4,", "line 4: strain 'S1' has a second row at 4 h; keep one"),
    "text in a number": ("2.5,0.4", "2.5,low", "line 4: column 'P' holds 'low', not a number"),
    "infinity": ("2.5,0.4", "2.5,inf", "line 4: column 'P' holds 'inf', not a number"),
    "decimal comma": ("2.5,0.4", '2.5,"0,4"', "line 4: column 'P' holds '0,4', not a number"),
    "no strain": ("S1,8,", ",8,", "line 4: column 'Strain' is empty"),
    "no hour": ("S1,8,", "S1,,", "line 4: column 'Hour' must hold a number of hours"),
    "text in an hour": ("S1,8,", "S1,eight,", "line 4: column 'Hour' holds 'eight', not a number"),
    "column twice": ("OD600", "P", "column 'P' stands there twice"),
    "a control never measured": ("90,40,0.9,0.1", "90,,0.9,0.1", "strain 'S3' has no measurement of control 'E2'"),
}


@pytest.mark.parametrize(("old", "new", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_malformed_file_names_line_and_column(
    make_task: MakeTask, toy_csv: str, old: str, new: str, complaint: str
) -> None:
    text = toy_csv.replace(old, new, 1)
    if "no measurement" in complaint:
        text = text.replace("900,70", "900,").replace("800,60", "800,")
    folder = make_task(csv=text)
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value).startswith(str(folder / "toy.csv"))
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_lines_are_counted_with_blank_ones(make_task: MakeTask, toy_csv: str) -> None:
    folder = make_task(csv=toy_csv.replace("\n", "\n\n").replace("2.5,0.4", "2.5,low"))
    with pytest.raises(DataError, match="line 7: column 'P'"):
        read(folder)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no column 'Strain'"),
        ("Strain,Hour,µ\n".encode("latin-1"), "not UTF-8"),
        (b"Strain" * 30_000, "not a CSV"),
    ],
    ids=["empty", "latin-1", "endless"],
)
def test_a_file_that_is_no_csv_is_named(make_task: MakeTask, content: bytes, complaint: str) -> None:
    folder = make_task(csv=content)
    with pytest.raises(DataError) as error:
        read(folder)
    assert str(error.value).startswith(str(folder / "toy.csv"))
    assert complaint in str(error.value)


def test_a_strain_without_any_state_is_named(make_task: MakeTask, toy_csv: str) -> None:
    folder = make_task(csv=toy_csv + "S4,0,1,1,,,\n")
    with pytest.raises(DataError, match="strain 'S4' has no measured state"):
        read(folder)


def test_a_fold_trains_on_every_other_strain(make_task: MakeTask) -> None:
    task = load_task(make_task())
    data = fold_data(task, task.fold("S2"))
    assert [strain.strain for strain in data.train] == ["S1", "S3"]
    assert [strain.strain for strain in data.held_out] == ["S2"]
    assert task.source is not None
    assert data.sha256 == task.source.sha256


def test_a_fold_may_name_its_training_strains(make_task: MakeTask) -> None:
    task = load_task(make_task(toml=lambda text: text.replace('["S1"]', '["S1"], train = ["S3"]', 1)))
    assert [strain.strain for strain in fold_data(task, task.fold("S1")).train] == ["S3"]


@pytest.mark.parametrize("strains", ['held_out = ["S9"]', 'held_out = ["S1"], train = ["S9"]'])
def test_a_fold_with_an_unknown_strain_is_named(make_task: MakeTask, strains: str) -> None:
    task = load_task(make_task(toml=lambda text: text.replace('held_out = ["S1"]', strains, 1)))
    with pytest.raises(DataError, match=r"no strain 'S9', which fold 'S1' names: did you mean 'S\d'\?"):
        fold_data(task, task.fold("S1"))


def test_a_fold_must_leave_a_strain_to_train_on(make_task: MakeTask) -> None:
    every = 'held_out = ["S1", "S2", "S3"]'
    task = load_task(make_task(toml=lambda text: text.replace('held_out = ["S1"]', every, 1)))
    with pytest.raises(DataError, match="fold 'S1' leaves no strain to train on"):
        fold_data(task, task.fold("S1"))


def test_a_wrong_checksum_is_refused_wherever_the_file_lies(make_task: MakeTask, tmp_path: Path) -> None:
    folder = make_task(sha256="0" * 64)
    with pytest.raises(DataError, match=r"toy\.csv: sha256 is .*…, but the task wants 000000000000…"):
        locate(load_task(folder))
    shutil.copy(folder / "toy.csv", tmp_path)
    with pytest.raises(DataError, match=str(tmp_path)):
        locate(load_task(folder), tmp_path)


def test_the_named_folder_is_looked_in_first(make_task: MakeTask, tmp_path: Path) -> None:
    folder = make_task()
    task = load_task(folder)
    assert locate(task, tmp_path) == folder / "toy.csv"
    shutil.copy(folder / "toy.csv", tmp_path)
    assert locate(task, tmp_path) == tmp_path / "toy.csv"


def test_a_data_folder_that_is_not_there_is_an_error(make_task: MakeTask, tmp_path: Path) -> None:
    task = load_task(make_task(csv=None, sha256="0" * 64))
    with pytest.raises(DataError, match=r"absent: no such folder; name one that holds toy\.csv"):
        locate(task, tmp_path / "absent")


def with_address(make_task: MakeTask, url: str, sha256: str) -> Task:
    return load_task(
        make_task(csv=None, sha256=sha256, toml=lambda text: text.replace("[source]", f'[source]\nurl = "{url}"'))
    )


def test_data_that_cannot_be_had_say_the_three_ways(make_task: MakeTask) -> None:
    task = with_address(make_task, NOBODY_LISTENS, "0" * 64)
    for download in (True, False):
        with pytest.raises(DataUnavailable) as error:
            locate(task, download=download)
        text = str(error.value)
        assert "omicsbench data fetch toy" in text
        assert "OMICSBENCH_DATA" in text
        assert "--data-dir" in text
        assert "\n" not in text


def test_a_task_without_address_and_file_cannot_be_fetched(make_task: MakeTask) -> None:
    with pytest.raises(DataUnavailable, match="Three ways"):
        locate(load_task(make_task(csv=None, sha256="0" * 64)))


@pytest.fixture
def server(tmp_path: Path, toy_csv: str) -> Iterator[str]:
    """A web server on this machine that gives the made-up file."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "toy.csv").write_text(toy_csv)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=served)) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_file_is_fetched_once_and_checked(make_task: MakeTask, server: str, toy_csv: str, tmp_path: Path) -> None:
    task = with_address(make_task, f"{server}/toy.csv", hashlib.sha256(toy_csv.encode()).hexdigest())
    path = locate(task)
    assert path == cache_dir() / "toy.csv"
    assert path.read_text() == toy_csv
    (tmp_path / "served" / "toy.csv").unlink()
    assert locate(task) == path


def test_a_fetched_file_with_another_checksum_is_refused_and_not_kept(make_task: MakeTask, server: str) -> None:
    task = with_address(make_task, f"{server}/toy.csv", "0" * 64)
    with pytest.raises(DataError, match="wrong sha256") as error:
        locate(task)
    assert not isinstance(error.value, DataUnavailable)
    assert "\n" not in str(error.value)
    assert not (cache_dir() / "toy.csv").exists()


def test_an_absent_page_is_no_data(make_task: MakeTask, server: str) -> None:
    with pytest.raises(DataUnavailable, match="404"):
        locate(with_address(make_task, f"{server}/absent.csv", "0" * 64))


def test_the_measured_files_read_as_their_cards_say(measured_data: Path) -> None:
    from omicsbench.data.tasks import find_tasks

    tasks = find_tasks()
    for name, strains in (("limonene", "L1 L2 L3"), ("isopentenol", "I1 I2 I3")):
        task = tasks[name]
        series = read_series(task, locate(task, measured_data))
        assert list(series) == strains.split()
        for strain in series.values():
            assert strain.t[0] == 0.0
            assert strain.t[-1] == task.horizon == 72.0
    mev_p = tasks["isopentenol"].info.states.index("Mev-P")
    np.testing.assert_array_equal(series["I2"].x[:, mev_p], series["I3"].x[:, mev_p])
    assert not tasks["isopentenol"].counted[mev_p]
