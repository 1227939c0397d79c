"""``omicsbench check``: what it prints, its exit codes, and the same checks from pytest."""

import json
import subprocess
import sys

import pytest

from omicsbench.conformance import CHECKS
from omicsbench.records.environment import gpus

HELD = """
class Held(Model):
    def __init__(self, *, seed: int, device: str, level: float = 1.0) -> None:
        self.level = level

    def fit(self, train, task, progress):
        progress(1, 1)

    def simulate(self, x0, t, controls):
        said = held(x0, t)
        said.x[:, 1:] *= self.level
        return said


@hookimpl
def omicsbench_models():
    return [ModelSpec(name="NAME", factory="MODULE:Held")]
"""


@pytest.fixture(scope="module")
def held(make_plugin):
    """A folder with a plugin that holds x(0), times its parameter ``level``."""
    return make_plugin("check_held", HELD.replace("NAME", "held").replace("MODULE", "check_held"))


def test_each_check_is_a_line_and_the_last_one_counts_them(cli):
    ran = cli("check", "persistence")
    *lines, last = ran.out.splitlines()
    assert ran.code == 0
    assert [line.split()[0] for line in lines] == list(CHECKS)
    for line, check in zip(lines, CHECKS.values(), strict=True):
        assert line.split()[1] in ("passed", "skipped")
        assert f"expected: {check.expected}" in line
        assert line.endswith(f"({check.where})")
    skipped = 0 if gpus() else 1
    assert last == f"persistence: {len(CHECKS) - skipped} passed, 0 failed, {skipped} skipped"


def test_json_holds_the_same(cli, held):
    ran = cli("check", "held", "--plugins-dir", held, "--json")
    said = json.loads(ran.out)
    assert ran.code == 0
    assert said["failed"] == 0
    assert said["parameters"] == {"level": 1.0}
    assert [check["name"] for check in said["checks"]] == list(CHECKS)
    assert {check["status"] for check in said["checks"]} <= {"passed", "skipped"}


def test_a_failed_check_says_what_came_instead_and_the_exit_code_is_1(cli, make_plugin):
    body = (
        HELD.replace("NAME", "loud").replace("MODULE", "check_loud").replace("progress(1, 1)", "raise OSError('gone')")
    )
    ran = cli("check", "loud", "--plugins-dir", make_plugin("check_loud", body))
    line = next(line for line in ran.out.splitlines() if line.startswith("fit "))
    assert ran.code == 1
    assert "failed   raised OSError: gone (check_loud.py, line" in line
    assert "1 failed" in ran.out.splitlines()[-1]


def test_a_set_parameter_reaches_the_model(cli, held):
    ran = cli("check", "held", "--plugins-dir", held, "--set", "level=1e300", "--json")
    statuses = {check["name"]: check["status"] for check in json.loads(ran.out)["checks"]}
    assert ran.code == 1
    assert statuses["divergence"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["persistance"], "did you mean 'persistence'?"),
        (["persistence", "--set", "width=3"], "has no parameter 'width'"),
        (["persistence", "--set", "width"], "must be NAME=VALUE"),
        (["persistence", "--plugins-dir", "/nowhere"], "no such folder"),
        (["oracle"], "is an oracle"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(cli, arguments, said):
    ran = cli("check", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_pytest_runs_the_same_checks_from_one_line(tmp_path, held):
    (tmp_path / "test_held.py").write_text(
        "from pathlib import Path\n"
        "from omicsbench.conformance import conformance_tests\n"
        f"test_conformance = conformance_tests('held', plugins_dir=Path({str(held)!r}), level=1e300)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-rA", "-q", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 1
    seen = {name for name in CHECKS if f"PASSED test_held.py::test_conformance[{name}]" in ran.stdout}
    assert set(CHECKS) - seen == {"divergence", "diverging-neighbour"} | (set() if gpus() else {"cpu"})
    assert "not reached, because the check divergence was failed" in ran.stdout
    assert "FAILED test_held.py::test_conformance[divergence]" in ran.stdout
    assert "Traceback" not in ran.stdout
