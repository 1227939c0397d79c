"""What runs again, and what does not: a finished cell stands as long as all that its answer comes from."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omicsbench.records import Setting, find, load, save

Cli = Callable[..., Any]
BASELINES = {"persistence", "mean-strain", "nearest-strain"}

PLUGIN = '''
sys.path.insert(0, str(Path(__file__).parent))
import {helper}

GAIN = 1.0


class Steady(Model):
    """Holds x(0)."""

    def __init__(self, *, seed: int, device: str):
        """Nothing to make."""

    def fit(self, train, task, progress):
        pass

    def simulate(self, x0, t, controls):
        sim = held(x0, t)
        sim.x[:, 1:] *= GAIN * {helper}.FACTOR
        return sim


@hookimpl
def omicsbench_models():
    return [ModelSpec("{name}", "{stem}:Steady")]
'''


@dataclass
class Sweep:
    """A made-up task and a one-file plugin with a helper beside it, and what running them does."""

    cli: Cli
    task: Path
    plugins: Path
    stem: str
    out: Path

    @property
    def model(self) -> str:
        return self.stem.replace("_", "-")

    def __call__(self, *more: object) -> tuple[set[str], str]:
        """Run; the models whose cells ran (again), and what was said of them."""
        before = self.state()
        ran = self.cli("run", "--model", self.model, *self.asked, "--out", self.out, *more)
        assert ran.code == 0, ran.err
        assert "Traceback" not in ran.err
        self.printed = ran.out
        changed = [name for name, state in self.state().items() if before.get(name) != state]
        said = [line for line in ran.err.splitlines() if "run again" in line]
        return {load(self.out / name).cell.model for name in changed}, "\n".join(said)

    @property
    def asked(self) -> tuple[object, ...]:
        return ("--task", "toy", "--tasks-dir", self.task, "--plugins-dir", self.plugins)

    def state(self) -> dict[str, tuple[int, bytes]]:
        return {str(p.relative_to(self.out)): (p.stat().st_mtime_ns, p.read_bytes()) for p in find(self.out)}

    def edit(self, file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    def edit_plugin(self, old: str, new: str) -> None:
        self.edit(self.plugins / f"{self.stem}.py", old, new)

    def edit_task(self, old: str, new: str) -> None:
        self.edit(self.task / "task.toml", old, new)


@pytest.fixture
def sweep(
    cli: Cli,
    make_task: Callable[..., Path],
    make_plugin: Callable[..., Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Sweep:
    """A sweep that has been run once; each has a plugin of its own, as a module's name can be used once."""
    number = Sweep.__dict__.get("made", 0) + 1
    Sweep.made = number  # type: ignore[attr-defined]
    stem = f"identity_{number}"
    body = PLUGIN.format(helper=f"helper_{number}", stem=stem, name=stem.replace("_", "-"))
    plugins = make_plugin(stem, body)
    beside = plugins / "beside"
    beside.mkdir()
    (plugins / f"helper_{number}.py").write_text("FACTOR = 1.0\n")
    made = Sweep(cli, make_task(), plugins, stem, tmp_path / "results")
    assert made()[0] == BASELINES | {made.model}
    assert made() == (set(), "")
    return made


def test_other_code_runs_again_and_the_baselines_do_not(sweep: Sweep) -> None:
    sweep.edit_plugin("GAIN = 1.0", "GAIN = 2.0")
    dry = sweep.cli("run", "--model", sweep.model, *sweep.asked, "--out", sweep.out, "--dry-run")
    reason = f"2 finished cells ({sweep.model}) run again: plugin code of {sweep.stem}.py changed"
    assert reason in dry.err
    assert dry.out.splitlines()[-1] == "8 cells, 6 finished, 2 to run"
    before = sweep.state()
    assert sweep() == ({sweep.model}, reason)
    assert set(sweep.state()) == set(before)  # it took the place of its record
    assert sweep() == (set(), "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GAIN = 1.0", "GAIN = 1.0  # of nothing"),
        ('"""Holds x(0)."""', '"""Holds what it was given."""'),
        ('"""Nothing to make."""', "'''All is made.'''"),
        ("GAIN = 1.0\n\n\n", "GAIN = 1.0\n\n\n\n\n"),
    ],
    ids=["comment", "docstring", "docstring of a method", "blank lines"],
)
def test_words_about_code_do_not(sweep: Sweep, old: str, new: str) -> None:
    sweep.edit_plugin(old, new)
    assert sweep() == (set(), "")


def test_a_helper_beside_the_plugin_is_its_code(sweep: Sweep) -> None:
    (helper,) = sweep.plugins.glob("helper_*.py")
    sweep.edit(helper, "FACTOR = 1.0", "FACTOR = 1.0  # still")
    assert sweep() == (set(), "")
    before = {record.cell.model: record.scores for record in map(load, find(sweep.out))}
    sweep.edit(helper, "FACTOR = 1.0", "FACTOR = 3.0")
    ran, said = sweep()
    assert ran == {sweep.model}
    assert "plugin code of" in said
    after = {record.cell.model: record.scores for record in map(load, find(sweep.out))}
    assert {name for name in after if after[name] != before[name]} == {sweep.model}


EXCLUDED = '\nexcluded = [ { state = "A", reason = "a fault" } ]\n\n[source]'
TASK = {
    "train": (
        '{ name = "S1", held_out = ["S1"] }',
        '{ name = "S1", held_out = ["S1"], train = ["S3"] }',
        "strains",
        4,
    ),
    "held out": ('held_out = ["S2"]', 'held_out = ["S3"]', "strains", 4),
    "horizon": ("horizon = 24.0", "horizon = 30.0", "horizon", 8),
    "unit of a state": ('unit = "g/L"', 'unit = "mg/L"', "states", 8),
    "unit of a control": ('unit = "counts" },', 'unit = "copies" },', "controls", 8),
    "excluded": ("\n[source]", EXCLUDED, "means", 8),
    "product": ('final_product = "P"', 'final_product = "A"', "product", 8),
    "column": ('column = "Enzyme two"', 'column = "E1"', "reading", 8),
}


@pytest.mark.parametrize("name", TASK)
def test_what_a_number_stands_on_runs_again(sweep: Sweep, name: str) -> None:
    old, new, part, cells = TASK[name]
    sweep.edit_task(old, new)
    ran, said = sweep()
    assert ran == BASELINES | {sweep.model}
    assert said.startswith(f"{cells} finished cells (")
    assert f"run again: task toy changed: {part}" in said
    assert sweep() == (set(), "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "Made up"', 'title = "Made up anew"'),
        ('citation = "nobody 2026"', 'citation = "somebody 2027"'),
        ('licence = "CC0-1.0"', 'licence = "CC-BY-4.0"'),
        ("\n[source]", 'faults = ["S1 at 8 h is doubtful"]\n\n[source]'),
        ("published = true", "published = false"),
        ('name = "S1", held_out = ["S1"]', 'name = "S1", held_out = ["S1"], train = ["S2", "S3"]'),
    ],
    ids=["title", "citation", "licence", "faults", "published", "the same strains, named"],
)
def test_words_about_a_task_run_nothing_again(sweep: Sweep, old: str, new: str) -> None:
    sweep.edit_task(old, new)
    assert sweep() == (set(), "")


def test_other_data_run_again(sweep: Sweep) -> None:
    import hashlib

    csv = sweep.task / "toy.csv"
    digest = hashlib.sha256(csv.read_bytes()).hexdigest()
    sweep.edit(csv, "S3,8,900", "S3,8,901")
    sweep.edit_task(digest, hashlib.sha256(csv.read_bytes()).hexdigest())
    ran, said = sweep()
    assert ran == BASELINES | {sweep.model}
    assert "task toy changed: data" in said


def test_a_state_less_and_one_fold_run_again(sweep: Sweep, tmp_path: Path) -> None:
    """The folder then holds records of two shapes: the older ones are left out of tables, and that is said."""
    sweep.edit_task('  { name = "A", unit = "mM" },\n', "")
    ran, said = sweep("--fold", "S1")
    assert ran == BASELINES | {sweep.model}
    assert "task toy changed: states" in said
    assert "P [g/L]" in sweep.printed
    assert "A [mM]" not in sweep.printed
    report = sweep.cli("report", sweep.out, "--tasks-dir", sweep.task)
    assert report.code == 0, report.err
    (line,) = [line for line in report.err.splitlines() if "left out" in line]
    assert line.startswith("warning: 4 records are left out: made before what newer ones of the task stand on changed")
    assert "toy: states" in line
    compared = sweep.cli("compare", sweep.out, "--baseline", "persistence", "--tasks-dir", sweep.task)
    assert "Traceback" not in compared.err
    assert compared.code in (0, 2)


def test_a_state_less_than_old_records_have(sweep: Sweep) -> None:
    """Records of the first schema do not know their setting, but how many states they have shows."""
    for path in list(find(sweep.out)):
        as_old(path)
    sweep.edit_task('  { name = "A", unit = "mM" },\n', "")
    ran, _ = sweep("--fold", "S1")
    assert ran == BASELINES | {sweep.model}
    report = sweep.cli("report", sweep.out, "--tasks-dir", sweep.task)
    assert report.code == 0, report.err
    assert "warning: 4 records are left out" in report.err


def test_other_versions_of_the_harness_are_named(sweep: Sweep) -> None:
    for path in find(sweep.out):
        record = load(path)
        if record.cell.model == sweep.model:
            setting = msgspec.structs.replace(record.cell.setting, scoring="0", protocol="measured 1")
            cell = msgspec.structs.replace(record.cell, setting=setting)
            save(msgspec.structs.replace(record, cell=cell, key=cell.key), sweep.out)
    ran, said = sweep()
    assert ran == {sweep.model}
    assert "run again: the version of protocol changed; the version of scoring changed" in said


def as_old(path: Path) -> Path:
    """The record in a file as schema 1 had it, under the name that it had; the new file goes."""
    raw = json.loads(path.read_text())
    setting, prediction = raw["cell"].pop("setting"), raw.pop("prediction")
    raw["cell"].pop("code")
    raw["cell"] |= {"data_sha256": setting["data"], "harness": "0.1.0"}
    raw.pop("omitted")
    raw |= {"schema": 1, "key": "0" * 64, "inputs_sha256": "a" * 64, "truth_sha256": "b" * 64}
    for scores in raw["scores"].values():
        t, x = prediction["t"], prediction["x"]
        scores |= {"prediction": {"t": t[1:], "x": [strain[1:] for strain in x]}, "omitted": ""}
    old = path.with_name(path.name[: -len("0123456789ab.json")] + "0123456789.json")
    old.write_text(json.dumps(raw))
    path.unlink()
    return old


def test_records_of_the_first_schema_run_again_and_say_why(sweep: Sweep) -> None:
    old = [as_old(path) for path in list(find(sweep.out)) if sweep.model in path.name]
    assert len(old) == 2
    dry = sweep.cli("run", "--model", sweep.model, *sweep.asked, "--out", sweep.out, "--dry-run")
    assert all(path.exists() for path in old)  # a dry run renames nothing
    assert dry.out.splitlines()[-1] == "8 cells, 6 finished, 2 to run"
    ran, said = sweep()
    assert ran == {sweep.model}
    assert said == f"2 finished cells ({sweep.model}) run again: made before records knew their code"
    assert not any(path.exists() for path in old)
    assert len(list(find(sweep.out))) == 8
    assert sweep() == (set(), "")
    assert all(load(path).cell.setting.known for path in find(sweep.out))


def test_old_records_that_are_not_run_are_read_and_shown(sweep: Sweep) -> None:
    for path in list(find(sweep.out)):
        as_old(path)
    report = sweep.cli("report", sweep.out, "--tasks-dir", sweep.task)
    assert report.code == 0, report.err
    assert "left out" not in report.err  # nothing newer is there
    assert all(load(path).cell.setting == Setting(data=load(path).cell.setting.data) for path in find(sweep.out))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution installed to be edited: its entry point is found, its code stands in a checkout."""
    home = tmp_path / "checkout"
    package = home / "editable_net"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from omicsbench import ModelSpec, hookimpl\n\n\n@hookimpl\ndef omicsbench_models():\n"
        '    return [ModelSpec("editable", "editable_net.net:Net")]\n'
    )
    (package / "net.py").write_text(
        "import numpy as np\n\nfrom omicsbench import Model, Simulation\n\nGAIN = 1.0\n\n\nclass Net(Model):\n"
        "    def __init__(self, *, seed: int, device: str): ...\n\n"
        "    def fit(self, train, task, progress): ...\n\n"
        "    def simulate(self, x0, t, controls):\n"
        "        x = np.repeat(x0[:, None, :], t.size, axis=1)\n"
        "        x[:, 1:] *= GAIN\n"
        "        return Simulation(x=x, status=np.zeros(len(x0), dtype=np.int64))\n"
    )
    (package / "scale.csv").write_text("1\n")
    info = home / "editable_net-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: editable-net\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[omicsbench]\neditable_net = editable_net\n")
    monkeypatch.syspath_prepend(str(home))
    importlib.invalidate_caches()
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "editable_net"]:
        del sys.modules[name]


def test_an_installed_distribution_in_a_checkout(
    cli: Cli, make_task: Callable[..., Path], installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version says nothing while it is edited; its code does."""
    import os

    out = tmp_path / "results"
    path = os.pathsep.join([str(installed.parent), os.environ.get("PYTHONPATH", "")])

    def dry() -> tuple[str, str]:
        ran = cli(*command, "--dry-run", OMICSBENCH_PLUGINS="editable_net", PYTHONPATH=path)
        return ran.out.splitlines()[-1], ran.err

    command = ("run", "--task", "toy", "--tasks-dir", make_task(), "--model", "editable", "--fold", "S1", "--out", out)
    ran = cli(*command, OMICSBENCH_PLUGINS="editable_net", PYTHONPATH=path)
    assert ran.code == 0, ran.err
    assert dry() == ("4 cells, 4 finished, 0 to run", "")
    net = installed / "net.py"
    net.write_text("# a comment\n" + net.read_text())
    assert dry() == ("4 cells, 4 finished, 0 to run", "")
    for file, text in ((net, net.read_text().replace("GAIN = 1.0", "GAIN = 2.0")), (installed / "scale.csv", "2\n")):
        before = file.read_text()
        file.write_text(text)
        last, err = dry()
        assert last == "4 cells, 3 finished, 1 to run"
        assert "1 finished cell (editable) run again: plugin code of editable-net changed" in err
        file.write_text(before)
        assert dry() == ("4 cells, 4 finished, 0 to run", "")
