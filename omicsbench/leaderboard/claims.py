"""The published claim, put to the test: improvement over a baseline and the ratio of inference times.

The same numbers whichever way they are shown: ``compare`` makes them, the terminal and claims.md print them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench.data.protocols import PROTOCOLS
from omicsbench.data.tasks import Task
from omicsbench.records import Record
from omicsbench.results.bootstrap import interval
from omicsbench.results.summary import Entry, Group
from omicsbench.scoring.metrics import improvement
from omicsbench.trajectory import Array

PAPER = "Habaraduwa & Lixandru 2025, arXiv 2512.08732"
PUBLISHED_MAXIMUM: Mapping[str, float] = {"limonene": 94.38, "isopentenol": 97.65}
"""Improvement in RMSE over the 2018 pipeline, "up to", in % (PAPER, abstract)."""
PUBLISHED_SPEEDUP = 1000.0
"""Inference of the neural ODE against the 2018 pipeline (PAPER, abstract)."""
BEST_TRIVIAL = "best trivial baseline"
PATHS = ("published", "vectorised")
"""The ways in which derivative-ml simulates, by its parameter ``path``."""


@dataclass(frozen=True)
class Scope:
    """Which cells are compared: a protocol, on the published fold or on every fold."""

    protocol: str
    every_fold: bool

    def __str__(self) -> str:
        return f"{self.protocol}, {'every fold' if self.every_fold else 'published fold'}"


SCOPES = (Scope("published", False), Scope("published-leaky", False), Scope("measured", False), Scope("measured", True))


@dataclass(frozen=True)
class Spread:
    """A median over cells with its 95 % bootstrap interval, and the best single cell."""

    median: float
    lower: float
    upper: float
    best: float
    cells: int


@dataclass(frozen=True)
class Gain:
    """Improvement % of one model over one baseline: over the counted states the maximum (and which) and the mean."""

    scope: Scope
    model: str
    baseline: str
    maximum: Spread
    state: str
    mean: Spread


@dataclass(frozen=True)
class Ratio:
    """How many times faster than the baseline a model predicts one strain, by the baseline's variant and path."""

    model: str
    baseline: str
    path: str
    ratio: float
    latency: float
    baseline_latency: float
    hardware: str


@dataclass(frozen=True)
class Comparison:
    """Everything about one task. ``rmse``: (scope, model) to median RMSE by state, native units."""

    task: str
    states: tuple[str, ...]
    units: tuple[str, ...]
    counted: tuple[bool, ...]
    rmse: Mapping[tuple[Scope, str], Array]
    gains: tuple[Gain, ...]
    ratios: tuple[Ratio, ...]
    seeds: int


def compare(groups: Sequence[Group], tasks: Mapping[str, Task], baseline: str) -> list[Comparison]:
    """Every measured task that has records of the ``baseline``, against it and the best trivial baseline."""
    names = list(dict.fromkeys(group.task for group in groups))
    comparisons = [
        _compare(
            # Records of other states are of a task that only has the same name.
            {g.protocol: g for g in groups if g.task == name and g.states == tasks[name].info.states},
            tasks[name],
            baseline,
        )
        for name in names
        if name in tasks and tasks[name].virtual is None
    ]
    return [comparison for comparison in comparisons if comparison.gains or comparison.ratios]


def _compare(groups: Mapping[str, Group], task: Task, baseline: str) -> Comparison:
    published = tuple(fold.name for fold in task.folds if fold.published)
    rmse: dict[tuple[Scope, str], Array] = {}
    gains: list[Gain] = []
    for scope in SCOPES:
        group = groups.get(scope.protocol)
        if group is None:
            continue
        folds = tuple(fold.name for fold in task.folds) if scope.every_fold else published
        cells = {entry: _rmse(entry, folds) for entry in group.entries}
        cells = {entry: found for entry, found in cells.items() if found}
        for entry, found in cells.items():
            rmse[scope, entry.label] = np.median(np.stack(list(found.values())), axis=0)
        # What a leak is worth shows against a baseline that has none; trivial baselines would copy the answer.
        leaky = not PROTOCOLS[scope.protocol].ranked
        honest = groups.get("published", group) if leaky else group
        against = _baselines(honest, baseline, folds, with_trivial=not leaky)
        for entry, found in cells.items():
            if not _slow_path(entry, cells) and not (leaky and entry.role == "trivial"):
                others = {label: other for label, other in against.items() if leaky or label != entry.label}
                gains += [g for label, other in others.items() if (g := _gain(scope, entry, found, label, other, task))]
    return Comparison(
        task=task.name,
        states=tuple(state.name for state in task.states),
        units=tuple(state.unit for state in task.states),
        counted=task.counted,
        rmse=rmse,
        gains=tuple(gains),
        ratios=tuple(_ratios(groups.get("published"), baseline)),
        seeds=max((entry.seeds for group in groups.values() for entry in group.entries), default=0),
    )


def _baselines(
    group: Group, baseline: str, folds: Sequence[str], with_trivial: bool
) -> dict[str, dict[tuple[str, int], Array]]:
    """What models are held against: RMSE by (fold, seed) of each variant of the baseline, and of the best trivial."""
    cells = {entry: _rmse(entry, folds) for entry in group.entries}
    against = {e.label: found for e, found in cells.items() if e.model == baseline and not _slow_path(e, cells)}
    if with_trivial:
        trivial = {e.model: found for e, found in cells.items() if e.role == "trivial"}
        against[BEST_TRIVIAL] = {
            (fold, 0): trivial[name][fold, 0] for fold, (name, _) in group.best_trivial.items() if fold in folds
        }
    return against


def _rmse(entry: Entry, folds: Sequence[str]) -> dict[tuple[str, int], Array]:
    """RMSE by state of each (fold, seed), infinite for a failed cell."""
    return {(r.cell.fold, r.cell.seed): _states(r) for r in entry.records if r.cell.fold in folds}


def _states(record: Record) -> Array:
    scores = record.headline
    if scores is None or record.status != "ok":
        return np.full(len(record.states), np.inf)
    return np.array([np.nan if v is None else v for v in scores.per_state["rmse"]], dtype=float)


def _slow_path(entry: Entry, among: Mapping[Entry, object]) -> bool:
    """Whether the entry is the baseline simulated as published, beside a vectorised twin with the same answer."""
    if entry.parameters.get("path") != "published":
        return False
    twin = {**entry.parameters, "path": "vectorised"}
    return any(other.model == entry.model and other.parameters == twin for other in among)


def _gain(
    scope: Scope,
    entry: Entry,
    found: Mapping[tuple[str, int], Array],
    label: str,
    baseline: Mapping[tuple[str, int], Array],
    task: Task,
) -> Gain | None:
    """Paired by fold and seed; a baseline without randomness has one seed, which pairs with all."""
    rows: dict[str, list[Array]] = {}
    for (fold, seed), mine in found.items():
        theirs = baseline.get((fold, seed), baseline.get((fold, 0)))
        if theirs is not None and np.isfinite(theirs).all():
            better = improvement(mine, theirs)[np.array(task.counted)]
            if not np.isnan(better).all():  # no state in which the baseline errs
                rows.setdefault(fold, []).append(better)
    if not rows:
        return None
    by_fold = [np.stack(of_fold) for _, of_fold in sorted(rows.items())]
    names = [state.name for state, counts in zip(task.states, task.counted, strict=True) if counts]
    columns = [column[~np.isnan(column)] for column in np.concatenate(by_fold).T]
    state = names[int(np.argmax([np.median(column) if column.size else -np.inf for column in columns]))]
    maximum, mean = (spread([of(table, axis=1) for table in by_fold]) for of in (np.nanmax, np.nanmean))
    return Gain(scope, entry.label, label, maximum, state, mean)


def spread(by_fold: Sequence[Array]) -> Spread:
    """Median over folds and seeds of values, one array a fold, with its 95 % bootstrap interval."""
    ordered = np.sort(np.concatenate(by_fold))
    median, best = float(np.median(ordered)), float(ordered[-1])
    low, high = interval(by_fold) if np.isfinite(ordered).all() else (float(ordered[0]), best)
    return Spread(median, low, high, best, ordered.size)


def _ratios(group: Group | None, baseline: str) -> list[Ratio]:
    """Latency of each variant of the baseline over that of each model, where both were timed on one hardware."""
    found = []
    for other in group.entries if group else ():
        if other.model != baseline:
            continue
        for entry in group.entries if group else ():
            if entry.role != "model" or entry.model == baseline:
                continue
            for hardware, latency in entry.latencies().items():
                theirs = other.latencies().get(hardware)
                if theirs is not None:
                    path = str(other.parameters.get("path", ""))
                    ratio = theirs / latency
                    found.append(Ratio(entry.label, other.label, path, ratio, latency, theirs, hardware))
    return found


def verdict(comparison: Comparison) -> str:
    """One paragraph: what was reproduced, what was not, and why; every number from the records."""
    claimed = PUBLISHED_MAXIMUM.get(comparison.task)
    clean = [g for g in comparison.gains if g.scope == SCOPES[0]]
    nodes = [g for g in clean if g.model.startswith("node-") and g.baseline != BEST_TRIVIAL]
    if claimed is None or not nodes:
        return f"On {comparison.task} there are no records of a neural ODE under the protocol published."
    best = max(nodes, key=lambda g: g.maximum.median)
    luckiest = max(nodes, key=lambda g: g.maximum.best)
    reached = best.maximum.median >= claimed
    text = [
        f"On {comparison.task} the published improvement of up to {claimed} % was "
        f"{'reached' if reached else 'not reached'} without a leak: the largest median over "
        f"{best.maximum.cells} seeds is {best.maximum.median:.1f} % ({best.model} against {best.baseline}, "
        f"{best.state}), the best single seed {luckiest.maximum.best:.1f} %. The same comparison's mean over states is "
        f"{best.mean.median:.0f} %: a maximum over states says little of a model."
    ]
    persistence = [g for g in clean if g.model == "persistence" and g.baseline != BEST_TRIVIAL]
    if persistence:
        idle = max(persistence, key=lambda g: g.maximum.median)
        text.append(
            f"Persistence, which learns nothing, reaches {idle.maximum.median:.1f} % against {idle.baseline} "
            f"({idle.state}), mean over states {idle.mean.median:.0f} %: the figure depends on a baseline that drifts."
        )
    leaky = [g for g in comparison.gains if g.scope == SCOPES[1] and g.model.startswith("node-")]
    clean_labels = {g.baseline for g in nodes}
    leaky = [g for g in leaky if g.baseline in clean_labels]
    if leaky:
        leak = max(leaky, key=lambda g: g.maximum.median)
        text.append(
            f"With the held-out strain left in training, {leak.model} gains {leak.maximum.median:.1f} % against "
            f"{leak.baseline} trained without it: a leak is able to give gains of the published size, "
            "which does not show that one happened."
        )
    trivial = [g for g in clean if g.model.startswith("node-") and g.baseline == BEST_TRIVIAL]
    if trivial:
        honest = max(trivial, key=lambda g: g.mean.median)
        text.append(
            f"Against the best trivial baseline of the fold the best mean over states is {honest.mean.median:.0f} % "
            f"({honest.model}); below zero is worse than no model."
        )
    for path in PATHS:
        ratios = [r.ratio for r in comparison.ratios if r.path == path and r.model.startswith("node-")]
        if ratios:
            how = "simulated as published" if path == "published" else "vectorised"
            span = " to ".join(dict.fromkeys((_times(min(ratios)), _times(max(ratios)))))
            text.append(f"Inference against the baseline {how}: {span} as fast (published: {PUBLISHED_SPEEDUP:.0f}×).")
    text.append(
        "The paper's per-metabolite tables, architecture, solver, seeds and hardware could not be had, so its figures "
        "stand beside these and cannot be compared cell by cell."
    )
    return " ".join(text)


def _times(ratio: float) -> str:
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:,.0f}×"
