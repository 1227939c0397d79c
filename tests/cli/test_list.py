"""``omicsbench list``: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

PLUGIN = """
from omicsbench.scoring.metrics import Metric


class Odd(Model):
    def __init__(self, *, seed: int, device: str, width: int = 3, kind: str = "a"): ...
    def fit(self, train, task, progress): ...
    def simulate(self, x0, t, controls): ...


@hookimpl
def omicsbench_models():
    return [
        ModelSpec("odd", "listed_plugin:Odd", summary="odd one", citation="doi:10/odd"),
        ModelSpec("lost", "listed_plugin:Lost"),
    ]


@hookimpl
def omicsbench_metrics():
    return [Metric("worst", "largest error", "native", "lower", lambda s: s.scale)]


@hookimpl
def omicsbench_tasks():
    return [TASKS]
"""


@pytest.fixture(scope="module")
def plugins(make_plugin: Callable[..., Path], make_task: Callable[..., Path]) -> Path:
    return make_plugin("listed_plugin", PLUGIN.replace("TASKS", repr(str(make_task("from-plugin").parent))))


def rows(cli: Cli, *arguments: object) -> list[dict[str, Any]]:
    ran = cli("list", *arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_models_with_parameters_and_what_is_wrong_with_them(cli: Cli, plugins: Path) -> None:
    found = {row["model"]: row for row in rows(cli, "models", "--plugins-dir", plugins)}
    assert {"persistence", "mean-strain", "nearest-strain", "odd", "lost"} <= set(found)
    assert found["odd"]["parameters"] == {"width": 3, "kind": "a"}
    assert found["odd"]["citation"] == "doi:10/odd"
    assert found["persistence"]["role"] == "trivial"
    assert "no class 'Lost'" in found["lost"]["parameters"]["unreadable"]


def test_tasks_of_the_suite_of_plugins_and_of_folders(cli: Cli, plugins: Path, make_task: Callable[..., Path]) -> None:
    asked = ("tasks", "--plugins-dir", plugins, "--tasks-dir", make_task("from-folder"))
    found = {row["task"]: row for row in rows(cli, *asked)}
    assert {"limonene", "isopentenol", "from-plugin", "from-folder"} <= set(found)
    assert found["limonene"]["folds"] == ["L1", "L2", "L3"]
    assert (found["isopentenol"]["states"], found["isopentenol"]["controls"]) == (6, 8)


def test_a_broken_task_of_a_plugin_is_left_out(
    cli: Cli, make_plugin: Callable[..., Path], make_task: Callable[..., Path]
) -> None:
    broken = make_task("broken", toml=lambda text: text.replace("horizon", "horizont"))
    body = f"@hookimpl\ndef omicsbench_tasks():\n    return [{str(broken)!r}]\n"
    ran = cli("list", "tasks", "--json", "--plugins-dir", make_plugin("brings_broken_task", body))
    assert ran.code == 0
    assert {"limonene", "isopentenol"} <= {row["task"] for row in json.loads(ran.out)}
    (line,) = ran.err.splitlines()
    assert "unknown key 'horizont': did you mean 'horizon'?" in line


def test_a_broken_task_that_was_named_is_an_error(cli: Cli, make_task: Callable[..., Path]) -> None:
    broken = make_task(toml=lambda text: text.replace("horizon", "horizont"))
    ran = cli("list", "tasks", "--tasks-dir", broken)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {broken}/task.toml: unknown key 'horizont'")


def test_protocols_and_metrics(cli: Cli, plugins: Path) -> None:
    ranked = {row["protocol"]: row["ranked"] for row in rows(cli, "protocols")}
    assert ranked == {"measured": True, "published": True, "published-leaky": False}
    names = [row["metric"] for row in rows(cli, "metrics", "--plugins-dir", plugins)]
    assert {"rmse", "nrmse", "r2", "final_error", "negative_share", "crps", "coverage90", "skill", "worst"} <= set(
        names
    )
    assert len(names) == len(set(names))


@pytest.mark.parametrize("what", ["models", "tasks", "protocols", "metrics"])
def test_the_table_names_what_the_json_names(cli: Cli, what: str) -> None:
    table = cli("list", what).out
    for row in rows(cli, what):
        assert str(next(iter(row.values()))) in table


def test_an_unknown_list_is_an_error(cli: Cli) -> None:
    ran = cli("list", "modles")
    assert ran.code == 2
    assert "'modles' is not one of 'models', 'tasks', 'protocols', 'metrics'" in ran.err
