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
from pathlib import Path

import psutil

from omicsbench.records import Failure
from omicsbench.worker import Job, Outcome, serve

POLL = 0.25
MEMORY_SHARE = 0.8
_environment_lock = threading.Lock()
OnProgress = Callable[[int, int, float | None], None]


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
        with _environment_lock:
            saved = {name: os.environ.get(name) for name in variables}
            os.environ.update(variables)
            try:
                self._process.start()
            finally:
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
        self, job: Job, timeout: float, on_progress: OnProgress, memory_share: float = MEMORY_SHARE
    ) -> Outcome | Failure:
        """The outcome of a job, or why there is none. After a failure that killed it the process is gone.

        ``timeout`` in seconds, waiting for quiet not counted; ``memory_share`` of the machine's memory may be used.
        """
        self._log.write_text("")
        left, quiet = timeout, False
        limit = memory_share * psutil.virtual_memory().total
        QUIETNESS.enter_noise()
        try:
            self._connection.send(job)
            while True:
                started = time.monotonic()
                if not self._connection.poll(min(POLL, max(left, 0.0))):
                    left -= time.monotonic() - started
                    if left <= 0:
                        return self._kill("TimeoutError", f"not finished after {timeout:g} s")
                    if self._memory() > limit:
                        return self._kill("MemoryError", f"used more than {limit / 2**30:.1f} GB")
                    continue
                message = self._connection.recv()
                left -= time.monotonic() - started
                if message[0] == "progress":
                    on_progress(*message[1:])
                elif message[0] == "quiet":
                    QUIETNESS.leave_noise()
                    QUIETNESS.enter_quiet()
                    quiet = True
                    self._connection.send("go")
                elif message[0] == "noise":
                    QUIETNESS.leave_quiet()
                    quiet = False
                    QUIETNESS.enter_noise()
                    self._connection.send("go")
                else:
                    return self._finished(message[1])
        except (EOFError, OSError):
            if self._cancelled:
                raise CancelledError from None
            return self._died()
        finally:
            if quiet:
                QUIETNESS.leave_quiet()
            else:
                QUIETNESS.leave_noise()

    def _finished(self, result: Outcome | Failure) -> Outcome | Failure:
        if isinstance(result, Failure):
            return Failure(type=result.type, message=result.message, traceback=result.traceback, output=self._printed())
        return result

    def _memory(self) -> int:
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(member.memory_info().rss for member in family)
        except psutil.Error:
            return 0

    def _died(self) -> Failure:
        self._process.join(5)
        code = self._process.exitcode
        output = self._printed()
        self.stop()
        if code is not None and code < 0:
            return Failure(type="WorkerDied", message=f"killed by {signal.Signals(-code).name}", output=output)
        return Failure(type="WorkerDied", message=f"the worker process ended with exit code {code}", output=output)

    def _kill(self, kind: str, message: str) -> Failure:
        output = self._printed()
        self.stop()
        return Failure(type=kind, message=message, output=output)

    def _printed(self) -> str:
        try:
            text = self._log.read_bytes()[-4000:].decode(errors="replace")
        except OSError:
            return ""
        return "".join(c for c in text if c.isprintable() or c in "\n\t")

    def stop(self) -> None:
        """End the process and everything it started, now."""
        try:
            family = psutil.Process(self._process.pid).children(recursive=True) if self.alive else []
        except psutil.Error:
            family = []
        for member in family:
            try:
                member.kill()
            except psutil.Error:
                continue
        if self.alive:
            self._process.kill()
        self._process.join(5)
        self._connection.close()
        self._log.unlink(missing_ok=True)
