"""What predictions are held against. Records hold no truth: whoever has the data hands it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from omicsbench.records import Record
from omicsbench.split import Split
from omicsbench.trajectory import Array

Splits = Callable[[Record, str], Split | None]
"""The split of a record's fold under a protocol, or None where its data cannot be had, may not be shown, or are no
longer those that the record was made with."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Known states of the held-out strains: ``t`` (T,) hours, ``x`` (B, T, S), NaN where unknown.

    ``points``: they are measurements, to be drawn as markers; else a curve.
    """

    name: str
    t: Array
    x: Array
    points: bool


def no_truth(record: Record, protocol: str) -> Split | None:
    """For whoever has no data, or may not show them."""
    return None


def split_for(record: Record, splits: Splits) -> Split | None:
    """The split a record was scored on, or None where it cannot be had."""
    return splits(record, record.cell.protocol)


def curves(record: Record, splits: Splits) -> list[Curve]:
    """Everything known of the held-out strains of a record's fold: its targets, its x(0), its measured points."""
    split = split_for(record, splits)
    if split is None:
        return []
    found = {target.name: target for target in split.targets}
    home = dict.fromkeys(found, split)
    if "measured" not in found:
        # Of an interpolated truth, show also what was measured.
        measured = splits(record, "measured")
        if measured is not None:
            found.update({target.name: target for target in measured.targets})
            home.update({target.name: measured for target in measured.targets})
    result = []
    for name, target in found.items():
        points, start = name == "measured", home[name].inputs
        t, x = start.t[target.index], target.truth
        if points and t[0] > 0:
            t, x = np.concatenate([[0.0], t]), np.concatenate([start.x0[:, None], x], axis=1)
        result.append(Curve(name, t, x, points))
    return sorted(result, key=lambda curve: curve.points)
