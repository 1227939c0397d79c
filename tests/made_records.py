"""Records with chosen scores: statistics need many, and none of them needs a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from omicsbench.data.splits import split_of
from omicsbench.data.tasks import Task, load_task
from omicsbench.records import (
    SCHEMA,
    Cell,
    Environment,
    Failure,
    Latency,
    Record,
    Setting,
    TargetScores,
    Timing,
    find,
    load,
    save,
)
from omicsbench.records.speeds import SPEED_SCHEMA, SpeedRecord, Throughput, keyed
from omicsbench.records.store import read_file, write_cells
from omicsbench.running.planning import Request, plan
from omicsbench.running.runner import Settings, run
from omicsbench.spec import Role
from omicsbench.split import Split

SETTING = Setting(data="d")
PLACE = Environment(python="3.11", platform="x", cpu="CPU A", cores=2, memory_gb=8.0, threads=1, packages={})


def _record(
    model: str,
    fold: str,
    seed: int,
    nrmse: float | None,
    *,
    role: Role = "model",
    protocol: str = "measured",
    deterministic: bool = False,
    gpu: str = "",
    version: str = "1",
    training_strains: int = 2,
    parameters: dict[str, float] | None = None,
) -> Record:
    """A record of two states with this NRMSE; None for a failed cell."""
    cell = Cell(
        task="toy",
        protocol=protocol,
        fold=fold,
        model=model,
        distribution="d",
        version=version,
        parameters=dict(parameters or {}),
        seed=seed,
        device="cuda" if gpu else "cpu",
        setting=SETTING,
        code="c0de",
    )
    place = Environment(**{name: getattr(PLACE, name) for name in PLACE.__struct_fields__} | {"gpu": gpu})
    both = [nrmse, nrmse]
    return Record(
        schema=SCHEMA,
        key=cell.key,
        cell=cell,
        status="failed" if nrmse is None else "ok",
        started="2026-01-01T00:00:00+00:00",
        states=["a", "b"],
        role=role,
        deterministic=deterministic,
        training_strains=training_strains,
        error=Failure(type="ValueError", message="no") if nrmse is None else None,
        scores={}
        if nrmse is None
        else {
            "measured": TargetScores(
                per_state={"rmse": both, "nrmse": both}, mean={"nrmse": nrmse, "negative_share": 0.0}
            )
        },
        timing=None
        if nrmse is None
        else Timing(
            load=1.0,
            fit=2.0,
            first_simulate=0.1,
            latency=Latency(median=0.01, lower=0.009, upper=0.011, repeats=9),
            warm=False,
            fit_alone=True,
        ),
        environment=place,
    )


def _trivial(folds: tuple[str, ...], nrmse: float = 1.0, name: str = "persistence") -> list[Record]:
    """A trivial baseline, which sets the zero of skill."""
    return [_record(name, fold, 0, nrmse, role="trivial", deterministic=True) for fold in folds]


def _model(name: str, errors: Mapping[tuple[str, int], float | None], **more: Any) -> list[Record]:
    """The records of a model with these errors by fold and seed."""
    return [_record(name, fold, seed, error, **more) for (fold, seed), error in errors.items()]


def _steady(seconds: float) -> Latency:
    return Latency(median=seconds, lower=0.9 * seconds, upper=1.1 * seconds, repeats=9)


def _speed(
    model: str,
    seconds: float,
    calls: dict[int, float | None] | None = None,
    device: str = "cpu",
    round: int = 0,
    parameters: dict[str, Any] | None = None,
    task: str = "toy",
    dirty: bool = False,
    cpu: str = "Abacus",
    version: str = "1",
    distribution: str = "",
    **fields: Any,
) -> SpeedRecord:
    """A speed record with this latency, and seconds of one call by the number of strains, None where not reached."""
    cell = Cell(
        task=task,
        protocol="measured",
        fold="S2",
        model=model,
        distribution=distribution or model,
        version=version,
        parameters=parameters or {},
        seed=0,
        device=device,
        setting=SETTING,
        code=f"c0de{version}",
    )
    place = Environment(
        python="3",
        platform="x",
        cpu=cpu,
        cores=2,
        memory_gb=1.0,
        threads=1,
        packages={"numpy": "2"},
        gpu="Loom 9" if device == "cuda" else "",
        git_dirty=dirty,
    )
    timing = Timing(
        load=1.0,
        fit=2.0,
        first_simulate=0.5,
        latency=_steady(seconds),
        warm=False,
        fit_alone=True,
        integration_error=1e-4,
    )
    base: dict[str, Any] = {"status": "ok", "timing": timing, "environment": place, "nfe": 100.0}
    points = tuple(
        Throughput(strains=n, reason="one call passes the limit of 1 s")
        if call is None
        else Throughput(strains=n, first=call, seconds=_steady(call))
        for n, call in (calls or {}).items()
    )
    made = SpeedRecord(
        schema=SPEED_SCHEMA,
        key="",
        cell=cell,
        threads=1,
        round=round,
        started="2026-01-01T00:00:00+00:00",
        throughput=points,
        **(base | fields),
    )
    return keyed(made)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """``make.record``, ``make.model``, ``make.trivial``: records with chosen scores; ``make.speed``: chosen times."""
    return SimpleNamespace(record=_record, model=_model, trivial=_trivial, speed=_speed)


CHEAP = """
class Line(Model):
    def drift(self, x0, t, rate):
        return Simulation(x=x0[:, None] + rate * t[None, :, None], status=np.zeros(len(x0), dtype=np.int64))

    def describe(self):
        return {"equations": ["dx/dt = <slope> & more"], "where": ["everywhere"], "rate": self.rate}


class Drift(Line):
    def __init__(self, *, seed: int, device: str, slope: float = 0.1):
        self.rate = slope * np.random.default_rng(seed).normal(1.0, 0.3)

    def fit(self, train, task, progress):
        pass

    def simulate(self, x0, t, controls):
        return self.drift(x0, t, self.rate)


class Sinking(Line):
    def __init__(self, *, seed: int, device: str):
        self.rate = np.random.default_rng(seed).normal(-0.1, 0.01)

    def fit(self, train, task, progress):
        pass

    def simulate(self, x0, t, controls):
        return self.drift(x0, t, self.rate)


class Broken(Line):
    def __init__(self, *, seed: int, device: str):
        pass

    def fit(self, train, task, progress):
        raise ValueError("this model <b>never</b> fits")

    def simulate(self, x0, t, controls):
        return self.drift(x0, t, 0.0)


@hookimpl
def omicsbench_models():
    return [ModelSpec(f"lab-{c.__name__.lower()}", f"labmodels:{c.__name__}") for c in (Drift, Sinking, Broken)]
"""
LEARNING_FOLDS = """
folds = [
  { name = "n1-d0", held_out = ["S2"], train = ["S1"] },
  { name = "n1-d1", held_out = ["S2"], train = ["S3"] },
  { name = "n2-d0", held_out = ["S2"], train = ["S1", "S3"] },
]
redistributable = true
"""


@dataclass(frozen=True)
class Lab:
    """Records of real runs of cheap models on two made-up tasks: ``closed`` may not be redistributed, ``open`` may."""

    records: Path
    tasks: tuple[Path, ...]

    def load(self) -> list[Record]:
        """All records, as if they came from a clean commit."""
        return [load(path) for path in find(self.records)]

    @property
    def known(self) -> dict[str, Task]:
        """The two tasks by name."""
        return {task.name: task for task in map(load_task, self.tasks)}

    def splits(self, record: Record, protocol: str) -> Split:
        """The split of a record's fold, of either task."""
        task = self.known[record.cell.task]
        return split_of(task, task.fold(record.cell.fold), protocol, None)

    def shown(self, record: Record, protocol: str) -> Split | None:
        """The same, where it may be shown to everyone."""
        return self.splits(record, protocol) if self.known[record.cell.task].redistributable else None

    @property
    def options(self) -> list[str]:
        """--tasks-dir for each task."""
        return [word for task in self.tasks for word in ("--tasks-dir", str(task))]


def clean(record: Record) -> Record:
    """The record as if it came from a clean commit: the tree that tests run in seldom is."""
    assert record.environment is not None
    return replace(record, environment=replace(record.environment, git_commit="c0ffee" * 6, git_dirty=False))


@pytest.fixture(scope="session")
def lab(
    tmp_path_factory: pytest.TempPathFactory, make_task: Callable[..., Path], make_plugin: Callable[..., Path]
) -> Lab:
    """Trivial baselines and three cheap models, two seeds, run once for all tests."""
    from omicsbench.plugins import RESTRICT, discover

    def learning(text: str) -> str:
        before, rest = text.split("folds = [", 1)
        return before + LEARNING_FOLDS.lstrip() + "\n" + rest.split("]\n\n", 1)[1]

    tasks = (make_task("closed"), make_task("open", toml=learning))
    plugins = make_plugin("labmodels", CHEAP)
    out = tmp_path_factory.mktemp("lab") / "records"
    models = ["lab-drift", "lab-sinking", "lab-broken"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RESTRICT, "")
        registry = discover([plugins])
        cells = []
        for task, protocols in zip(map(load_task, tasks), (("measured", "published"), ("measured",)), strict=True):
            cells += plan(Request(tasks=[task], models=models, protocols=protocols, seeds=2), registry)
        cells.sort(key=lambda planned: planned.cell.model)
        with ThreadPoolExecutor(1) as executor:
            for record in run(cells, out, executor, 1, Settings(latency_budget=0.02), registry):
                save(clean(record), out)
    return Lab(out, tasks)


@dataclass(frozen=True)
class Called:
    """What a command returned and printed."""

    code: int
    text: str


@pytest.fixture(scope="session")
def edited() -> Callable[..., Record]:
    """``edited(store, place, change)``: the first record of that file of a store, changed as a forger would: its key,
    the file's name and the checksum of its predictions are right again."""

    def edit(store: Path, place: str, change: Callable[[Record], Record]) -> Record:
        (path,) = store.glob(f"{place}-*.jsonl")
        first, *rest = read_file(path)
        path.unlink()
        path.with_suffix(".xz").unlink(missing_ok=True)
        forged = with_key(change(first))
        write_cells([forged, *rest], store)
        return forged

    return edit


def with_key(record: Record) -> Record:
    """The record with the key of its cell."""
    return replace(record, key=record.cell.key)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Called]:
    """``call(command, *arguments)``: a command of the suite without installed plugins; its errors are raised."""
    monkeypatch.setenv("OMICSBENCH_PLUGINS", "")
    monkeypatch.delenv("OMICSBENCH_DATA", raising=False)

    def invoke(command: click.Command, *arguments: object) -> Called:
        result = CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return Called(int(result.return_value or 0), result.output)

    return invoke
