"""The speed of models: each second in its column, limits that hold, the same strains for every model."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from omicsbench.data.tasks import load_task
from omicsbench.errors import RecordError, RequestError
from omicsbench.records import find as find_cells
from omicsbench.records.environment import gpus
from omicsbench.records.speeds import SpeedRecord, find, load, path_of
from omicsbench.running.clock import PastLimit, limited
from omicsbench.running.planning import Request
from omicsbench.running.speed import Settings, Variant, plan_bench, run, virtual_strains
from omicsbench.split import Inputs
from omicsbench.trajectory import Controls

pytestmark = pytest.mark.xdist_group("timing")

IMPORT, CONSTRUCTION, FIT, COMPILE, SHAPE, EVERY = 0.3, 0.3, 1.2, 0.6, 0.25, 0.01

PLUGIN = f"""
time.sleep({IMPORT})
NAMES = ("OMP_NUM_THREADS", "JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE")
SEEN = {{name: os.environ.get(name) for name in NAMES}}


class Sleeper(Model):
    '''Compiles in its first call, a little in the first call of each further shape.'''

    def __init__(self, *, seed: int, device: str, pace: float = 1.0, file: str = ""):
        time.sleep({CONSTRUCTION})
        self.pace, self.shapes = pace, set()
        if file:
            Path(file).write_text(json.dumps(SEEN | {{"device": device}}))

    def fit(self, train, task, progress):
        time.sleep({FIT})

    def simulate(self, x0, t, controls):
        if (len(x0), t.size) not in self.shapes:
            time.sleep({SHAPE} if self.shapes else {COMPILE})
            self.shapes.add((len(x0), t.size))
        time.sleep({EVERY} * self.pace)
        return held(x0, t)


class Slow(Model):
    '''A tenth of a second a strain, and deaf to exceptions; out of memory, or off the path, if it is told so.'''

    def __init__(self, *, seed: int, device: str, file: str = "", fails: str = ""):
        self.file, self.fails = file, fails

    def fit(self, train, task, progress):
        if self.fails == "fit":
            raise RuntimeError("no luck")
        if self.file:
            Path(self.file).write_text(json.dumps(SEEN | {{"processors": len(os.sched_getaffinity(0))}}))

    def simulate(self, x0, t, controls):
        if self.fails == "memory" and len(x0) > 2:
            raise MemoryError("no room")
        if self.fails == "contract" and len(x0) > 2:
            return x0
        for _ in range(len(x0) if len(x0) > 1 else 0):
            try:
                time.sleep(0.1)
            except Exception:
                pass
        sim = held(x0, t)
        if self.fails == "diverge" and len(x0) > 1:
            sim.x[1, 1:], sim.status[1] = np.nan, Status.DIVERGED
        return sim


@hookimpl
def omicsbench_models():
    devices = ("cpu", "cuda")
    return [ModelSpec("sleeper", "paced:Sleeper", devices=devices), ModelSpec("slow", "paced:Slow")]
"""


@pytest.fixture(scope="module")
def toy(make_task: Callable[..., Path]) -> Path:
    return make_task()


@pytest.fixture(scope="module")
def registry(bench: Any, make_plugin: Callable[[str, str], Path]) -> Any:
    return bench.registry(make_plugin("paced", PLUGIN))


@pytest.fixture(scope="module")
def measure(toy: Path, registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[SpeedRecord]]:
    def measured(
        model: str, given: Mapping[str, Any] | None = None, variants: tuple[Variant, ...] = (), **settings: Any
    ) -> list[SpeedRecord]:
        request = Request([load_task(toy)], [model], folds=["S2"], device="cpu", given={model: given or {}})
        planned = plan_bench(request, variants, registry, every_device=False)
        return list(run(planned, tmp_path_factory.mktemp("speed"), Settings(**({"limit": 0.3} | settings))))

    return measured


def test_each_second_is_in_its_column(measure: Callable[..., list[SpeedRecord]]) -> None:
    """Other processes can only add to a time: the bounds above are as wide as the next thing that could be mistaken."""
    (record,) = measure("sleeper", batches=(1, 3))
    timing = record.timing
    assert timing is not None
    assert timing.load is not None
    assert IMPORT + CONSTRUCTION <= timing.load < IMPORT + CONSTRUCTION + COMPILE
    assert FIT <= timing.fit < FIT + COMPILE
    assert COMPILE + EVERY <= timing.first_simulate < FIT
    assert EVERY <= timing.latency.lower <= timing.latency.median <= timing.latency.upper < SHAPE
    one, three = record.throughput
    for point in (one, three):
        assert point.seconds is not None
        assert EVERY <= point.seconds.median < SHAPE
    # One strain on 200 points was seen before; three were not.
    assert one.first is not None
    assert EVERY <= one.first < SHAPE
    assert three.first is not None
    assert SHAPE + EVERY <= three.first < COMPILE


def test_every_round_is_cold_and_in_turn(measure: Callable[..., list[SpeedRecord]], tmp_path: Path) -> None:
    beside = (Variant("sleeper", {"pace": "2"}),)
    records = measure("sleeper", variants=beside, batches=(1,), rounds=2)
    assert [(r.cell.parameters["pace"], r.round) for r in records] == [(1.0, 0), (2.0, 0), (1.0, 1), (2.0, 1)]
    assert all(r.timing is not None and r.timing.load is not None and not r.timing.warm for r in records)
    assert len({r.key for r in records}) == 4
    assert len({path_of(r, tmp_path) for r in records}) == 4


def test_a_batch_past_the_limit_is_not_reached_and_no_larger_one_is_tried(
    measure: Callable[..., list[SpeedRecord]],
) -> None:
    (record,) = measure("slow", batches=(1, 2, 1000, 10_000), limit=2.0)
    one, two, many, more = record.throughput
    assert record.status == "ok"
    assert one.seconds is not None
    assert two.seconds is not None
    assert two.seconds.median >= 0.2
    for point in (many, more):
        assert (point.first, point.seconds) == (None, None)
    assert many.reason == "one call passes the limit of 2 s"
    assert more.reason == "not tried: 1000 strains were not reached"


def test_what_goes_wrong_in_a_batch_is_a_reason_and_the_rest_stands(measure: Callable[..., list[SpeedRecord]]) -> None:
    (record,) = measure("slow", {"fails": "memory"}, batches=(1, 3, 4))
    assert record.status == "ok"
    assert [point.reason for point in record.throughput] == [
        "",
        "MemoryError: no room",
        "not tried: 3 strains were not reached",
    ]
    (record,) = measure("slow", {"fails": "diverge"}, batches=(1, 2), limit=2.0)
    assert [point.diverged for point in record.throughput] == [0, 1]


@pytest.mark.parametrize(("fails", "kind"), [("fit", "RuntimeError"), ("contract", "ContractError")])
def test_a_model_that_fails_leaves_a_record_that_says_why(
    measure: Callable[..., list[SpeedRecord]], fails: str, kind: str
) -> None:
    (record,) = measure("slow", {"fails": fails}, batches=(1, 3))
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.type == kind
    assert (record.timing, record.throughput) == (None, ())


def test_device_and_threads_are_chosen_before_the_model_is_imported(
    measure: Callable[..., list[SpeedRecord]], tmp_path: Path
) -> None:
    file = tmp_path / "seen"
    (record,) = measure("slow", {"file": str(file)}, batches=(1,), threads=1)
    assert json.loads(file.read_text()) == {
        "OMP_NUM_THREADS": "1",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "processors": 1,
    }
    assert record.threads == 1
    assert record.environment is not None
    assert (record.environment.threads, record.environment.gpu) == (1, "")
    assert record.peak_memory_mb is not None
    assert record.peak_memory_mb > 10
    assert record.peak_device_memory_mb is None


@pytest.mark.skipif(bool(gpus()), reason="an NVIDIA GPU is here")
def test_without_a_gpu_cuda_is_refused_and_every_device_is_the_cpu(toy: Path, registry: Any) -> None:
    task = load_task(toy)
    with pytest.raises(RequestError, match="device cuda: no NVIDIA GPU is to be seen here"):
        plan_bench(Request([task], ["sleeper"], device="cuda"), (), registry, every_device=False)
    planned = plan_bench(Request([task], ["sleeper"], folds=["S2"]), (), registry, every_device=True)
    assert [one.cell.device for one in planned] == ["cpu"]


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose nvidia-smi lists a GPU."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'Loom 9, 12.34'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=os.pathsep)
    gpus.cache_clear()
    yield
    gpus.cache_clear()


def test_with_a_gpu_every_device_is_measured_and_the_model_is_told_which(
    toy: Path, registry: Any, gpu: None, tmp_path: Path
) -> None:
    file = tmp_path / "seen"
    request = Request([load_task(toy)], ["all"], folds=["S2"], given={"sleeper": {"file": str(file)}})
    planned = plan_bench(request, (), registry, every_device=True)
    assert [(one.cell.model, one.cell.device) for one in planned] == [
        ("sleeper", "cpu"),
        ("slow", "cpu"),
        ("sleeper", "cuda"),
    ]
    (record,) = run(planned[2:], tmp_path, Settings(limit=0.05, batches=(1,)))
    assert (record.status, record.cell.device) == ("ok", "cuda")
    seen = json.loads(file.read_text())
    assert (seen["device"], seen["JAX_PLATFORMS"]) == ("cuda", "cuda")
    assert seen["CUDA_VISIBLE_DEVICES"] == os.environ.get("CUDA_VISIBLE_DEVICES")
    assert seen["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_only_what_was_asked_for_is_measured(toy: Path, registry: Any) -> None:
    def names(models: list[str], *variants: Variant) -> list[tuple[str, Any]]:
        request = Request([load_task(toy)], models, folds=["S2"], device="cpu")
        planned = plan_bench(request, variants, registry, every_device=False)
        return [(one.cell.model, one.cell.parameters.get("pace")) for one in planned]

    assert names(["all"]) == [("sleeper", 1.0), ("slow", None)]
    assert names(["persistence"]) == [("persistence", None)]
    assert names(["sleeper"], Variant("sleeper", {"pace": "1.0"})) == [("sleeper", 1.0)]
    assert names([], Variant("sleeper", {"pace": "3"})) == [("sleeper", 3.0)]
    with pytest.raises(RequestError, match="model 'sleeper' has no parameter 'pase': did you mean 'pace'"):
        names([], Variant("sleeper", {"pase": "3"}))


def test_virtual_strains_are_factors_and_begin_every_larger_batch() -> None:
    rng = np.random.default_rng(3)
    controls = Controls(np.arange(5.0), rng.uniform(1.0, 2.0, (2, 5, 3)))
    given = Inputs(train=(), x0=rng.uniform(0.5, 1.0, (2, 4)), t=np.arange(3.0), controls=controls)
    x0, many = virtual_strains(given, 500)
    few, fewer = virtual_strains(given, 7)
    assert np.array_equal(x0[:7], few)
    assert np.array_equal(many.u[:7], fewer.u)
    factors = many.u / controls.u[:1]
    assert np.ptp(factors, axis=1).max() < 1e-12
    logs = np.log(np.concatenate([factors[:, 0], x0 / given.x0[0]], axis=1))
    assert logs.std() == pytest.approx(0.3, rel=0.05)
    assert abs(np.corrcoef(logs.T) - np.eye(7)).max() < 0.2


def test_a_limited_call_is_stopped_and_leaves_no_alarm() -> None:
    assert limited(lambda: "done", 5.0)[0] == "done"

    def deaf() -> None:
        for _ in range(100):
            with contextlib.suppress(Exception):
                time.sleep(0.1)

    start = time.monotonic()
    with pytest.raises(PastLimit):
        limited(deaf, 0.05)
    assert time.monotonic() - start < 5
    with pytest.raises(ZeroDivisionError):
        limited(lambda: 1 / 0, 0.05)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_speed_records_lie_among_cells_and_load_strictly(
    measure: Callable[..., list[SpeedRecord]], tmp_path: Path
) -> None:
    from omicsbench.records.speeds import save

    (record,) = measure("slow", {"fails": "fit"}, batches=(1,))
    path = save(record, tmp_path)
    assert path.relative_to(tmp_path).parts[:3] == ("bench", "toy", "S2")
    assert list(find(tmp_path)) == [path]
    assert list(find_cells(tmp_path)) == []
    assert load(path) == record
    raw = json.loads(path.read_text())
    for change, complaint in (
        ({"round": 7}, "its key does not belong to its cell"),
        ({"roundd": 7}, "unknown field \"roundd\": did you mean 'round'"),
        ({"schema": 99}, 'record schema "99", this version reads 2'),
        ({"threads": "two"}, "threads"),
    ):
        path.write_bytes(msgspec.json.encode(raw | change))
        with pytest.raises(RecordError, match=complaint):
            load(path)
