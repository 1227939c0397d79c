"""Numbers and times as people read them."""

from __future__ import annotations

import numpy as np


def number(value: float | None, digits: int = 3) -> str:
    """A number in significant digits; a word for what is none."""
    if value is None or np.isnan(value):
        return "–"
    if np.isinf(value):
        return "failed"
    return f"{value:.{digits}g}"


def skill(value: float | None) -> str:
    """A skill, to two decimals; of a very bad one its size is enough."""
    if value is None or not np.isfinite(value):
        return number(value)
    return f"{value:.2f}".replace("-0.00", "0.00") if abs(value) < 100 else f"{value:.2g}"


def interval(low_high: tuple[float, float]) -> str:
    """Of a skill, from low to high."""
    low, high = low_high
    return f"{skill(low)} to {skill(high)}" if np.isfinite(low_high).any() else "–"


def seconds(value: float | None) -> str:
    """A time in the unit that fits."""
    if value is None or not np.isfinite(value):
        return "–"
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (np.inf, 1.0, "s")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    raise AssertionError


def percent(value: float | None) -> str:
    """A share in whole per cent; "<1 %" for one that is small but not none."""
    if value is None or not np.isfinite(value):
        return "–"
    return "<1 %" if 0 < value < 0.01 else f"{100 * value:.0f} %"
