"""Checks that start processes of their own: the light import, a worker, its end, the GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

import numpy as np
import psutil

from omicsbench.conformance.bench import Bench, digest
from omicsbench.conformance.contract import Broken, NoHardware, check
from omicsbench.records import Failure
from omicsbench.records.environment import gpus
from omicsbench.running.machine import MACHINE
from omicsbench.running.supervisor import WorkerProcess
from omicsbench.running.worker import Outcome

MARK = "OMICSBENCH_CHECK"
"""Everything that a worker starts inherits it, so what survives the worker can be found."""
GRACE = 10.0
"""Seconds within which a stopped worker must be gone."""
MEMORY_MB = 8192
LATENCY = 30.0
Watch = Callable[[WorkerProcess], None]
IMPORTER = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[2])
import omicsbench
before = set(sys.modules)
importlib.import_module(sys.argv[1]).omicsbench_models()
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


@check(
    "light-import",
    "importing the plugin and asking it for its models imports no other package (a one-file plugin may import numpy)",
    "light-import",
    outside=True,
)
def light_import(bench: Bench) -> str:
    paths = [*sys.path, str(bench.file.parent)] if bench.file else sys.path
    ran = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTER, bench.subject.module, json.dumps(paths)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if ran.returncode:
        raise Broken(f"in a fresh process it fails: {(ran.stderr.strip().splitlines() or ['no message'])[-1]}")
    loaded = json.loads(ran.stdout.strip().splitlines()[-1])
    own = {bench.subject.module.partition(".")[0], "omicsbench"}
    allowed = sys.stdlib_module_names | own | ({"numpy"} if bench.file else set())
    heavy = [name for name in loaded if name not in allowed and not name.startswith("__editable__")]
    if heavy:
        raise Broken(f"it imports {', '.join(heavy)}; import them in the module that factory names")
    return ""


def run_in_worker(bench: Bench, device: str, watch: Watch = lambda process: None) -> Outcome:
    """A cell of the model in a worker process, as ``omicsbench run`` has it; ``watch`` at each report of progress.

    Raises ``Broken`` where it fails and ``CancelledError`` where ``watch`` ends the process.
    """
    timeout = float(bench.facts["timeout"])
    with MACHINE.shared() as share, WorkerProcess(bench.subject.model, device, threads=1) as process:
        result = process.run(bench.job(device), timeout, share, lambda step, of, loss: watch(process))
    if isinstance(result, Failure):
        raise Broken(f"in a worker it fails: {result.type}: {result.message}")
    return result


@check(
    "worker",
    "a worker process takes the pickled job, and its result comes back with the bits that another process gives",
    "worker",
    ["shapes", "describe"],
    outside=True,
)
def worker(bench: Bench) -> str:
    outcome = run_in_worker(bench, "cpu")
    assert outcome.timing is not None
    bench.facts["memory"] = str(outcome.peak_memory_mb)
    bench.facts["latency"] = str(outcome.timing.latency.median)
    if bench.facts.get("digest", got := digest(outcome.simulation)) != got:
        raise Broken("the same seed gives other bits in another process")
    return f"fit in {outcome.timing.fit:.2g} s"


@check(
    "footprint",
    f"on this small task a process needs less than {MEMORY_MB} MB, and simulate less than {LATENCY:g} s for one strain",
    "worker",
    ["worker"],
    outside=True,
)
def footprint(bench: Bench) -> str:
    memory, seconds = float(bench.facts["memory"]), float(bench.facts["latency"])
    if memory > MEMORY_MB:
        raise Broken(f"it took {memory:.0f} MB")
    if seconds > LATENCY:
        raise Broken(f"simulate took {seconds:.0f} s")
    return f"{memory:.0f} MB, {seconds:.2g} s"


@check(
    "timeout",
    "a cell that is stopped while it fits, as at its timeout, ends at once with everything it started",
    "worker",
    ["worker"],
    outside=True,
)
def timeout(bench: Bench) -> str:
    stopped: list[float] = []

    def stop(process: WorkerProcess) -> None:
        if not stopped:
            stopped.append(time.monotonic())
            process.cancel()

    with _marked() as mark:
        try:
            run_in_worker(bench, "cpu", stop)
        except CancelledError:
            took = time.monotonic() - stopped[0]
        left = _survivors(mark)
    if left:
        raise Broken(f"{len(left)} processes outlived it: {left[0]}")
    if not stopped:
        return "it reports no progress at which it could be stopped; nothing outlived it"
    if took > GRACE:
        raise Broken(f"it took {took:.0f} s to end")
    return ""


@contextmanager
def _marked() -> Iterator[str]:
    mark = os.environ[MARK] = uuid.uuid4().hex
    try:
        yield mark
    finally:
        del os.environ[MARK]


def _survivors(mark: str) -> list[str]:
    """Ends the processes that carry ``mark`` and names them; those that are going anyway get a second to do so."""
    deadline = time.monotonic() + 1.0
    while (found := list(_carriers(mark))) and time.monotonic() < deadline:
        time.sleep(0.05)
    names = []
    for process in found:
        try:
            names.append(f"{process.name()} (process {process.pid})")
            process.kill()
        except psutil.Error:
            continue
    return names


def _carriers(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process
        except psutil.Error:
            continue


@check(
    "gpu",
    "a model that offers cuda fits and simulates on the GPU in a worker, and gives host arrays back",
    "devices",
    ["worker"],
    outside=True,
)
def gpu(bench: Bench) -> str:
    if "cuda" not in bench.subject.devices:
        return "the model does not offer cuda"
    if not gpus():
        raise NoHardware("no NVIDIA GPU here")
    outcome = run_in_worker(bench, "cuda")
    if not np.array_equal(outcome.simulation.x[:, 0], bench.x0):
        raise Broken("x at t[0] is not x(0)")
    return outcome.gpu
