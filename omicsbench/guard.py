"""Plugins' hooks in this process: whatever they raise is kept in, and none is waited for longer than a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from omicsbench.texts import say

Answer = TypeVar("Answer")


class Raised(Exception):
    """A guarded call raised; its type and message are the text."""


class Overran(Exception):
    """A guarded call did not come back in time. Its thread cannot be ended, and lives on."""


def guarded(call: Callable[[], Answer], limit: float) -> Answer:
    """What ``call`` returns, in a thread of its own. Raises ``Raised``, or ``Overran`` after ``limit`` seconds.

    A call that ends the process, or that holds the interpreter's lock for ever, cannot be guarded against so.
    """
    answers: list[Answer] = []
    raised: list[str] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:
            raised.append(say(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    if answers:
        return answers[0]
    raise Raised(raised[0]) if raised else Overran(f"did not come back within {limit:g} s")
