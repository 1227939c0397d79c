"""Fixtures of the core's tests: made-up tasks in the measured format, one-file plugins, sweeps and the command line.

The factories live as long as the session and make a fresh folder at each call, so that a module can share one
expensive sweep among its tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
from made_records import call, edited, lab, make  # noqa: F401 - fixtures of results, leaderboard and publishing

# A slow machine is no failure.
settings.register_profile("suite", deadline=None, max_examples=50)
settings.load_profile("suite")

DATA = "OMICSBENCH_DATA"

TOY_TOML = """\
title = "Made up"
citation = "nobody 2026"
licence = "CC0-1.0"
horizon = 24.0
final_product = "P"
states = [
  { name = "A", unit = "mM" },
  { name = "P", unit = "g/L" },
]
controls = [
  { name = "E1", unit = "counts" },
  { name = "E2", unit = "counts", column = "Enzyme two" },
]
folds = [
  { name = "S1", held_out = ["S1"] },
  { name = "S2", held_out = ["S2"], published = true },
]

[source]
file = "toy.csv"
sha256 = "SHA256"
strain_column = "Strain"
time_column = "Hour"
"""

TOY_CSV = """\
Strain,Hour,E1,Enzyme two,A,P,OD600
S1,0,100,50,1.0,0.0,0.1
S1,4,,,2.0,,0.5
S1,8,300,80,2.5,0.4,1.1
S1,24,250,90,2.0,1.5,
S2,0,100,60,1.1,0.0,0.1
S2,8,500,20,3.5,0.6,1.2
S2,16,450,30,,1.4,1.3
S2,24,400,40,3.0,2.5,
S3,0,90,40,0.9,0.1,0.1
S3,8,900,70,4.5,0.9,1.4
S3,24,800,60,,3.6,
"""

PLUGIN_HEAD = '''\
import ctypes, hashlib, json, os, signal, subprocess, sys, time
from pathlib import Path
from typing import Literal

import numpy as np

from omicsbench import Model, ModelSpec, Simulation, Status, hookimpl


def held(x0, t):
    """x(0) for ever, as a model returns it."""
    return Simulation(x=np.repeat(x0[:, None, :], t.size, axis=1), status=np.zeros(len(x0), dtype=np.int64))


'''


@pytest.fixture(scope="session")
def measured_data() -> Path:
    """The folder of the measured files. Where there is none the test is skipped; on CI it fails."""
    if named := os.environ.get(DATA):
        return Path(named)
    reason = f"set {DATA} to the folder of the measured files"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def toy_csv() -> str:
    """The text of the made-up measurements."""
    return TOY_CSV


@pytest.fixture(scope="session")
def make_task(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``make_task(name, csv=..., toml=edit)``: the folder of a made-up task with a right checksum."""

    def made(
        name: str = "toy",
        csv: str | bytes | None = TOY_CSV,
        toml: Callable[[str], str] = lambda text: text,
        sha256: str = "",
    ) -> Path:
        folder = tmp_path_factory.mktemp("tasks") / name
        folder.mkdir()
        content = csv.encode() if isinstance(csv, str) else csv or b""
        if csv is not None:
            (folder / "toy.csv").write_bytes(content)
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        (folder / "task.toml").write_text(toml(TOY_TOML).replace("SHA256", sha256))
        return folder

    return made


@pytest.fixture(scope="session")
def make_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Path]]:
    """``make_plugin(stem, body)``: a folder with one one-file plugin; ``body`` stands below the usual imports.

    A stem can be used once in a session, as a module's name in a process.
    """
    stems: list[str] = []

    def made(stem: str, body: str, head: str = PLUGIN_HEAD) -> Path:
        assert stem not in stems, f"a plugin {stem!r} was made before"
        stems.append(stem)
        folder = tmp_path_factory.mktemp("plugins")
        (folder / f"{stem}.py").write_text(head + body)
        return folder

    yield made
    for stem in stems:
        sys.modules.pop(stem, None)


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


def _clean_environment(cache: Path) -> dict[str, str]:
    """No measured data, no installed plugins, a cache of its own, and no network but that of this machine."""
    clean = {name: value for name, value in os.environ.items() if name not in (DATA, "COLUMNS")}
    clean |= {"OMICSBENCH_PLUGINS": "", "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    return clean | {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """``cli(*arguments, **variables)``: the command line in this process, its exit code and what it printed."""
    from omicsbench.cli import main

    clean = _clean_environment(tmp_path_factory.mktemp("cache"))

    def run(*arguments: object, **variables: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(DATA, raising=False)
            for name, value in (clean | variables).items():
                patch.setenv(name, str(value))
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as stopped,
            ):
                main([str(argument) for argument in arguments])
        assert isinstance(stopped.value.code, int)
        return Ran(stopped.value.code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``shell(*arguments, **variables)``: the command line as a process group of its own, to be waited for.

    ``python``: options of the interpreter; ``before``: what stands before it, as a shell with a script.
    """
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: object, python: Sequence[str] = (), before: Sequence[str] = (), **variables: str
    ) -> subprocess.Popen[str]:
        # Whoever runs the tests in the background may ignore Ctrl-C, and a child would inherit that.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [*before, sys.executable, *python, "-m", "omicsbench", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=_clean_environment(tmp_path / "cache") | variables,
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, handler)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@dataclass
class Bench:
    """Cells of a made-up task and of one-file plugins, run without the command line."""

    out: Path

    def plan(
        self, task: Path, models: Sequence[str], plugins: Path | None = None, baselines: bool = False, **request: Any
    ) -> list[Any]:
        """Planned cells of these models; the trivial baselines come along only where asked for."""
        from omicsbench.data.tasks import load_task
        from omicsbench.running.planning import Request, plan

        wanted = Request(tasks=[load_task(task)], models=models, **request)
        planned = plan(wanted, self.registry(plugins))
        return planned if baselines else [cell for cell in planned if cell.cell.model in models]

    @staticmethod
    def registry(plugins: Path | None = None) -> Any:
        """The core's plugin and the one-file plugins, and no installed one."""
        from omicsbench.plugins import RESTRICT, discover

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RESTRICT, "")
            return discover([plugins] if plugins else [])

    def run(self, cells: Sequence[Any], jobs: int = 1, timeout: float = 60.0, out: Path | None = None) -> list[Any]:
        """Their records, in the order in which they finished."""
        from omicsbench.running.runner import Settings, run

        settings = Settings(timeout=timeout, latency_budget=0.05)
        with ThreadPoolExecutor(jobs) as executor:
            return list(run(cells, out or self.out, executor, jobs, settings, self.registry()))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Plans and runs cells; records go to a folder of the module unless ``out`` says otherwise."""
    return Bench(tmp_path_factory.mktemp("results"))


@pytest.fixture
def survivors() -> Callable[[], list[int]]:
    """Processes started below this one since the test began that still live."""
    from multiprocessing import resource_tracker

    import psutil

    def living() -> set[int]:
        family = psutil.Process().children(recursive=True)
        tracker = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
        return {p.pid for p in family if p.pid != tracker and p.status() != psutil.STATUS_ZOMBIE}

    before = living()
    return lambda: sorted(living() - before)


@pytest.fixture(scope="session")
def gone() -> Callable[[int], bool]:
    """Whether a process has ended."""
    import psutil

    def ended(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return ended


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    """``wait_for(condition)``: its value once it is true; a failure after a minute."""

    def wait(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)
        return value

    return wait
