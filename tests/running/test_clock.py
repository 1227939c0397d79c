"""The clock: each second is charged to the column it belongs to, and a timing has the machine alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omicsbench.running.clock import MOST, latency, timed

IMPORT, CONSTRUCTION, FIT, FIRST, EVERY = 0.3, 0.3, 1.2, 0.6, 0.01

SLEEPER = f"""
time.sleep({IMPORT})

class Sleeper(Model):
    def __init__(self, *, seed: int, device: str):
        time.sleep({CONSTRUCTION})
        self.first = True

    def fit(self, train, task, progress):
        time.sleep({FIT})

    def simulate(self, x0, t, controls):
        time.sleep({EVERY} + {FIRST} * self.first)
        self.first = False
        return held(x0, t)


@hookimpl
def omicsbench_models():
    return [ModelSpec("sleeper", "sleeping:Sleeper")]
"""

LOGGER = '''
class Logger(Model):
    """Writes when it was fitting and when it was simulating the horizon of a latency."""

    def __init__(self, *, seed: int, device: str, file: str = "log", fit: float = 0.1):
        self.file, self.pause = file, fit

    def log(self, what, start):
        with open(self.file, "a") as stream:
            stream.write(f"{what} {id(self)}-{os.getpid()} {start} {time.monotonic()}\\n")

    def fit(self, train, task, progress):
        start = time.monotonic()
        for step in range(10):
            time.sleep(self.pause / 10)
            progress(step + 1, 10)
        self.log("fit", start)

    def simulate(self, x0, t, controls):
        start = time.monotonic()
        time.sleep(0.005)
        if t.size == 200:
            self.log("latency", start)
        return held(x0, t)


@hookimpl
def omicsbench_models():
    return [ModelSpec(f"logger-{name}", "logging_models:Logger") for name in ("a", "b", "c")]
'''


def test_each_second_is_in_its_column(
    bench: Any, make_task: Callable[..., Path], make_plugin: Callable[[str, str], Path]
) -> None:
    cells = bench.plan(make_task(), ["sleeper"], make_plugin("sleeping", SLEEPER))
    cold, warm = (record.timing for record in bench.run(cells))
    assert IMPORT + CONSTRUCTION <= cold.load < IMPORT + CONSTRUCTION + FIRST
    assert (cold.warm, warm.warm, warm.load) == (False, True, None)
    for timing in (cold, warm):
        assert FIT <= timing.fit < FIT + FIRST
        assert FIRST + EVERY <= timing.first_simulate < FIT
        assert EVERY <= timing.latency.lower <= timing.latency.median <= timing.latency.upper < FIRST
        assert timing.latency.repeats >= 1
        assert timing.fit_alone


def test_no_fit_runs_while_another_cell_is_timed(
    bench: Any, make_task: Callable[..., Path], make_plugin: Callable[[str, str], Path], tmp_path: Path
) -> None:
    file = tmp_path / "log"
    folder = make_plugin("logging_models", LOGGER)
    given = {
        f"logger-{name}": {"file": str(file), "fit": pause} for name, pause in zip("abc", (0.1, 0.15, 0.2), strict=True)
    }
    cells = bench.plan(make_task(), list(given), folder, seeds=2, given=given)
    records = bench.run(cells, jobs=3)
    assert [record.status for record in records] == ["ok"] * 12
    assert not any(record.timing.fit_alone for record in records)
    fits, latencies = [], {}
    for line in file.read_text().splitlines():
        what, cell, start, end = line.split()
        if what == "fit":
            fits.append((cell, float(start), float(end)))
        else:
            earliest = latencies.setdefault(cell, [float(start), 0.0])
            earliest[1] = float(end)
    assert len(fits) == 12
    for cell, (start, end) in latencies.items():
        for other, began, ended in fits:
            assert other == cell or ended <= start or began >= end, f"{other} was fitting while {cell} was timed"
        for other, (began, ended) in latencies.items():
            assert other == cell or ended <= start or began >= end, f"{other} and {cell} were timed together"
    assert any(one != two and a < d and c < b for one, a, b in fits for two, c, d in fits), "no fits side by side"


def test_timed_returns_the_result_and_the_seconds() -> None:
    import time

    result, seconds = timed(lambda: time.sleep(0.02) or "done")
    assert result == "done"
    assert seconds >= 0.02


def test_a_steady_call_is_repeated_until_its_median_is_known_or_the_budget_is_spent() -> None:
    import gc
    import time

    collected: list[bool] = []
    steady = latency(lambda: (collected.append(gc.isenabled()), time.sleep(0.004)), budget=60.0)
    assert 7 <= steady.repeats <= MOST
    assert steady.median >= 0.004
    assert not any(collected)
    assert gc.isenabled()
    assert latency(lambda: time.sleep(0.01), budget=0.0).repeats == 1


def test_an_exception_leaves_the_collector_on() -> None:
    import gc

    with pytest.raises(ZeroDivisionError):
        latency(lambda: 1 / 0, budget=1.0)
    assert gc.isenabled()
