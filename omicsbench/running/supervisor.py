"""The one supervisor of worker processes: long-lived, each for one model and device, one job at a time.

What a worker says is trusted in nothing. A message that is none, of another job, out of turn or out of number, a result
of another type or shape, silence past the deadline, the end of the process: each ends the worker with all it started,
and comes back as a ``Failure`` that says in one line what happened.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from functools import cache
from types import TracebackType
from typing import IO, Any, TypeVar, get_type_hints

import psutil
from msgspec.structs import replace

from omicsbench.errors import ContractError
from omicsbench.records import Failure
from omicsbench.running import messages
from omicsbench.running.limits import Limit, Watch
from omicsbench.running.machine import Impatient, Share
from omicsbench.running.messages import Surprise
from omicsbench.running.work import Assignment
from omicsbench.texts import LONGEST_NAME, one_line, plain

GRACE = 5.0
"""Seconds that a keeper may take to end its worker, before it is ended itself."""
PATIENCE = 4.0
"""Timeouts that a timing waits for the machine: others hold it for one at most, and a few may come first."""
MEMORY_SHARE = 0.8
PRINTED = 4000
"""Bytes of output, the last ones, that stand in a record."""
KEEPER = "import json, sys; sys.path[:] = json.loads(sys.argv[3]); from omicsbench.running.keeper import main; "
OnProgress = Callable[[int, int, float | None], None]
Result = TypeVar("Result")


class _Gone(Exception):
    """The worker's process, or its end of the socket, is no more."""


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


@cache
def _result_of(kind: type[Assignment[Any]]) -> Any:
    return get_type_hints(kind.run)["return"]


class WorkerProcess:
    """A process that does the jobs of one model and device, one at a time, below a keeper of its own.

    Use it as a context, or ``stop`` it. Only the thread that runs a job in it may do so; any may ``cancel``.
    """

    def __init__(self, model: str, device: str, threads: int) -> None:
        self.model, self.device, self.threads = model, device, threads
        self.used = False
        self._cancelled, self._clean = False, True
        self._job, self._heard = 0, 0
        self._frames = messages.Frames()
        self._seen: list[psutil.Process] = []
        # Without a name, so that nothing is left of it whoever dies.
        self._log = tempfile.TemporaryFile(prefix="omicsbench-")  # noqa: SIM115 - closed by stop
        fcntl.fcntl(self._log, fcntl.F_SETFL, fcntl.fcntl(self._log, fcntl.F_GETFL) | os.O_APPEND)
        self._lifeline, keepers = socket.socketpair()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        # Ctrl-C is for the runner. A worker that died of it would look like a model that failed.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-c", f"{KEEPER}main(*map(int, sys.argv[1:3]))"),
                    *(str(keepers.fileno()), str(theirs.fileno()), json.dumps([str(path) for path in sys.path])),
                ],
                env=os.environ | device_environment(device, threads),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(keepers.fileno(), theirs.fileno()),
                start_new_session=True,
            )
        except BaseException:
            for opened in (self._log, self._lifeline, self._socket):
                opened.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            keepers.close()
            theirs.close()
        self.stop = weakref.finalize(self, _stop, self._process, self._seen, self._lifeline, self._socket, self._log)
        """End the process and everything it started, now."""
        self._poll = select.poll()
        self._poll.register(self._lifeline, select.POLLIN)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the keeper: the worker, and whatever that starts, stands below it."""
        return self._process.pid

    @property
    def kind(self) -> tuple[str, str, int]:
        """What cells it can take: model, device, threads."""
        return self.model, self.device, self.threads

    @property
    def reusable(self) -> bool:
        """Whether it can take another job: it lives, its last job left nothing behind, and it holds its tongue."""
        if not self.stop.alive or self._cancelled or not self._clean or self._frames:
            return False
        try:
            return not self._ready(self._socket, select.POLLIN, 0.0)
        except _Gone:
            return False

    def cancel(self) -> None:
        """End it; a job it was running raises ``CancelledError``."""
        self._cancelled = True
        _end(self._process, self._seen, self._lifeline)

    def run(
        self,
        job: Assignment[Result],
        timeout: float,
        share: Share,
        on_progress: OnProgress = lambda step, of, loss: None,
        memory_share: float = MEMORY_SHARE,
    ) -> Result | Failure:
        """The result of a job, or why there is none. After a failure the process is gone, with all it broke.

        ``timeout`` in seconds, waiting to be alone on the machine not counted; ``memory_share`` of the machine's memory
        may be used. Raises ``CancelledError`` where ``cancel`` was called.
        """
        self._job, self._heard, self._clean = self._job + 1, 0, False
        os.ftruncate(self._log.fileno(), 0)
        self._watch = Watch(timeout, memory_share * psutil.virtual_memory().total, self.pid, self._seen, self._log)
        try:
            return self._converse(job, share, on_progress)
        except Surprise as surprise:
            return self._fail(Failure(type="WorkerFault", message=one_line(str(surprise))))
        except Limit as limit:
            return self._fail(limit.failure)
        except Impatient as late:
            return self._fail(Failure(type="TimeoutError", message=str(late)))
        except (_Gone, OSError):
            if self._cancelled:
                self.stop()
                raise CancelledError from None
            return self._fail(self._death())
        except BaseException:
            self.stop()
            raise
        finally:
            self.used = True

    def _converse(self, job: Assignment[Result], share: Share, on_progress: OnProgress) -> Result | Failure:
        self._send(messages.Start(self._job, pickle.dumps(job)))
        with ExitStack() as alone:
            timing = False
            while True:
                message = self._hear()
                match message:
                    case messages.Progress():
                        on_progress(message.step, message.of, message.loss)
                    case messages.AskAlone() if not timing:
                        with self._watch.paused():
                            alone.enter_context(share.alone(PATIENCE * self._watch.timeout, self._look_alive))
                        timing = True
                        self._send(messages.Go(self._job))
                    case messages.EndAlone() if timing:
                        with self._watch.paused():
                            alone.close()
                        timing = False
                        self._send(messages.Go(self._job))
                    case messages.Failed():
                        return self._fail(
                            Failure(
                                type=one_line(message.type, LONGEST_NAME),
                                message=one_line(message.message),
                                traceback=plain(message.traceback),
                            )
                        )
                    case messages.Done() if not timing:
                        result: Result = messages.unpack(message.result, _result_of(type(job)))
                        try:
                            job.check(result)
                        except ContractError as error:
                            raise Surprise(f"the worker sent a wrong result: {error}") from None
                        self._clean = message.clean
                        return result
                    case _:
                        raise Surprise(f"the worker sent {type(message).__name__} out of turn")

    def _hear(self) -> messages.FromWorker:
        """The next message, which is of this job and in its turn."""
        while (body := self._frames.take()) is None:
            self._wait(self._socket, select.POLLIN)
            data = self._socket.recv(1 << 20)
            if not data:
                raise _Gone
            self._frames.feed(data)
        self._watch.look()
        message = messages.from_worker(body)
        if message.job != self._job:
            raise Surprise(f"the worker spoke of job {message.job} during job {self._job}")
        self._heard += 1
        if message.number != self._heard:
            raise Surprise(f"the worker's message {self._heard} came as number {message.number}")
        return message

    def _send(self, message: messages.Message) -> None:
        left = memoryview(messages.frame(message))
        while left:
            self._wait(self._socket, select.POLLOUT)
            left = left[self._socket.send(left) :]

    def _wait(self, on: socket.socket, event: int) -> None:
        """Until it can be read or written, or a limit is met, or the keeper is gone."""
        while not self._ready(on, event, self._watch.look()):
            self._look_alive()

    def _ready(self, on: socket.socket, event: int, seconds: float) -> bool:
        """Whether it can be read or written within that time. Raises ``_Gone`` where it cannot and the keeper ended."""
        self._poll.register(on, event)
        found = dict(self._poll.poll(1000 * seconds))
        if found and on.fileno() not in found:
            raise _Gone
        return bool(found)

    def _look_alive(self) -> None:
        if self._process.poll() is not None or self._cancelled:
            raise _Gone

    def _death(self) -> Failure:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        how = f"the worker process ended with exit code {code}"
        if code is None:
            how = "the worker process closed its line to the runner"
        elif code < 0:
            how = f"killed by {signal.Signals(-code).name}"
        return Failure(type="WorkerDied", message=how)

    def _fail(self, failure: Failure) -> Failure:
        """End the process: what a failed cell leaves behind (a spoilt GPU context, threads) is no other cell's."""
        log = self._log.fileno()
        printed = os.pread(log, PRINTED, max(0, os.fstat(log).st_size - PRINTED))
        self.stop()
        return replace(failure, output=plain(printed.decode(errors="replace")))


def _end(process: subprocess.Popen[bytes], seen: list[psutil.Process], lifeline: socket.socket) -> None:
    """End a keeper with all below it; safe from any thread, and more than once."""
    with suppress(OSError):
        lifeline.shutdown(socket.SHUT_RDWR)
    process.send_signal(signal.SIGCONT)  # a model may have stopped it
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with suppress(psutil.Error):
            seen += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    for one in list(seen):
        with suppress(psutil.Error):
            one.kill()


def _stop(
    process: subprocess.Popen[bytes],
    seen: list[psutil.Process],
    lifeline: socket.socket,
    line: socket.socket,
    log: IO[bytes],
) -> None:
    _end(process, seen, lifeline)
    for opened in (lifeline, line, log):
        opened.close()
