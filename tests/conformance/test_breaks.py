"""A good plugin is broken in every way that a check names, and the check that names it says so."""

import sys
from collections.abc import Sequence

import pytest

from omicsbench.conformance import CHECKS, Examination
from omicsbench.records.environment import gpus

INIT = "        self.ridge, self.rates = ridge, rates\n"
FIT = '        self.transform = ControlTransform.fit(train, "log")\n'
SIMULATE = "        grid = points(t, controls)\n        steady"
RETURN = "        return Simulation(x, "
STATUS = "np.where(lost.any(axis=1), Status.DIVERGED, Status.OK))"
PROGRESS = "progress(state + 1, len(task.states), error)"
HARDWARE = {"cpu", "gpu"}
INSIDE = [name for name, check in CHECKS.items() if not check.outside]


def before(place: str, *lines: str) -> tuple[str, str]:
    """The break that puts lines of a method before a place."""
    return place, "".join(f"        {line}\n" for line in lines) + place


BREAKS: dict[str, tuple[str, tuple[str, str], Sequence[str]]] = {
    # what is broken: the check that names it, the break, other checks that may see it
    "seed by position": ("construction", ("*, seed: int", "seed: int"), ()),
    "keywords in the dark": ("construction", ("rates: int = 30", "rates: int = 30, **more: int"), ()),
    "default of another kind": ("parameters", ("ridge: float = 0.1", "ridge: int = 0.1"), ()),
    "annotation that says nothing": ("parameters", ("ridge: float = 0.1", "ridge: object = 0.1"), ()),
    "fit that raises": ("fit", before(FIT, 'raise RuntimeError("no luck")'), ()),
    "strains of one length only": ("fit-ragged", before(FIT, "np.stack([strain.x for strain in train])"), ()),
    "NaN taken for a number": ("fit-holes", ("seen = ~np.isnan(strain.x[:, state])", "seen = strain.t >= 0"), ()),
    "every strain has every state": (
        "fit-holes",
        (
            "        if not seen.any():\n",
            "        if not seen.any():\n            raise IndexError\n        if False:\n",
        ),
        (),
    ),
    "silent fit": ("progress", (PROGRESS, "pass"), ()),
    "steps from zero": ("progress", (PROGRESS, "progress(state, len(task.states), error)"), ()),
    "steps backwards": ("progress", (PROGRESS, "progress(len(task.states) - state, len(task.states))"), ()),
    "arrays in describe": ("describe", ("self.k.tolist()", "self.k[:, None]"), ()),
    "NaN in describe": ("describe", ("self.k.tolist()", "(0 * self.k / 0).tolist()"), ()),
    "axes in another order": ("shapes", (RETURN, "        return Simulation(x.transpose(0, 2, 1), "), ()),
    "evaluations as one number": ("shapes", (STATUS, STATUS[:-1] + ", nfe=np.array(7))"), ()),
    "no Simulation": ("shapes", (RETURN + STATUS, "        return x"), ()),
    "status as float": ("dtypes", (STATUS, STATUS[:-1] + ".astype(float))"), ()),
    "x in single precision": (
        "dtypes",
        (RETURN, "        return Simulation(x.astype(np.float32), "),
        ("start", "one-time", "late-start", "divergence"),
    ),
    "x as a list": ("host-arrays", (RETURN, "        return Simulation(x.tolist(), "), ()),
    "status of one's own": (
        "status",
        (STATUS, "np.full(len(x), 7))"),
        ("one-time", "times-outside", "zeros", "divergence"),
    ),
    "start nearly right": (
        "start",
        before(RETURN, "x[:, 0] *= 1 + 1e-12"),
        ("one-time", "late-start", "divergence"),
    ),
    "clipped start": ("start", before(SIMULATE, "x0 = np.minimum(x0, 8.0)"), ("divergence",)),
    "calls that remember": (
        "repeats",
        before(RETURN, "self.calls = getattr(self, 'calls', 0) + 1", "x[:, 1:] *= 1 + 1e-13 * self.calls"),
        ("determinism",),
    ),
    "result handed out twice": (
        "repeats",
        before(
            RETURN,
            "self.memory = getattr(self, 'memory', {})",
            "x = self.memory.setdefault((x0.tobytes(), t.tobytes(), controls.u.tobytes()), x)",
        ),
        ("determinism",),
    ),
    "strains that feel each other": (
        "batch",
        before(RETURN, "x[:, 1:] += 0.01 * x[:, 1:].mean(axis=0)"),
        ("diverging-neighbour", "late-start", "field"),
    ),
    "two times at least": ("one-time", before(SIMULATE, "t[1]"), ()),
    "steps as asked for": (
        "uneven-times",
        (SIMULATE, SIMULATE.replace("points(t, controls)", "t")),
        ("controls-between", "controls-ends", "late-start", "field"),
    ),
    "no time beyond the horizon": ("times-outside", before(SIMULATE, "assert t[-1] <= 48"), ()),
    "nothing beyond the horizon": (
        "times-outside",
        before("        lost = np.maximum", "x[:, t > 48] = np.nan"),
        (),
    ),
    "clock that starts at zero": (
        "late-start",
        (SIMULATE, "        t = t - t[0]\n" + SIMULATE),
        (),
    ),
    "controls held from sample to sample": (
        "controls-between",
        (
            "steady = self._features(controls.at(grid))",
            "held = np.clip(np.searchsorted(controls.t, grid, side='right') - 1, 0, None)\n"
            "        steady = self._features(controls.u[:, held])",
        ),
        ("field",),
    ),
    "controls linear in their logarithm": (
        "controls-between",
        (
            "steady = self._features(controls.at(grid))",
            "steady = self._features(np.exp(Controls(controls.t, np.log(np.maximum(controls.u, 1e-9))).at(grid)))",
        ),
        ("field",),
    ),
    "controls that go on rising": (
        "controls-ends",
        (
            "steady = self._features(controls.at(grid))",
            "slope = (controls.u[:, -1] - controls.u[:, -2]) / (controls.t[-1] - controls.t[-2])\n"
            "        after = np.clip(grid - controls.t[-1], 0, None)[None, :, None]\n"
            "        steady = self._features(controls.at(grid) + slope[:, None] * after)",
        ),
        (),
    ),
    "field of another model": ("field", ("return self.k * (", "return 1.5 * self.k * ("), ()),
    "field of one row": ("field", ("@ self.weights - x)", "@ self.weights - x)[0]"), ()),
    "logarithm of zero": (
        "zeros",
        before(SIMULATE, "if not controls.u.any():", "    raise ValueError('log of 0')"),
        (),
    ),
    "overflow that raises": ("divergence", before(SIMULATE, "if x0.max() > 1e9:", "    raise FloatingPointError"), ()),
    "infinity that is well": (
        "divergence",
        (RETURN + STATUS, "        x = np.where(x > 1e9, np.inf, x)\n" + RETURN + "np.zeros(len(x), dtype=int))"),
        (),
    ),
    "silent clip": ("divergence", before(RETURN, "x = np.clip(x, -1e6, 1e6)"), ()),
    "divergence without NaN": (
        "divergence",
        (STATUS, "np.where(np.abs(x).max(axis=(1, 2)) > 1e9, Status.DIVERGED, Status.OK))"),
        (),
    ),
    "one takes all": (
        "diverging-neighbour",
        before("        lost = np.maximum", "x[:, 1:] = np.where(x.max() > 1e9, np.nan, x[:, 1:])"),
        (),
    ),
    "unseeded chance": (
        "determinism",
        (PROGRESS, "self.k *= 1 + 1e-9 * np.random.rand()\n            " + PROGRESS),
        (),
    ),
    "small seeds only": ("seeds", before(INIT, "assert seed < 2**31"), ()),
    "training strains put right": (
        "inputs",
        before(FIT, "for strain in train:", "    strain.x[0] += 1e-9"),
        ("worker",),
    ),
    "training strains taken": (
        "inputs",
        ("progress(state + 1", "train[:] = train[::-1]\n            progress(state + 1"),
        (),
    ),
    "x(0) moved": ("inputs", before(RETURN, "x0 += 1e-9"), ()),
    "times moved": ("inputs", before(RETURN, "t -= t[0] - 1"), ()),
    "device of one's own": ("cpu", before(INIT, "import os", "os.environ['CUDA_VISIBLE_DEVICES'] = '0'"), ()),
}


def judge(examination: Examination, names: Sequence[str], named: str, others: Sequence[str] = ()) -> None:
    """The check that names the break failed; others passed, were not reached for it, or may see it too."""
    results = [examination.result(name) for name in names]
    failed = {result.name: result.reason for result in results if result.status == "failed"}
    assert named in failed, {result.name: result.status for result in results}
    assert set(failed) <= {named, *others}, failed
    for result in results:
        if result.status == "skipped":
            assert result.name in HARDWARE or result.reason.startswith("not reached, because the check"), result


def test_the_unbroken_plugin_passes_every_check(examine):
    examination = examine()
    results = [examination.result(name) for name in CHECKS]
    assert [str(result) for result in results if result.status == "failed"] == []
    missing = HARDWARE if not gpus() else set()
    assert {result.name for result in results if result.status == "skipped"} <= missing


@pytest.mark.parametrize(("named", "broken", "others"), BREAKS.values(), ids=BREAKS)
def test_a_break_is_caught_by_the_check_that_names_it(examine, named, broken, others):
    judge(examine(broken), INSIDE, named, others)


OUTSIDE = {
    "heavy import": ("light-import", ("import numpy as np\n", "import numpy as np\nimport pandas\n")),
    "another process, another result": (
        "worker",
        (PROGRESS, "self.k *= 1 + 1e-15 * (__import__('os').getpid() % 4093)\n            " + PROGRESS),
    ),
}


@pytest.mark.parametrize(("named", "broken"), OUTSIDE.values(), ids=OUTSIDE)
def test_a_break_outside_is_caught_by_the_check_that_names_it(examine, named, broken):
    judge(examine(broken), [name for name in CHECKS if name not in ("fit-ragged", "fit-holes")], named)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process in another session lives on")
def test_a_process_that_would_stay_goes_with_the_worker(examine):
    start = "subprocess.run(['sh', '-c', 'sleep 600 > /dev/null &'], start_new_session=True)"
    examination = examine(before(FIT, "import subprocess", start))
    assert [examination.result(name).status for name in ("fit", "worker", "timeout")] == ["passed"] * 3


def test_a_process_too_large_is_caught(examine, monkeypatch):
    from omicsbench.conformance import outside

    monkeypatch.setattr(outside, "MEMORY_MB", 20)
    result = examine().result("footprint")
    assert result.status == "failed"
    assert "MB" in result.reason


def test_a_crash_is_a_failed_check_and_not_the_end(examine):
    crash = before(SIMULATE, "if t.size == 1:", "    import os, signal", "    os.kill(os.getpid(), signal.SIGSEGV)")
    examination = examine(crash)
    judge(examination, INSIDE, "one-time")
    assert "SIGSEGV" in examination.result("one-time").reason


def test_an_exit_is_a_failed_check_that_tells_what_was_printed(examine):
    leave = before(SIMULATE, "if t.size == 1:", "    print('bye now')", "    raise SystemExit(3)")
    reason = examine(leave).result("one-time").reason
    assert "SystemExit: 3" in reason
    assert "bye now" in reason


def test_a_hang_is_a_failed_check(examine):
    examination = examine(before(SIMULATE, "import time", "while t.size == 1:", "    time.sleep(1)"), timeout=10.0)
    judge(examination, ["fit", "one-time", "uneven-times"], "one-time")
    assert "not finished after 10 s" in examination.result("one-time").reason


def test_what_a_plugin_raises_is_told_with_its_line(examine):
    reason = examine(before(FIT, "raise ValueError('no such thing')")).result("fit").reason
    assert reason.startswith("raised ValueError: no such thing (broken_")


def test_a_break_blocks_what_is_built_on_it_and_says_so(examine):
    result = examine(before(FIT, "raise ValueError('no')")).result("footprint")
    assert result.status == "skipped"
    assert result.reason == "not reached, because the check fit was failed"


def test_trivial_baselines_keep_the_contract(monkeypatch):
    from omicsbench.conformance import subject_of
    from omicsbench.plugins import discover

    monkeypatch.setenv("OMICSBENCH_PLUGINS", "")
    for name in ("persistence", "mean-strain", "nearest-strain"):
        with Examination(subject_of(discover(), name, {})) as examination:
            results = [examination.result(check) for check in INSIDE]
        assert [str(result) for result in results if result.status == "failed"] == []
