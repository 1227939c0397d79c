"""What one look must tell of a predicted state: right, off by a factor, or of the wrong shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from omicsbench.trajectory import Array

TOLERANCE = 0.3
"""Root-mean-square error, relative to that of predicting zero, up to which a state counts as right."""
NAMED_LEVEL = 2.0
"""A prediction of the wrong shape is also called too high or too low beyond this factor."""
FAR = 100.0
"""Factors from here on are not worth a number."""

Kind = Literal["right", "factor", "shape", "none"]


@dataclass(frozen=True)
class Verdict:
    """How one state of the held-out strains was predicted.

    ``factor``: prediction over truth, by least squares where the shape is right, else by root mean square.
    ``error``: RMS error / RMS truth. ``correlation``: of prediction and truth, NaN where one does not move.
    """

    kind: Kind
    factor: float
    error: float
    correlation: float
    negative: float
    strains: int = 1

    @property
    def words(self) -> str:
        """The verdict for people."""
        if self.kind == "none":
            return "no prediction"
        if self.kind == "right":
            return "right"
        high = self.factor > 1
        size = self.factor if high else (1 / self.factor if self.factor > 0 else np.inf)
        many = f"{size:.2g}×" if size < FAR else "far"
        if self.kind == "factor":
            return f"{many} too {'high' if high else 'low'}"
        wrong = "wrong shape" if self.strains == 1 else "wrong"
        return f"{wrong}, {many}\u00a0{'↑' if high else '↓'}" if size >= NAMED_LEVEL else wrong

    @property
    def symbol(self) -> str:
        """One sign that does not need its colour."""
        if self.kind == "factor":
            return "↑" if self.factor > 1 else "↓"
        return {"right": "✓", "shape": "≁", "none": "✕"}[self.kind]


def judge(truth: Array, prediction: Array) -> Verdict:
    """The verdict on one state of B strains: ``truth`` and ``prediction`` (B, T), NaN in truth where not scored.

    With a the factor that fits best, |prediction − truth| or |prediction / a − truth| is held against |truth|.
    """
    seen = ~np.isnan(truth)
    y, p = truth[seen], prediction[seen]
    nothing = Verdict("none", np.nan, np.nan, np.nan, np.nan)
    if y.size == 0 or not np.isfinite(p).all():
        return nothing
    size = float(np.sqrt(np.mean(y**2)))
    if size == 0:
        return nothing
    error = float(np.sqrt(np.mean((p - y) ** 2))) / size
    level = float(np.sqrt(np.mean(p**2))) / size
    moves = np.ptp(p) > 0 and np.ptp(y) > 0
    correlation = float(np.corrcoef(p, y)[0, 1]) if moves else float("nan")
    negative = float(np.mean(p < 0))
    overlap = float(np.mean(p * y)) / size**2
    strains = len(truth)
    if error <= TOLERANCE:
        return Verdict("right", level, error, correlation, negative, strains)
    if overlap > 0:
        # Least squares of truth = prediction / a; what is left over is then 1 − cos² of the angle between them.
        left = np.sqrt(max(0.0, 1.0 - (overlap / level) ** 2))
        if left <= TOLERANCE:
            return Verdict("factor", level**2 / overlap, error, correlation, negative, strains)
    return Verdict("shape", level, error, correlation, negative, strains)
