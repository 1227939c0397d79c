"""The process above a worker: it runs no stranger's code, and sees to it that nothing outlives the worker.

It ends, with everything that the worker started, when the worker ends, when the runner ends, however that happens, and
when the runner closes its end of the lifeline. Its exit code is the worker's.

On Linux whatever loses its parent below it becomes its child (``PR_SET_CHILD_SUBREAPER``), also in a session of its
own, so nothing is missed. Elsewhere only the worker and its process group are ended: what a model put into another
session lives on. A worker that ends its keeper dies with it (``PR_SET_PDEATHSIG``); what it had started is then
ended by the runner as far as that has seen it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LOOK = 2.0
"""Seconds between two looks at whether the runner lives: a fork of it may hold the lifeline open."""
GRACE = 10.0
"""Seconds that killed processes may take to go."""


def main(lifeline: int, line: int) -> NoReturn:
    """Start a worker that speaks on ``line``, and keep it."""
    runner, keeper = os.getppid(), os.getpid()
    _control(PR_SET_CHILD_SUBREAPER, 1)
    _control(PR_SET_PDEATHSIG, signal.SIGCONT)  # a model may have stopped this process when the runner dies
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    worker = os.fork()
    if not worker:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for handle in (lifeline, woken, wake):
            os.close(handle)
        _work(line, keeper)
    os.close(line)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    status = _keep(worker, runner, lifeline, woken)
    _end(worker)
    _leave(status)


def _work(line: int, keeper: int) -> NoReturn:
    os.setsid()  # a process group of its own, so that all that a model starts can be ended with it
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)
    try:
        from omicsbench.running.serving import serve

        serve(line)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # threads that a model left do not hold it up


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _keep(worker: int, runner: int, lifeline: int, woken: int) -> int:
    """Wait for the end of one of them; the wait status of the worker, or 0 where it still lives."""
    while True:
        ready, _, _ = select.select([lifeline, woken], [], [], LOOK)
        if woken in ready:
            os.read(woken, 4096)
        status = _reap().get(worker)
        if status is not None:
            return status
        if lifeline in ready or os.getppid() != runner:
            return 0


def _reap() -> dict[int, int]:
    """Wait statuses of the children that have ended."""
    ended = {}
    with suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            ended[one[0]] = one[1]
    return ended


def _end(worker: int) -> None:
    """Kill the worker's group, then children until none is left: those of a killed child become children."""
    end = time.monotonic() + GRACE
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    while time.monotonic() < end:
        _reap()
        left = children_of(os.getpid()) if sys.platform == "linux" else _unreaped(worker)
        if not left:
            return
        for child in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def _unreaped(worker: int) -> list[int]:
    try:
        os.kill(worker, 0)
    except ProcessLookupError:
        return []
    return [worker]


def children_of(process: int) -> list[int]:
    """Children of a process of one thread; Linux only."""
    with suppress(OSError):  # a kernel may lack the list
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    found = []
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            if int(Path("/proc", str(int(name)), "stat").read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(name))
    return found


def _leave(status: int) -> NoReturn:
    """End as the worker did, without a second core dump."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)
