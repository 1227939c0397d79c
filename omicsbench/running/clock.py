"""The only clock of the suite."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeVar

import numpy as np

from omicsbench.records import Latency

Result = TypeVar("Result")

LATENCY_POINTS = 200
"""The horizon of a latency: one strain on this many equally spaced points."""
NARROW = 0.02
"""Repeats stop when the interval of the median is narrower than this share of it."""
FEWEST, MOST = 7, 1000


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """What ``call`` returns and the seconds it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


class PastLimit(BaseException):
    """A call took longer than it may. No ``Exception``, so that no model takes it for one of its own."""


def limited(call: Callable[[], Result], limit: float) -> tuple[Result, float]:
    """What ``call`` returns and the seconds it took; main thread only.

    Raises ``PastLimit`` after ``limit`` seconds, within Python code at once, within compiled code when that ends.
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise PastLimit

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        return timed(call)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def latency(call: Callable[[], object], budget: float) -> Latency:
    """Seconds of one ``call`` in the steady state: repeated until the median is known well or ``budget`` is spent.

    The caller has warmed up with identical shapes. The interval is 1.57 IQR / √n on either side of the median
    (McGill, Tukey & Larsen 1978, Am. Stat. 32:12). At least one repeat is made, and seven where the budget allows.
    The garbage collector is off meanwhile.
    """
    seconds: list[float] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = time.perf_counter() + budget
        while len(seconds) < MOST:
            seconds.append(timed(call)[1])
            if time.perf_counter() >= end:
                break
            if len(seconds) >= FEWEST:
                # np.quantile would take longer than many a call.
                ordered = sorted(seconds)
                lower, median, upper = (ordered[len(ordered) * quarter // 4] for quarter in (1, 2, 3))
                if 1.57 * (upper - lower) / np.sqrt(len(seconds)) < NARROW * median:
                    break
    finally:
        if collecting:
            gc.enable()
    lower, median, upper = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return Latency(median=median, lower=lower, upper=upper, repeats=len(seconds))
