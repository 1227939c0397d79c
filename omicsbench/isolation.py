"""Worker processes: long-lived, one model and device each, and really killed when they must be."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TypeVar, cast

import psutil
from msgspec.structs import replace

from omicsbench.records import Failure
from omicsbench.worker import Work, serve

POLL = 0.25
MEMORY_SHARE = 0.8
_environment_lock = threading.Lock()
OnProgress = Callable[[int, int, float | None], None]
Result = TypeVar("Result")


class Quietness:
    """Fits share the machine; a timing has it alone. Timings that wait go before new fits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._busy = 0
        self._waiting = 0
        self._timing = False

    def enter_noise(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: not self._timing and not self._waiting)
            self._busy += 1

    def leave_noise(self) -> None:
        with self._condition:
            self._busy -= 1
            self._condition.notify_all()

    def enter_quiet(self) -> None:
        with self._condition:
            self._waiting += 1
            self._condition.wait_for(lambda: not self._timing and not self._busy)
            self._waiting -= 1
            self._timing = True

    def leave_quiet(self) -> None:
        with self._condition:
            self._timing = False
            self._condition.notify_all()


class Turn:
    """A cell's part in it: noise from ``with`` on, quiet between ``quiet`` and ``noise``."""

    def __init__(self, quietness: Quietness) -> None:
        self._of, self._quiet = quietness, False

    def __enter__(self) -> Turn:
        self._of.enter_noise()
        return self

    def quiet(self) -> None:
        """Wait until no other cell runs, and keep them waiting."""
        self._of.leave_noise()
        self._of.enter_quiet()
        self._quiet = True

    def noise(self) -> None:
        """Let the others run again."""
        self._of.leave_quiet()
        self._quiet = False
        self._of.enter_noise()

    def __exit__(self, *error: object) -> None:
        if self._quiet:
            self._of.leave_quiet()
        else:
            self._of.leave_noise()


QUIETNESS = Quietness()


def device_environment(device: str, threads: int) -> dict[str, str]:
    """Variables that choose device and threads; they count only if set before torch, jax or numpy are imported."""
    count = str(threads)
    variables = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), count
    )
    variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    variables["JAX_PLATFORMS"] = device
    if device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = ""
    if threads == 1:
        variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return variables


class WorkerProcess:
    """A process that runs the cells of one model and device, one at a time."""

    def __init__(self, model: str, device: str, threads: int) -> None:
        self.model, self.device, self.threads = model, device, threads
        handle, log = tempfile.mkstemp(prefix="omicsbench-", suffix=".log")
        os.close(handle)
        self._log = Path(log)
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, log), daemon=True)
        variables = device_environment(device, threads)
        resource_tracker.ensure_running()  # now, because its start would lift the block below
        with _environment_lock:
            saved = {name: os.environ.get(name) for name in variables}
            os.environ.update(variables)
            # Ctrl-C is for the runner. A worker that died of it would look like a model that failed.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                for name, value in saved.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value
        theirs.close()
        self._cancelled = False

    @property
    def kind(self) -> tuple[str, str, int]:
        """What cells it can take: model, device, threads."""
        return self.model, self.device, self.threads

    def cancel(self) -> None:
        """End it; a job it was running raises ``CancelledError``."""
        self._cancelled = True
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether the process can take another job."""
        return self._process.is_alive()

    def run(
        self, job: Work[Result], timeout: float, turn: Turn, on_progress: OnProgress, memory_share: float = MEMORY_SHARE
    ) -> Result | Failure:
        """The result of a job, or why there is none. After a failure the process is gone, with all it broke.

        ``timeout`` in seconds, waiting for ``turn`` not counted; ``memory_share`` of the machine's memory may be used.
        """
        self._log.write_text("")
        left, looked = timeout, time.monotonic()
        limit = memory_share * psutil.virtual_memory().total
        try:
            self._connection.send(job)
            while True:
                started = time.monotonic()
                message = self._connection.recv() if self._connection.poll(min(POLL, max(left, 0.0))) else None
                now = time.monotonic()
                left -= now - started
                if message is None or message[0] == "progress":
                    if left <= 0:
                        return self._fail(Failure(type="TimeoutError", message=f"not finished after {timeout:g} s"))
                    if now - looked >= POLL:
                        looked = now
                        if self._memory() > limit:
                            used = f"used more than {limit / 2**30:.1f} GB"
                            return self._fail(Failure(type="MemoryError", message=used))
                if message is None:
                    continue
                if message[0] == "progress":
                    on_progress(*message[1:])
                elif message[0] == "quiet":
                    turn.quiet()
                    self._connection.send("go")
                elif message[0] == "noise":
                    turn.noise()
                    self._connection.send("go")
                elif message[0] == "failed":
                    return self._fail(message[1])
                else:
                    return cast(Result, message[1])
        except (EOFError, OSError):
            if self._cancelled:
                raise CancelledError from None
            return self._fail(self._death())

    def _memory(self) -> int:
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        except psutil.Error:
            return 0

    def _death(self) -> Failure:
        self._process.join(5)
        code = self._process.exitcode
        how = f"the worker process ended with exit code {code}"
        if code is not None and code < 0:
            how = f"killed by {signal.Signals(-code).name}"
        return Failure(type="WorkerDied", message=how)

    def _fail(self, failure: Failure) -> Failure:
        """End the process: what a failed cell leaves behind (a spoilt GPU context, threads) is no other cell's."""
        output = self._printed()
        self.stop()
        return replace(failure, output=output)

    def _printed(self) -> str:
        try:
            text = self._log.read_bytes()[-4000:].decode(errors="replace")
        except OSError:
            return ""
        return "".join(c for c in text if c.isprintable() or c in "\n\t")

    def stop(self) -> None:
        """End the process and everything it started, now."""
        family = []
        with suppress(psutil.Error):
            family = psutil.Process(self._process.pid).children(recursive=True) if self.alive else []
        for member in family:
            with suppress(psutil.Error):
                member.kill()
        with suppress(ProcessLookupError):
            # Its process group too: whoever lost its parent is in nobody's family any more.
            os.killpg(cast(int, self._process.pid), signal.SIGKILL)
        if self.alive:
            self._process.kill()
        self._process.join(5)
        self._connection.close()
        self._log.unlink(missing_ok=True)
