"""A worker process's own end: one job after another, and all that it may say. Light: a job imports the rest."""

from __future__ import annotations

import contextvars
import faulthandler
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from omicsbench.running import messages
from omicsbench.running.keeper import children_of
from omicsbench.texts import message_of, plain, type_of

PROGRESS_INTERVAL = 0.1


class Line:
    """The way to the runner. One thread speaks at a time, and only of the job that is being done.

    A fork of this process may not speak for it: of progress it is silent, and where it would go on in the worker's
    place it ends.
    """

    def __init__(self, handle: int) -> None:
        self._socket = socket.socket(fileno=handle)
        self._socket.set_inheritable(False)
        self._owner = os.getpid()
        self._frames = messages.Frames()
        self._lock = threading.Lock()
        self._job, self._number = 0, 0

    @property
    def is_owner(self) -> bool:
        """Whether this is the process that was started as the worker."""
        return os.getpid() == self._owner

    def hear(self) -> messages.FromRunner | None:
        """What the runner says next; None where it has gone."""
        while (body := self._frames.take()) is None:
            if not (data := self._socket.recv(1 << 20)):
                return None
            self._frames.feed(data)
        return messages.from_runner(body)

    def begin(self, job: int) -> None:
        """What is said from now on is of this job."""
        with self._lock:
            self._job, self._number = job, 0

    def say(self, kind: type[messages.Said], job: int, **what: Any) -> None:
        """Say something of a job; after how it ended nothing more is said of it."""
        if not self.is_owner:
            return
        with self._lock:
            if job == self._job:
                self._socket.sendall(messages.frame(kind(job, self._number + 1, **what)))
                self._number += 1
                self._job = 0 if kind in (messages.Done, messages.Failed) else job

    def progress(self, job: int) -> Callable[..., None]:
        """What a model reports its progress to, from any thread."""
        last = 0.0

        def progress(step: int, of: int, loss: float | None = None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PROGRESS_INTERVAL or step >= of:
                last = now
                self.say(messages.Progress, job, step=int(step), of=int(of), loss=None if loss is None else float(loss))

        return progress

    @contextmanager
    def alone(self, job: int) -> Iterator[None]:
        """Nothing else of the suite runs within; the runner sees to it."""
        self._ask(messages.AskAlone, job)
        try:
            yield
        finally:
            self._ask(messages.EndAlone, job)

    def _ask(self, kind: type[messages.Said], job: int) -> None:
        self.end_fork()
        self.say(kind, job)
        if self.hear() != messages.Go(job):
            os._exit(1)

    def end_fork(self) -> None:
        """End this process if it is a fork in which the model came back: only one may."""
        if not self.is_owner:
            os._exit(0)


def serve(handle: int) -> None:
    """The life of a worker process: one job after another until the runner goes."""
    # So that what a model said is there even if it takes the process with it.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    line = Line(handle)
    while isinstance(start := line.hear(), messages.Start):
        job = start.job
        line.begin(job)
        before = _condition()
        try:
            work = pickle.loads(start.work)
            # A context of its own, which takes numpy's error state with it.
            run = contextvars.copy_context().run
            result = messages.pack(run(work.run, line.progress(job), lambda job=job: line.alone(job)))
            line.end_fork()
            with suppress(Exception):
                sys.stdout.flush()
            line.say(messages.Done, job, result=result, clean=_condition() == before)
        except BaseException as error:
            line.end_fork()
            line.say(
                messages.Failed,
                job,
                type=type_of(error),
                message=message_of(error),
                traceback=plain(_traceback(error)),
            )


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:
        return ""


def _condition() -> tuple[object, ...]:
    """What a job must leave as it was, lest the next one find something of it.

    Threads of Python, an alarm, the working directory, the umask, its share of the processors, where output goes, and
    whether there are other processes. What it holds of Python's own (modules, their variables) is not looked at.
    """
    umask = os.umask(0)
    os.umask(umask)
    share = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    alarm = signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)
    return frozenset(sys._current_frames()), alarm, _folder(), umask, share, _file(1), _file(2), _company()


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _file(handle: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(handle)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _company() -> bool:
    """Whether there are processes below this one, or beside it: those that have lost their parent."""
    if sys.platform != "linux":
        import psutil

        return bool(psutil.Process().children())
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return children_of(os.getppid()) != [os.getpid()]
    return True
