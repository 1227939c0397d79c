"""Discovery: what is broken is reported by name, and the rest works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omicsbench.errors import RequestError
from omicsbench.plugins import RESTRICT, Registry, discover

MakePlugin = Callable[..., Path]
BASELINES = {"persistence", "mean-strain", "nearest-strain"}

MODEL = """
class Held(Model):
    def __init__(self, *, seed: int, device: str, width: int = 3): ...
    def fit(self, train, task, progress): ...
    def simulate(self, x0, t, controls): return held(x0, t)
"""


def offering(specs: str) -> str:
    return f"{MODEL}\n\n@hookimpl\ndef omicsbench_models():\n    return {specs}\n"


@pytest.fixture
def found(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Registry, list[str]]]:
    """``found(stem, body)``: the registry with that one-file plugin, and its problems as text."""

    def find(stem: str, body: str, **head: str) -> tuple[Registry, list[str]]:
        monkeypatch.setenv(RESTRICT, "")
        registry = discover([make_plugin(stem, body, **head)])
        assert set(registry.models) >= BASELINES
        assert all(problem.plugin == stem for problem in registry.problems)
        return registry, [problem.reason for problem in registry.problems]

    return find


def test_a_one_file_plugin_is_known_by_its_file_and_text(found: Callable[..., Any]) -> None:
    registry, problems = found("plugin_whole", offering('[ModelSpec("whole", "plugin_whole:Held")]'))
    offer = registry.model("whole")
    assert not problems
    assert offer.file is not None
    assert (offer.plugin, offer.distribution, offer.file.name) == ("plugin_whole", "plugin_whole.py", "plugin_whole.py")
    assert len(offer.version) == len("sha256:") + 12


BROKEN = {
    "import": ("import no_such_module_anywhere", "import failed: ModuleNotFoundError: No module named 'no_such_mod"),
    "syntax": ("def f(:", "import failed: SyntaxError"),
    "exit": ("sys.exit('not today')", "import failed: SystemExit: not today"),
    "no_hook": ("x = 1", "has no hook of omicsbench; decorate it with omicsbench.hookimpl"),
    "misspelt": (
        "@hookimpl\ndef omicsbench_model():\n    return []",
        "unknown hook 'omicsbench_model': did you mean 'omicsbench_models'?",
    ),
    "signature": (
        "@hookimpl\ndef omicsbench_models(extra):\n    return []",
        "PluginValidationError",
    ),
    "raises": ("@hookimpl\ndef omicsbench_models():\n    return 1 / 0", "omicsbench_models raised ZeroDivisionError"),
    "exits": ("@hookimpl\ndef omicsbench_models():\n    sys.exit(1)", "omicsbench_models raised SystemExit: 1"),
    "nothing": (offering("None"), "omicsbench_models must return a list, got NoneType"),
    "one": (offering('ModelSpec("one", "m:Held")'), "omicsbench_models must return a list, got ModelSpec"),
    "no_spec": (offering('["model"]'), "omicsbench_models must return ModelSpecs, got str"),
    "bad_name": (offering('[ModelSpec("My Model", "m:Held")]'), "model name 'My Model' must be lower-case letters"),
    "number": (offering('[ModelSpec(3, "m:Held")]'), "model 3: name must be text, got 3"),
    "taken": (
        offering('[ModelSpec("persistence", "m:Held")]'),
        "model 'persistence' is already offered by plugin 'baselines'; this one is ignored",
    ),
    "no_device": (offering('[ModelSpec("a", "m:Held", devices=())]'), "devices must be out of cpu, cuda, got ()"),
    "tpu": (offering('[ModelSpec("a", "m:Held", devices=("tpu",))]'), "devices must be out of cpu, cuda, got ('tpu"),
    "text_device": (offering('[ModelSpec("a", "m:Held", devices="cpu")]'), "devices must be out of cpu, cuda, got"),
    "listed_device": (
        offering('[ModelSpec("a", "m:Held", devices=[["cpu"]])]'),
        "devices must be out of cpu, cuda, got [[",
    ),
    "deterministic": (
        offering('[ModelSpec("a", "m:Held", deterministic="yes")]'),
        "model 'a': deterministic must be True or False, got 'yes'",
    ),
    "copies": (offering('[ModelSpec("a", "m:Held", copies_data=1)]'), "copies_data must be True or False, got 1"),
    "citation": (offering('[ModelSpec("a", "m:Held", citation=["x"])]'), "citation must be text, got ['x']"),
    "unprintable": (
        offering('[ModelSpec("a", "m:Held", summary=os.fsdecode(b"caf\\xe9"))]'),
        "summary has a character that cannot be printed: '\\udce9'",
    ),
    "listed_role": (offering('[ModelSpec("a", "m:Held", role=["model"])]'), "role must be out of model, trivial"),
    "unreadable": (
        offering('[Odd("a", "m:Held")]')
        + "\n\nclass Odd(ModelSpec):\n    def __getattribute__(self, name):\n        raise OSError('gone')\n",
        "a model on offer cannot be read: OSError: gone",
    ),
    "own_exception": (
        "class Mine(BaseException): ...\n\n\nraise Mine(os.fsdecode(b'caf\\xe9'))",
        "import failed: Mine: caf\\udce9",
    ),
    "interrupt": ("raise KeyboardInterrupt", "its import raises KeyboardInterrupt"),
    "death": ("os._exit(0)", "its import fails: WorkerDied: the worker process ended with exit code 0"),
    "kill": ("os.kill(os.getpid(), 9)", "its import fails: WorkerDied: killed by SIGKILL"),
    "hook_death": (
        "@hookimpl\ndef omicsbench_tasks():\n    os._exit(1)",
        "its import fails: WorkerDied: the worker process ended with exit code 1",
    ),
    "role": (offering('[ModelSpec("a", "m:Held", role="best")]'), "role must be out of model, trivial, oracle"),
    "factory": (offering('[ModelSpec("a", "m.Held")]'), "model 'a': factory must be 'package.module:Class'"),
    "no_factory": (offering('[ModelSpec("a", None)]'), "model 'a': factory must be text, got None"),
    "tasks": (
        "@hookimpl\ndef omicsbench_tasks():\n    return ['/no/such/folder']",
        "omicsbench_tasks names no folder: '/no/such/folder'",
    ),
    "one_folder": (
        "@hookimpl\ndef omicsbench_tasks():\n    return '/tmp'",
        "omicsbench_tasks must return a list, got str",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_reported_and_the_rest_works(found: Callable[..., Any], name: str) -> None:
    body, complaint = BROKEN[name]
    _, (reason,) = found(f"plugin_{name}", body)
    assert complaint in reason
    assert "\n" not in reason


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where plugins are remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(RESTRICT, "")
    return tmp_path / "cache"


def test_a_plugin_that_never_comes_back_is_given_up_and_remembered(
    make_plugin: MakePlugin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_plugin("plugin_endless", "while True:\n    pass\n")
    monkeypatch.setattr("omicsbench.running.trial.LIMIT", 1.0)
    (problem,) = discover([folder]).problems
    assert problem.reason.startswith("its import takes more than 1 s (remembered until its code changes, or ")
    monkeypatch.setattr("omicsbench.running.trial.LIMIT", 600.0)
    assert discover([folder]).problems == [problem]
    (folder / "plugin_endless.py").write_text("x = 1\n")
    (problem,) = discover([folder]).problems
    assert problem.reason.startswith("has no hook of omicsbench")


def test_a_hook_that_never_comes_back_is_given_up_and_remembered(
    make_plugin: MakePlugin, cache: Path, survivors: Callable[[], list[int]], wait_for: Callable[..., Any]
) -> None:
    body = "@hookimpl\ndef omicsbench_models():\n    time.sleep(600)\n"
    folder = make_plugin("plugin_sleeping", body)
    reason = "omicsbench_models did not come back within 5 s; it is not called again"
    for _ in range(2):
        (problem,) = discover([folder]).problems
        assert problem.reason.startswith(reason)
    wait_for(lambda: not survivors())


def test_a_known_plugin_is_not_tried_again(make_plugin: MakePlugin, cache: Path, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    text = offering('[ModelSpec("known", "plugin_known:Held")]')
    folder = make_plugin("plugin_known", f"with open({str(marks)!r}, 'a') as f:\n    f.write('x')\n{text}")
    assert "known" in discover([folder]).models
    assert marks.read_text() == "xx"
    del sys.modules["plugin_known"]
    (memory,) = cache.glob("omicsbench/plugins-*.json")
    for damage in (None, b"", b"[]", b'{"verdicts": 3, "places": {}}', b"\xff"):
        tried = 2
        if damage is None:
            tried = 1
        else:
            memory.write_bytes(damage)
        marks.write_text("")
        assert "known" in discover([folder]).models
        assert marks.read_text() == "x" * tried
        del sys.modules["plugin_known"]
    comment = folder / "plugin_known.py"
    comment.write_text(comment.read_text() + "# a comment\n")
    marks.write_text("")
    assert "known" in discover([folder]).models
    assert marks.read_text() == "x"


def test_without_a_place_to_remember_every_start_tries(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv(RESTRICT, "")
    folder = make_plugin("plugin_forgotten", offering('[ModelSpec("forgotten", "plugin_forgotten:Held")]'))
    for _ in range(2):
        registry = discover([folder])
        assert "forgotten" in registry.models
        assert not registry.problems


def test_a_broken_model_leaves_the_others_of_its_plugin(found: Callable[..., Any]) -> None:
    specs = '[ModelSpec("Bad", "m:Held"), ModelSpec("good", "m:Held"), ModelSpec("good", "m:Held")]'
    registry, problems = found("plugin_mixed", offering(specs))
    assert set(registry.models) >= {"good"}
    assert len(problems) == 2


def test_an_unknown_model_of_a_broken_plugin_says_why(found: Callable[..., Any]) -> None:
    registry, _ = found("brokenplugin", "import no_such_module_anywhere")
    with pytest.raises(RequestError, match=r"unknown model 'brokenplugin' \(its plugin is broken: .*ModuleNotFound"):
        registry.model("brokenplugin")
    with pytest.raises(RequestError, match=r"unknown model 'persistance': did you mean 'persistence'\?"):
        registry.model("persistance")


@pytest.mark.parametrize("stem", ["json", "numpy", "sched"])
def test_a_file_may_not_take_the_name_of_a_module(tmp_path: Path, stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of one that is loaded nor of one that could be."""
    monkeypatch.setenv(RESTRICT, "")
    (tmp_path / f"{stem}.py").write_text("raise SystemExit('this file may not run')")
    registry = discover([tmp_path])
    (problem,) = registry.problems
    assert problem.reason == f"{tmp_path}/{stem}.py: its name hides the module '{stem}'; rename the file"


def test_discovering_twice_is_the_same(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RESTRICT, "")
    folder = make_plugin("plugin_twice", offering('[ModelSpec("twice", "plugin_twice:Held")]'))
    first, second = discover([folder]), discover([folder])
    assert list(first.models) == list(second.models)
    assert first.problems == second.problems == []


def test_a_missing_plugins_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--plugins-dir .*/absent: no such folder"):
        discover([tmp_path / "absent"])


METRICS = """
from omicsbench.scoring.metrics import Metric


@hookimpl
def omicsbench_metrics():
    worst = Metric("worst", "", "native", "lower", lambda s: np.nanmax(np.abs(s.prediction - s.truth), axis=(0, 1)))
    return [worst, Metric("rmse", "", "1", "lower", lambda s: 0 * s.scale), Metric("skill", "", "1", "lower", abs), 3]
"""


def test_metrics_of_plugins_come_beside_the_cores(found: Callable[..., Any]) -> None:
    registry, _ = found("plugin_metrics", METRICS)
    assert [metric.name for metric in registry.metrics] == ["worst"]
    assert [problem.reason for problem in registry.problems] == [
        "metric 'rmse' is there already; this one is ignored",
        "metric 'skill' is there already; this one is ignored",
        "omicsbench_metrics must return Metrics, got int",
    ]


def test_a_plugin_that_fails_when_told_of_a_record_is_reported(found: Callable[..., Any]) -> None:
    body = "seen = []\n\n\n@hookimpl\ndef omicsbench_cell_finished(record):\n    seen.append(record)\n    1 / 0\n"
    registry, _ = found("plugin_listening", body)
    registry.notify("a record")
    assert sys.modules["plugin_listening"].seen == ["a record"]
    (problem,) = registry.problems
    assert problem.reason == "omicsbench_cell_finished raised ZeroDivisionError: division by zero"


def test_a_plugin_that_sleeps_when_told_of_a_record_is_told_no_more(
    found: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "seen = []\n\n\n@hookimpl\ndef omicsbench_cell_finished(record):\n    seen.append(record)\n    time.sleep(5)\n"
    )
    registry, _ = found("plugin_slow_listener", body)
    monkeypatch.setattr("omicsbench.plugins.HOOK_LIMIT", 0.2)
    for _ in range(3):
        registry.notify("a record")
    assert sys.modules["plugin_slow_listener"].seen == ["a record"]
    (problem,) = registry.problems
    assert problem.reason == "omicsbench_cell_finished did not come back within 0.2 s; it is not called again"


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., list[str]]:
    """Two tiny distributions on PYTHONPATH, one broken; gives the lines of ``omicsbench ARGUMENTS``."""
    site = tmp_path / "site"
    for name, body in (
        ("fine_model", 'return [ModelSpec("fine-model", "fine_model:Fine", summary="as it should be")]'),
        ("broken_model", 'raise RuntimeError("out of order")'),
        ("deadly_model", "import os; os._exit(0)"),
    ):
        package = site / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(
            "from omicsbench import ModelSpec, hookimpl\n\n\n"
            f"@hookimpl\ndef omicsbench_models():\n    {body}\n\n\n"
            "class Fine:\n    def __init__(self, *, seed: int, device: str, width: int = 3): ...\n"
        )
        info = site / f"{name}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[omicsbench]\n{name.replace('_', '-')} = {name}\n")

    def run(*arguments: str, restrict: str) -> list[str]:
        environment = os.environ | {"PYTHONPATH": str(site), RESTRICT: restrict}
        command = [sys.executable, "-m", "omicsbench", *arguments]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return [*ran.stdout.splitlines(), *ran.stderr.splitlines()]

    return run


def test_installed_plugins_are_found_by_their_entry_point(installed: Callable[..., list[str]]) -> None:
    lines = installed("list", "models", restrict="fine-model,broken-model")
    (row,) = [line for line in lines if line.startswith("fine-model")]
    assert "1.2.3" in row
    assert "width=3" in row
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: plugin 'broken-model': omicsbench_models raised RuntimeError: out of order"
    ]


def test_an_installed_plugin_that_ends_the_process_is_named(installed: Callable[..., list[str]]) -> None:
    lines = installed("list", "models", restrict="fine-model,deadly-model")
    assert any(line.startswith("fine-model") for line in lines)
    (warning,) = [line for line in lines if line.startswith("warning")]
    assert warning.startswith("warning: plugin 'deadly-model': its import fails: WorkerDied: the worker process ended")


def test_installed_plugins_can_be_restricted(installed: Callable[..., list[str]]) -> None:
    lines = installed("list", "models", restrict="fine-model, fine-modle")
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: plugin 'fine-modle': named in OMICSBENCH_PLUGINS but not installed: did you mean 'fine-model'?"
    ]
    assert any(line.startswith("fine-model") for line in lines)
    assert not any(line.startswith("fine-model") for line in installed("list", "models", restrict=""))
