"""Whatever a model does to its process, its cell leaves a record that names the cause and the other cells finish."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from omicsbench.records import Failure, Record, find, load
from omicsbench.running.machine import MACHINE, MachineLock
from omicsbench.running.supervisor import WorkerProcess
from omicsbench.running.worker import Outcome

Survivors = Callable[[], list[int]]
Gone = Callable[[int], bool]
WaitFor = Callable[..., Any]


PLUGIN = """
def end_of_time(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


class Misbehaving(Model):
    def __init__(self, *, seed: int, device: str, mode: str = "ok", file: str = ""):
        self.mode, self.file = mode, file
        if mode == "raise in construction":
            raise ValueError("a width of 3\\nis not even")

    def fit(self, train, task, progress):
        print("said before")
        getattr(self, "fit_" + self.mode.replace(" ", "_"), lambda: None)()
        if self.mode in ("eat", "eat and report"):
            hoard = []
            for step in range(60):
                hoard.append(np.ones(2_500_000))
                if self.mode == "eat":
                    time.sleep(0.03)
                for _ in end_of_time(0.03):
                    if self.mode == "eat and report":
                        progress(step, 60)

    def fit_raise(self):
        raise RuntimeError("no luck")

    def fit_sigkill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def fit_segfault(self):
        ctypes.string_at(0)

    def fit_os_exit(self):
        os._exit(3)

    def fit_os_exit_0(self):
        os._exit(0)

    def fit_sys_exit(self):
        sys.exit("that is all")

    def fit_keyboard_interrupt(self):
        raise KeyboardInterrupt

    def fit_print(self):
        print("rubbish", flush=True)
        print("rubbish", file=sys.stderr, flush=True)
        for handle in (0, 1, 2):
            try:
                os.write(handle, b"\\x80\\x00rubbish\\n" * 10_000)
            except OSError:
                pass

    def fit_close_files(self):
        os.closerange(3, 256)

    def fit_leave_a_thread(self):
        import threading
        threading.Thread(target=time.sleep, args=(600,)).start()

    def fit_hang(self):
        time.sleep(600)

    def fit_ignore_sigterm(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)

    def fit_spin_in_c(self):
        if self.file:
            Path(self.file).write_text(str(os.getpid()))
        ctypes.PyDLL(None).usleep(600_000_000)  # holds the interpreter's lock

    def fit_stop_the_keeper(self):
        os.kill(os.getppid(), signal.SIGSTOP)
        Path(self.file).write_text(str(os.getpid()))
        time.sleep(600)

    def fit_hang_with_children(self):
        # A child, a child in a session of its own, and one that lost its parent.
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
        orphan = subprocess.run(["sh", "-c", "sleep 600 >/dev/null & echo $!"], stdout=subprocess.PIPE)
        text = " ".join(str(pid) for pid in (*(child.pid for child in children), int(orphan.stdout)))
        Path(self.file).write_text(text)
        time.sleep(600)

    def fit_die_with_a_child(self):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(self.file).write_text(str(child.pid))
        os._exit(4)

    def simulate(self, x0, t, controls):
        sim = held(x0, t)
        x, status = sim.x, sim.status
        match self.mode:
            case "raise in simulate":
                return x0[7]
            case "nan":
                x[0, -1, 0] = np.nan
            case "diverged":
                x[:, 1:], status[:] = np.nan, Status.DIVERGED
            case "shape":
                x = x[:, :-1]
            case "dtype":
                x = x.astype(np.float32)
        return Simulation(x, status)

    def describe(self):
        match self.mode:
            case "unpicklable details":
                return {"field": lambda x: x}
            case "array details":
                return {"weights": np.zeros(3)}
            case "own class details":
                return {"model": self}
            case "listed details":
                return ["a", "b"]
            case "nan details":
                return {"loss": float("nan"), "terms": ("x", 1), 3: True}
        return {}


@hookimpl
def omicsbench_models():
    return [ModelSpec("misbehaving", "misbehaving:Misbehaving")]
"""

CONTRACT = "model 'misbehaving': "
FAILING = {
    "raise": ("RuntimeError", "no luck"),
    "raise in construction": ("ValueError", "a width of 3 is not even"),
    "raise in simulate": ("IndexError", "index 7 is out of bounds"),
    "sigkill": ("WorkerDied", "killed by SIGKILL"),
    "segfault": ("WorkerDied", "killed by SIGSEGV"),
    "os exit": ("WorkerDied", "the worker process ended with exit code 3"),
    "os exit 0": ("WorkerDied", "the worker process ended with exit code 0"),
    "sys exit": ("SystemExit", "that is all"),
    "keyboard interrupt": ("KeyboardInterrupt", ""),
    "close files": ("WorkerDied", "the worker process ended with exit code 1"),
    "nan": ("ContractError", CONTRACT + "Simulation.x is not finite for strain 0 of the batch, whose status is OK"),
    "shape": ("ContractError", CONTRACT + "Simulation.x must have shape (1, 200, 2), got (1, 199, 2)"),
    "dtype": ("ContractError", CONTRACT + "Simulation.x must be float64, got float32"),
    "unpicklable details": ("ContractError", CONTRACT + "describe must return JSON values by name"),
    "array details": ("ContractError", CONTRACT + "describe must return JSON values by name"),
    "own class details": ("ContractError", CONTRACT + "describe must return JSON values by name"),
    "listed details": ("ContractError", CONTRACT + "describe must return JSON values by name"),
}
FINE = ("ok", "print", "leave a thread", "nan details")


@pytest.fixture(scope="module")
def toy(make_task: Callable[..., Path]) -> Path:
    return make_task()


@pytest.fixture(scope="module")
def plugins(make_plugin: Callable[[str, str], Path]) -> Path:
    return make_plugin("misbehaving", PLUGIN)


@pytest.fixture(scope="module")
def cell_of(bench: Any, toy: Path, plugins: Path) -> Callable[..., Any]:
    """The planned cell of a mode."""

    def plan(mode: str, fold: str = "S1", file: Path | str = "") -> Any:
        given = {"misbehaving": {"mode": mode, "file": str(file)}}
        (cell,) = bench.plan(toy, ["misbehaving"], plugins, folds=[fold], given=given)
        return cell

    return plan


@pytest.fixture(scope="module")
def records(bench: Any, cell_of: Callable[..., Any]) -> Mapping[str, Record]:
    """One sweep of every mode that ends by itself, with a cell that is fine after each failing one."""
    cells = [cell for mode in FAILING for cell in (cell_of(mode), cell_of("ok", "S2"))]
    cells = list({cell.cell.key: cell for cell in [*cells, *map(cell_of, (*FINE, "diverged"))]}.values())
    found = bench.run(cells, jobs=2)
    assert len(found) == len(cells)
    return {str(record.cell.parameters["mode"]): record for record in found if record.cell.fold == "S1"}


@pytest.mark.parametrize("mode", FAILING)
def test_a_failing_cell_says_why(records: Mapping[str, Record], mode: str) -> None:
    record, (kind, message) = records[mode], FAILING[mode]
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.type == kind
    assert message in record.error.message
    assert "\n" not in record.error.message
    assert not record.scores
    assert record.timing is None
    if kind != "WorkerDied":
        assert record.error.traceback.startswith("Traceback")
        assert kind in record.error.traceback


@pytest.mark.parametrize("mode", FINE)
def test_the_other_cells_finish(records: Mapping[str, Record], mode: str) -> None:
    assert records[mode].status == "ok"
    assert records[mode].error is None
    assert records[mode].scores["measured"].mean["nrmse"] is not None


def test_every_record_is_on_disk_and_whole(bench: Any, records: Mapping[str, Record]) -> None:
    on_disk = {load(path).key: load(path) for path in find(bench.out)}
    for record in records.values():
        assert on_disk[record.key] == record
    assert not [path for path in bench.out.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_what_a_failing_model_printed_is_in_its_record(records: Mapping[str, Record]) -> None:
    for mode in ("raise", "os exit 0", "segfault"):
        error = records[mode].error
        assert error is not None
        assert "said before" in error.output
    assert "Segmentation fault" in getattr(records["segfault"].error, "output", "")


def test_a_diverged_cell_is_a_result_without_scores(records: Mapping[str, Record]) -> None:
    record = records["diverged"]
    assert (record.status, record.diverged_strains, record.error) == ("diverged", 1, None)
    assert set(record.scores["measured"].mean.values()) == {None}
    assert record.timing is not None
    assert record.timing.integration_note == "the model diverged"


def test_details_are_json_whatever_they_were(records: Mapping[str, Record]) -> None:
    assert records["nan details"].details == {"loss": None, "terms": ["x", 1], "3": True}


def test_a_failed_worker_is_not_used_again(bench: Any, cell_of: Callable[..., Any], tmp_path: Path) -> None:
    """A new process loads the model again; a process that goes on does not."""
    cells = [cell_of(mode, fold) for mode, fold in (("ok", "S1"), ("ok", "S2"), ("sys exit", "S1"), ("print", "S1"))]
    timings = [record.timing for record in bench.run(cells, out=tmp_path)]
    assert [timing and timing.warm for timing in timings] == [False, True, None, False]


def test_hanging_cells_are_killed_with_all_they_started(
    bench: Any, cell_of: Callable[..., Any], tmp_path: Path, survivors: Survivors, gone: Gone, wait_for: WaitFor
) -> None:
    pids = tmp_path / "pids"
    modes = ("hang", "ignore sigterm", "spin in c", "hang with children")
    cells = [cell_of(mode, file=pids if "children" in mode else "") for mode in modes]
    records = bench.run([*cells, cell_of("print")], jobs=4, timeout=8.0, out=tmp_path / "results")
    by_mode = {record.cell.parameters["mode"]: record for record in records}
    assert by_mode.pop("print").status == "ok"
    assert set(by_mode) == set(modes)
    for record in by_mode.values():
        assert record.status == "timeout"
        assert record.error is not None
        assert (record.error.type, record.error.message) == ("TimeoutError", "not finished after 8 s")
    assert len(pids.read_text().split()) == 3
    wait_for(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))
    wait_for(lambda: not survivors())


def test_children_of_a_worker_that_died_go_too(
    bench: Any, cell_of: Callable[..., Any], tmp_path: Path, gone: Gone, wait_for: WaitFor
) -> None:
    file = tmp_path / "pid"
    (record,) = bench.run([cell_of("die with a child", file=file)])
    assert record.error is not None
    assert record.error.message == "the worker process ended with exit code 4"
    wait_for(lambda: gone(int(file.read_text())))


def test_ctrl_c_does_not_reach_a_worker(cell_of: Callable[..., Any]) -> None:
    """Not even while it starts; it is for the runner to say what becomes of a cell."""
    job = cell_of("print").job(0.05)
    with MACHINE.shared() as share, WorkerProcess(job.model, "cpu", 1) as worker:
        for _ in range(20):
            for process in (worker.pid, *(child.pid for child in psutil.Process(worker.pid).children())):
                os.kill(process, signal.SIGINT)
            time.sleep(0.01)
        assert isinstance(worker.run(job, 60.0, share), Outcome)


def run_alone(job: Any, memory_share: float = 0.8) -> Outcome | Failure:
    with MACHINE.shared() as share, WorkerProcess(job.model, "cpu", 1) as worker:
        return worker.run(job, 60.0, share, memory_share=memory_share)


@pytest.mark.parametrize("mode", ["eat", "eat and report"])
def test_a_cell_that_eats_its_memory_is_killed(cell_of: Callable[..., Any], mode: str) -> None:
    share = 400 * 2**20 / psutil.virtual_memory().total
    failure = run_alone(cell_of(mode).job(0.05), share)
    assert isinstance(failure, Failure)
    assert (failure.type, failure.message) == ("MemoryError", "used more than 0.4 GB")


def test_a_worker_killed_from_outside_is_named(
    cell_of: Callable[..., Any], survivors: Survivors, wait_for: WaitFor
) -> None:
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(run_alone, cell_of("hang").job(0.05))
        _, worker = wait_for(lambda: len(survivors()) == 2 and survivors())
        os.kill(worker, signal.SIGKILL)
        failure = future.result(30)
    assert isinstance(failure, Failure)
    assert (failure.type, failure.message) == ("WorkerDied", "killed by SIGKILL")


def test_one_timing_at_a_time_and_no_noise_meanwhile() -> None:
    """Cells of three threads; whoever is alone sees nobody else at work."""
    working: set[int] = set()
    disturbed: list[set[int]] = []
    machine = MachineLock()

    def cell(number: int) -> None:
        with machine.shared() as share:
            for _ in range(5):
                working.add(number)
                time.sleep(0.002)
                working.remove(number)
                with share.alone(60.0, lambda: None):
                    time.sleep(0.002)
                    if working:
                        disturbed.append(set(working))

    threads = [threading.Thread(target=cell, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not disturbed


@pytest.mark.parametrize("mode", ["hang with children", "spin in c", "stop the keeper"])
def test_a_killed_runner_takes_its_workers_along(
    shell: Callable[..., Any], toy: Path, plugins: Path, tmp_path: Path, gone: Gone, wait_for: WaitFor, mode: str
) -> None:
    file = tmp_path / "pids"
    settings = ("--set", f"mode={mode}", "--set", f"file={file}")
    asked = ("run", "--model", "misbehaving", "--task", "toy", "--tasks-dir", toy, "--plugins-dir", plugins)
    if sys.platform != "linux" and mode == "stop the keeper":
        pytest.skip("nothing wakes a stopped process there")
    runner = shell(*asked, "--fold", "S1", *settings, "--out", tmp_path / "results")
    wait_for(lambda: file.exists() and len(re.findall(r"\d+", file.read_text())) == (3 if "children" in mode else 1))
    workers = [p.pid for p in psutil.Process(runner.pid).children(recursive=True)]
    assert len(workers) >= 2
    runner.kill()
    runner.wait()
    if sys.platform != "linux" and "children" in mode:  # a process in a session of its own lives on
        workers.remove(int(file.read_text().split()[1]))
    wait_for(lambda: all(map(gone, workers)))
