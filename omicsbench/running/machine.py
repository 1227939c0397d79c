"""Fits share the machine; a timing has it alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK = 1.0
"""Seconds between two looks at whether a wait still makes sense."""


class Impatient(Exception):
    """The machine could not be had alone in the time that was given."""


class MachineLock:
    """Many share it, or one has it alone. Whoever waits to be alone goes before new sharers.

    Nothing can dead-lock: who wants to be alone gives its share up first, and every holder is a context, so
    whatever is raised within gives back what was held.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._sharing = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[Share]:
        """Run beside others that share; waits while somebody is alone or waits to be."""
        self._enter_shared()
        try:
            yield Share(self)
        finally:
            self._leave_shared()

    def _enter_shared(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: not self._alone and not self._waiting)
            self._sharing += 1

    def _leave_shared(self) -> None:
        with self._condition:
            self._sharing -= 1
            self._condition.notify_all()

    def _enter_alone(self, patience: float, check: Callable[[], None]) -> None:
        end = time.monotonic() + patience
        with self._condition:
            self._waiting += 1
            try:
                while not self._condition.wait_for(lambda: not self._alone and not self._sharing, LOOK):
                    check()
                    if time.monotonic() >= end:
                        raise Impatient(f"the machine was not free for a timing in {patience:g} s")
                self._alone = True
            finally:
                self._waiting -= 1
                self._condition.notify_all()

    def _leave_alone(self) -> None:
        with self._condition:
            self._alone = False
            self._condition.notify_all()


class Share:
    """A share of the machine that can be exchanged for all of it for a while."""

    def __init__(self, machine: MachineLock) -> None:
        self._machine = machine

    @contextmanager
    def alone(self, patience: float, check: Callable[[], None]) -> Iterator[None]:
        """Have the machine alone; the share is had again after it.

        ``check`` is called now and then while waiting, and raises where waiting is of no use any more. Raises
        ``Impatient`` after ``patience`` seconds of waiting.
        """
        self._machine._leave_shared()
        try:
            self._machine._enter_alone(patience, check)
            try:
                yield
            finally:
                self._machine._leave_alone()
        finally:
            self._machine._enter_shared()


MACHINE = MachineLock()
