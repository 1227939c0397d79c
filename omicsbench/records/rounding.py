"""Numbers as records hold them: rounded to what is meant, so that every processor writes the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from omicsbench.trajectory import Array

SCORE_DIGITS = 6
"""Significant digits of a score."""
STEP_SHARE = 5e-4
"""Of a state's unit of NRMSE: predictions are rounded to steps no larger than this."""
_EXACT = 2.0**52


def significant(x: Array, digits: int = SCORE_DIGITS) -> Array:
    """``x`` rounded to so many significant digits; what is not finite stays."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(np.where(x == 0, 1.0, x))))
        power = 10.0 ** np.clip(places, -300, 300)
        return np.where(np.isfinite(x), np.round(x * power) / power, x)


def rounded_tree(value: Any, digits: int = SCORE_DIGITS) -> Any:
    """JSON values with every number that is no integer rounded to so many significant digits."""
    if isinstance(value, dict):
        return {name: rounded_tree(item, digits) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded_tree(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def steps_of(scale: Array) -> list[tuple[int, int]]:
    """For each state the step its predictions are rounded to, ``(m, e)`` for m · 10^e with m = 1, 2 or 5: the largest
    that is at most ``STEP_SHARE`` of the state's ``scale`` (S,)."""
    found = []
    for unit in np.asarray(scale, dtype=np.float64):
        wanted = float(f"{STEP_SHARE * unit:.9g}")
        exponent = int(np.floor(np.log10(wanted)))
        mantissa = max((m for m in (1, 2, 5) if m * 10.0**exponent <= wanted * (1 + 1e-9)), default=1)
        found.append((mantissa, exponent))
    return found


def to_steps(x: Array, steps: list[tuple[int, int]]) -> Array:
    """``x`` (..., S) as whole numbers of steps; not finite where ``x`` is not."""
    columns = [
        np.round(
            x[..., state] / (mantissa * 10.0**exponent) if exponent > 0 else x[..., state] * 10.0**-exponent / mantissa
        )
        for state, (mantissa, exponent) in enumerate(steps)
    ]
    return np.stack(columns, axis=-1)


def from_steps(counts: Array, steps: list[tuple[int, int]]) -> Array:
    """The decimal numbers (..., S) of whole numbers of steps, each the float nearest to it."""
    columns = [
        counts[..., state] * mantissa * 10.0**exponent
        if exponent > 0
        else counts[..., state] * mantissa / 10.0**-exponent
        for state, (mantissa, exponent) in enumerate(steps)
    ]
    return np.stack(columns, axis=-1)


def as_stored(x: Array, scale: Array) -> Array:
    """Predictions (..., S) rounded as records keep them and as they are scored; numbers too large for steps stay."""
    steps = steps_of(scale)
    with np.errstate(over="ignore", invalid="ignore"):
        counts = to_steps(x, steps)
        return np.where(np.abs(counts) < _EXACT, from_steps(counts, steps) + 0.0, x)


def to_json(values: Array) -> Any:
    """Nested lists with None for what is not finite, since JSON has neither NaN nor infinity."""
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]


def from_json(values: Any) -> Array:
    """The array that ``to_json`` wrote, NaN for None."""
    return np.array(values, dtype=np.float64)
