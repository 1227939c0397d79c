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
from omicsbench.metrics import Metric


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


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., list[str]]:
    """Two tiny distributions on PYTHONPATH, one broken; gives the lines of ``omicsbench ARGUMENTS``."""
    site = tmp_path / "site"
    for name, body in (
        ("fine_model", 'return [ModelSpec("fine-model", "fine_model:Fine", summary="as it should be")]'),
        ("broken_model", 'raise RuntimeError("out of order")'),
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


def test_installed_plugins_can_be_restricted(installed: Callable[..., list[str]]) -> None:
    lines = installed("list", "models", restrict="fine-model, fine-modle")
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: plugin 'fine-modle': named in OMICSBENCH_PLUGINS but not installed: did you mean 'fine-model'?"
    ]
    assert any(line.startswith("fine-model") for line in lines)
    assert not any(line.startswith("fine-model") for line in installed("list", "models", restrict=""))
