"""The limits of one job in a worker process: time, memory, and what it prints."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import psutil

from omicsbench.records import Failure

POLL = 0.25
"""Seconds between two looks."""
LARGEST_LOG = 2**26
"""Bytes of output after which the log of a job begins anew."""


class Limit(Exception):
    """A job passed a limit."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Watch:
    """The limits of one job. ``seen`` gathers the processes it has."""

    def __init__(self, timeout: float, memory: float, keeper: int, seen: list[psutil.Process], log: IO[bytes]) -> None:
        self.timeout, self.memory = timeout, memory
        self._keeper, self._seen, self._log = keeper, seen, log
        self._looked = time.monotonic()
        self._end = self._looked + timeout

    def look(self) -> float:
        """Seconds until the next look. Raises ``Limit`` where one is passed."""
        now = time.monotonic()
        if now >= self._end:
            raise Limit(Failure(type="TimeoutError", message=f"not finished after {self.timeout:g} s"))
        if now - self._looked >= POLL:
            self._looked = now
            if self._used() > self.memory:
                raise Limit(Failure(type="MemoryError", message=f"used more than {self.memory / 2**30:.1f} GB"))
            if os.fstat(self._log.fileno()).st_size > LARGEST_LOG:
                os.ftruncate(self._log.fileno(), 0)
        return min(POLL, self._end - now)

    def _used(self) -> int:
        """Bytes of memory of all its processes."""
        with suppress(psutil.Error):
            found = set(psutil.Process(self._keeper).children(recursive=True))
            self._seen[:] = found.union(one for one in self._seen if one.is_running())
        used = 0
        for process in self._seen:
            with suppress(psutil.Error):
                used += process.memory_info().rss
        return used

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that passes within does not count."""
        since = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - since
