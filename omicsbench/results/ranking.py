"""Who is better than whom: paired differences, bootstrap intervals, shared ranks.

A model is told apart from another where the 95 % interval of the median paired difference of skill leaves out zero.
Cells are paired by fold and seed; one that runs a deterministic model once is paired with every seed of the other.
The bootstrap resamples folds, then seeds within each: seeds of one fold are no new strains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench.data.protocols import PROTOCOLS
from omicsbench.results import bootstrap
from omicsbench.results.summary import Entry, Group
from omicsbench.trajectory import Array

FEWEST_PAIRS = 6
"""Of fewer pairs that all agree, a sign test still gives p = 2 · 0.5⁵ > 0.05."""
ENOUGH_SEEDS = 5
FAILED = -1e12
"""The skill of a failed cell: below any other, and two failures are equal."""

Cells = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Standing:
    """One row of a leaderboard.

    ``rank`` is None where the row is not ranked, ``unranked`` says why. ``skill`` and ``nrmse`` are medians over
    folds and seeds, with the 95 % bootstrap interval of skill. ``seeds`` is the fewest of any fold.
    ``tied``: labels of those in the same ranking it cannot be told apart from.
    """

    entry: Entry
    place: str
    rank: int | None
    unranked: str
    skill: float
    skill_interval: tuple[float, float]
    nrmse: float
    seeds: int
    folds: int
    folds_of: int
    provisional: bool
    tied: tuple[str, ...]


def standings(group: Group, folds: Sequence[str] | None = None) -> list[Standing]:
    """The rows of a group: for each place (the CPU, each GPU) ranks among all that covers ``folds``.

    ``folds`` are those a row must cover, every fold of the group if None; cells of other folds do not count.
    Trivial baselines run on the CPU only and stand in the ranking of every place.
    """
    wanted = tuple(sorted(group.folds if folds is None else set(folds) & set(group.folds)))
    cells = {entry.label: _cells(entry, wanted) for entry in group.entries}
    rows: list[Standing] = []
    for place in sorted({entry.place for entry in group.entries if entry.role != "trivial"} or {"cpu"}):
        here = [entry for entry in group.entries if entry.place == place or entry.role == "trivial"]
        entered = [entry for entry in here if not _unranked(group, entry, cells[entry.label], wanted)]
        rows += [_standing(group, entry, place, entered, cells, wanted) for entry in here]
    return sorted(rows, key=_order)


def _order(row: Standing) -> tuple[object, ...]:
    ceiling_first = 0 if row.entry.role == "oracle" else 1 if row.rank is not None else 2
    skill, error = -np.nan_to_num(row.skill, nan=FAILED), np.nan_to_num(row.nrmse, nan=-FAILED)
    return row.place != "cpu", row.place, ceiling_first, row.rank or 0, skill, error, row.entry.label


def _standing(
    group: Group, entry: Entry, place: str, entered: Sequence[Entry], cells: Mapping[str, Cells], wanted: Sequence[str]
) -> Standing:
    mine = cells[entry.label]
    why = _unranked(group, entry, mine, wanted)
    better: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    if not why:
        signs = {other.label: compare(cells[other.label], mine) for other in entered if other is not entry}
        better = tuple(label for label, sign in signs.items() if sign > 0)
        tied = tuple(sorted(label for label, sign in signs.items() if sign == 0))
    run = Counter(fold for fold, _ in entry.values("nrmse") if fold in wanted)
    seeds = min(run.values(), default=0)
    return Standing(
        entry=entry,
        place=place,
        rank=None if why else 1 + len(better),
        unranked=why,
        skill=entry.median("skill", wanted),
        skill_interval=interval(mine),
        nrmse=entry.median("nrmse", wanted),
        seeds=seeds,
        folds=len(run),
        folds_of=len(wanted),
        provisional=not entry.deterministic and seeds < ENOUGH_SEEDS,
        tied=tied,
    )


def _unranked(group: Group, entry: Entry, mine: Cells, wanted: Sequence[str]) -> str:
    if entry.role == "oracle":
        return "knows the truth"
    if not PROTOCOLS[group.protocol].ranked:
        return "protocol is never ranked"
    run = {record.cell.fold for record in entry.records if record.cell.fold in wanted}
    if len(run) < len(wanted):
        return f"{len(run)} of {len(wanted)} folds"
    return "" if len(mine) == len(wanted) else "no trivial baseline that errs on some fold"


def _cells(entry: Entry, wanted: Sequence[str]) -> Cells:
    """Skill by fold and seed, in a fixed order; undefined skill is a failure."""
    found: dict[str, dict[int, float]] = {}
    for (fold, seed), value in sorted(entry.skills().items()):
        if fold in wanted:
            found.setdefault(fold, {})[seed] = max(value, FAILED) if np.isfinite(value) else FAILED
    return found


def paired(one: Cells, other: Cells) -> list[Array]:
    """Differences of skill, one array a fold, over the folds and seeds both have.

    Where either has one cell only (it is deterministic), that is paired with every seed of the other.
    """
    result = []
    for fold in sorted(set(one) & set(other)):
        a, b = one[fold], other[fold]
        if len(a) == 1 or len(b) == 1:
            pairs = [x - y for x in a.values() for y in b.values()]
        else:
            pairs = [a[seed] - b[seed] for seed in sorted(set(a) & set(b))]
        if pairs:
            result.append(np.array(pairs))
    return result


def compare(one: Cells, other: Cells) -> int:
    """1 where ``one`` is better, −1 where it is worse, 0 where the two cannot be told apart."""
    by_fold = paired(one, other)
    if sum(pairs.size for pairs in by_fold) < FEWEST_PAIRS:
        return 0
    low, high = bootstrap.interval(by_fold)
    return 1 if low > 0 else -1 if high < 0 else 0


def interval(cells: Cells) -> tuple[float, float]:
    """95 % bootstrap interval of the median over folds and seeds; NaN of nothing, −inf where most of it failed."""
    by_fold = [np.array(list(of_fold.values())) for of_fold in cells.values() if of_fold]
    if not by_fold:
        return float("nan"), float("nan")
    low, high = bootstrap.interval(by_fold)
    return _shown(low), _shown(high)


def _shown(value: float) -> float:
    return float("-inf") if value <= FAILED / 4 else value
