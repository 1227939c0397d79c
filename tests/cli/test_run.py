"""``omicsbench run``: exit codes, what is run again and what is not, interruption, JSON."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from omicsbench.cli.run import EMBEDDED, _pick
from omicsbench.errors import DataError
from omicsbench.records import find, load
from omicsbench.tasks import find_tasks

Cli = Callable[..., Any]
MakeTask = Callable[..., Path]
MEASURED = ("limonene", "isopentenol")
BASELINES = ["persistence", "mean-strain", "nearest-strain"]

PLUGIN = '''
class Steady(Model):
    def __init__(self, *, seed: int, device: str, gain: float = 1.0, pause: float = 0.0):
        self.gain, self.pause = gain, pause

    def fit(self, train, task, progress):
        for step in range(10):
            time.sleep(self.pause / 10)
            progress(step + 1, 10, 1.0 / (step + 1))

    def simulate(self, x0, t, controls):
        sim = held(x0, t)
        sim.x[:, 1:] *= self.gain
        return sim


class Fragile(Model):
    """Fails until a file is there."""

    def __init__(self, *, seed: int, device: str, file: str = "", way: Literal["raise", "die", "kill"] = "raise"):
        self.file, self.way = file, way

    def fit(self, train, task, progress):
        if Path(self.file).is_file():
            return
        if self.way == "die":
            os._exit(9)
        if self.way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError(f"no {self.file}")

    def simulate(self, x0, t, controls):
        return held(x0, t)


@hookimpl
def omicsbench_models():
    return [
        ModelSpec("steady", "run_plugin:Steady"),
        ModelSpec("fragile", "run_plugin:Fragile"),
        ModelSpec("frail", "run_plugin:Fragile"),
    ]


@hookimpl
def omicsbench_cell_finished(record):
    if record.cell.model == "frail":
        raise OSError("nobody is listening")
'''


@pytest.fixture(scope="module")
def asked(make_task: MakeTask, make_plugin: Callable[..., Path]) -> tuple[object, ...]:
    """The arguments that every command here has: the made-up task and the plugin."""
    plugins = make_plugin("run_plugin", PLUGIN)
    return ("run", "--task", "toy", "--tasks-dir", make_task(), "--plugins-dir", plugins)


def state(out: Path) -> dict[str, tuple[int, bytes]]:
    """Every record file with its time of writing and content."""
    return {str(path.relative_to(out)): (path.stat().st_mtime_ns, path.read_bytes()) for path in find(out)}


def test_a_sweep_with_failures_and_what_is_run_again(cli: Cli, asked: tuple[object, ...], tmp_path: Path) -> None:
    """One story: failures leave records and exit code 1; then nothing, the failed, or everything is run again."""
    out, file = tmp_path / "results", tmp_path / "file"
    models = ("--model", "steady", "--model", "fragile", "--model", "frail", "--fold", "S2", "--out", out)
    given = (f"--set=fragile.file={file}", f"--set=frail.file={file}", "--set=frail.way=die")
    command = (*asked, *models, *given)

    ran = cli(*command, "--dry-run")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "6 cells, 0 finished, 6 to run"
    assert not out.exists()

    first = cli(*command, "--json")
    assert first.code == 1
    records = {record["cell"]["model"]: record for record in json.loads(first.out)}
    assert list(records) == [*BASELINES, "steady", "fragile", "frail"]
    statuses = {model: record["status"] for model, record in records.items()}
    assert statuses == dict.fromkeys((*BASELINES, "steady"), "ok") | {"fragile": "failed", "frail": "failed"}
    assert f"warning: toy/measured/S2/fragile/s0: failed: RuntimeError: no {file}" in first.err
    assert "toy/measured/S2/frail/s0: failed: WorkerDied: the worker process ended with exit code 9" in first.err
    assert "plugin 'run_plugin': omicsbench_cell_finished raised OSError: nobody is listening" in first.err
    for record in records.values():
        path = Path(record.pop("path"))
        assert json.loads(path.read_text()) == record
        assert load(path).cell.task == "toy"
    before = state(out)
    assert len(before) == 6

    again = cli(*command, "--json")
    assert again.code == 1
    assert {record["key"] for record in json.loads(again.out)} == {record["key"] for record in records.values()}
    assert state(out) == before

    file.touch()
    retried = cli(*command, "--retry-failed")
    assert retried.code == 0
    after = state(out)
    changed = {load(out / name).cell.model for name in after if after[name] != before[name]}
    assert changed == {"fragile", "frail"}
    assert "cells ok" in retried.out
    for name in ("steady", "persistence", "A [mM]", "P [g/L]", f"records: {out}"):
        assert name in retried.out

    assert cli(*command, "--force", "--json").code == 0
    forced = state(out)
    assert all(forced[name][0] > after[name][0] for name in after)
    assert list(forced) == list(after)


def test_parameters_make_other_cells(cli: Cli, asked: tuple[object, ...], tmp_path: Path) -> None:
    params = tmp_path / "params.toml"
    params.write_text("[steady]\ngain = 2\n")
    command = (*asked, "--model", "steady", "--fold", "S1", "--dry-run", "--json", "--out", tmp_path / "results")

    def cell(*arguments: object) -> dict[str, Any]:
        (found,) = [row for row in json.loads(cli(*command, *arguments).out) if row["model"] == "steady"]
        return found

    plain, by_file, by_option = cell(), cell("--params", params), cell("--set", "gain=2.0")
    assert plain["parameters"] == {"gain": 1.0, "pause": 0.0}
    assert by_file == by_option
    assert by_file["parameters"]["gain"] == 2.0
    assert by_file["key"] != plain["key"]
    assert cell("--params", params, "--set", "steady.gain=3")["parameters"]["gain"] == 3.0


BAD = {
    "unknown task": (("--task", "toyy"), "unknown task 'toyy': did you mean 'toy'?"),
    "unknown fold": (("--fold", "S9"), "task 'toy' has no fold 'S9'"),
    "unknown model": (("--model", "stedy"), "unknown model 'stedy': did you mean 'steady'?"),
    "unknown protocol": (("--protocol", "publish"), "unknown protocol 'publish': did you mean 'published'?"),
    "unknown parameter": (("--set", "gian=2"), "no model of this run has a parameter 'gian': did you mean 'gain'?"),
    "malformed parameter": (("--set", "gain"), "--set 'gain': must be NAME=VALUE"),
    "unfit value": (("--set", "gain=big"), "parameter 'gain' of model 'steady' takes float, got 'big'"),
    "no params file": (("--params", "/no/such.toml"), "--params /no/such.toml: cannot be read"),
    "no seeds": (("--seeds", "0"), "Invalid value for '--seeds'"),
    "no jobs": (("--jobs", "0"), "Invalid value for '--jobs'"),
    "no time": (("--timeout", "0"), "Invalid value for '--timeout'"),
    "no tasks folder": (("--tasks-dir", "/no/such"), "task folder /no/such: no such folder"),
    "no plugins folder": (("--plugins-dir", "/no/such"), "--plugins-dir /no/such: no such folder"),
    "strains of a measured task": (("--strains", "2"), "task 'toy' is measured: --strains and --draws are for"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_request_is_one_line_and_exit_code_2(
    cli: Cli, asked: tuple[object, ...], tmp_path: Path, name: str
) -> None:
    arguments, complaint = BAD[name]
    ran = cli(*asked, "--model", "steady", "--out", tmp_path / "results", *arguments)
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"error: {complaint}")
    assert not (tmp_path / "results").exists()


def test_a_broken_record_is_named_and_nothing_is_lost(cli: Cli, asked: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "results"
    command = (*asked, "--model", "persistence", "--fold", "S1", "--out", out)
    assert cli(*command).code == 0
    path = next(path for path in find(out) if path.name.startswith("mean-strain"))
    whole = path.read_bytes()
    for broken, complaint in (
        (whole[:-20], "not a whole JSON file"),
        (b"", "not a whole JSON file"),
        (b'{"some": "thing"}', "not a record of omicsbench"),
        (whole.replace(b'"seed":0', b'"seed":1'), "its key does not belong to its cell"),
    ):
        path.write_bytes(broken)
        before = state(out)
        for arguments in ((), ("--dry-run",), ("--retry-failed",)):
            ran = cli(*command, *arguments)
            assert (ran.code, ran.out) == (2, "")
            assert ran.err.startswith(f"error: {path}: ")
            assert complaint in ran.err
            assert state(out) == before
    assert cli(*command, "--force").code == 0
    assert load(path).status == "ok"


def test_results_that_cannot_be_written_are_named(cli: Cli, asked: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder is needed")
    ran = cli(*asked, "--model", "persistence", "--fold", "S1", "--out", tmp_path / "results")
    assert ran.code == 2
    assert "results: cannot be written into: not a folder" in ran.err.splitlines()[-1]


@pytest.fixture
def far(make_task: MakeTask) -> Path:
    """A task whose file is nowhere, at an address where nobody listens."""
    url = 'url = "http://127.0.0.1:9/toy.csv"'
    return make_task("far", csv=None, sha256="0" * 64, toml=lambda text: text.replace("[source]", f"[source]\n{url}"))


@pytest.mark.parametrize("named", [("--task", "far"), ("--fold", "S1")], ids=["task", "fold"])
def test_a_named_task_whose_data_cannot_be_had_is_an_error(cli: Cli, far: Path, named: tuple[str, str]) -> None:
    ran = cli("run", "--model", "persistence", "--tasks-dir", far, *named)
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("error: data of task 'far' cannot be had")
    for way in ("omicsbench data fetch far", "OMICSBENCH_DATA", "--data-dir"):
        assert way in line


def test_an_unnamed_task_whose_data_cannot_be_had_is_skipped_with_a_line(
    far: Path, make_task: MakeTask, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {name: task for name, task in find_tasks([far, make_task("near")]).items() if task.name not in MEASURED}
    assert [task.name for task in _pick(known, (), (), None)] == ["near", EMBEDDED]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: task 'far' is skipped: data of task 'far' cannot be had")


def test_the_data_of_unnamed_tasks_must_be_right(far: Path, make_task: MakeTask, tmp_path: Path) -> None:
    (tmp_path / "toy.csv").write_text("altered")
    known = {"far": find_tasks([far])["far"]}
    with pytest.raises(DataError, match="sha256 is"):
        _pick(known, (), (), tmp_path)


def test_the_measured_tasks_run(cli: Cli, measured_data: Path, tmp_path: Path) -> None:
    tasks = ("--task", "limonene", "--task", "isopentenol")
    ran = cli("run", "--model", "persistence", *tasks, "--dry-run", "--json", OMICSBENCH_DATA=measured_data)
    assert ran.code == 0
    cells = {(row["task"], row["fold"], row["model"]) for row in json.loads(ran.out)}
    assert len(cells) == 2 * 3 * 3
    out = tmp_path / "results"
    command = ("run", "--model", "persistence", "--task", "limonene", "--fold", "L2", "--out", out, "--json")
    ran = cli(*command, "--data-dir", measured_data)
    assert ran.code == 0
    nrmse = {r["cell"]["model"]: r["scores"]["measured"]["mean"]["nrmse"] for r in json.loads(ran.out)}
    assert nrmse["persistence"] == pytest.approx(1.358, abs=0.0005)
    assert nrmse["mean-strain"] == pytest.approx(1.971, abs=0.0005)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(
    shell: Cli,
    asked: tuple[object, ...],
    tmp_path: Path,
    jobs: int,
    gone: Callable[[int], bool],
    wait_for: Callable[..., Any],
) -> None:
    out = tmp_path / "results"
    command = (*asked, "--model", "steady", "--fold", "S1", "--seeds", "6", "--set", "pause=0.5", "--jobs", jobs)
    cells = len(BASELINES) + 6
    process = shell(*command, "--out", out)
    wait_for(lambda: sum(path.name.startswith("steady") for path in find(out)) >= 2)
    workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, signal.SIGINT)
    text, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert text == ""
    last = err.strip().splitlines()[-1]
    assert last == "interrupted; what was finished is kept, the same command goes on from there"
    assert "Traceback" not in err
    assert len(workers) >= 1 + jobs  # with the tracker that Python starts
    wait_for(lambda: all(gone(pid) for pid in workers))
    before = state(out)
    assert len(BASELINES) + 2 <= len(before) < cells
    assert [path for path in out.rglob("*") if path.is_file()] == list(out.rglob("*.json"))
    assert all(load(out / name).status == "ok" for name in before)

    dry = shell(*command, "--out", out, "--dry-run")
    assert dry.communicate(timeout=60)[0].splitlines()[-1] == (
        f"{cells} cells, {len(before)} finished, {cells - len(before)} to run"
    )
    again = shell(*command, "--out", out)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    after = state(out)
    assert len(after) == cells
    assert {name: after[name] for name in before} == before
    assert all(load(out / name).status == "ok" for name in after)
