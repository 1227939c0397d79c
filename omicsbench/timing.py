"""The only clock of the suite."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

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
                lower, median, upper = np.quantile(seconds, (0.25, 0.5, 0.75))
                if 1.57 * (upper - lower) / np.sqrt(len(seconds)) < NARROW * median:
                    break
    finally:
        if collecting:
            gc.enable()
    lower, median, upper = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return Latency(median=median, lower=lower, upper=upper, repeats=len(seconds))
