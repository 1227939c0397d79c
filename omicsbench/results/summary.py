"""Records put side by side: one ``Group`` a task and protocol, one ``Entry`` a model, comparable numbers only.

Terminal table, HTML report and leaderboard all read these, so they can never disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omicsbench.data.protocols import protocol_of
from omicsbench.parameters import Value
from omicsbench.records import Record, Timing, hardware
from omicsbench.scoring.cell import best_trivial
from omicsbench.scoring.metrics import skill
from omicsbench.spec import Role
from omicsbench.trajectory import Array

Variant = tuple[str, str, str, tuple[tuple[str, Value], ...], str]
"""Model, version, code, parameters, place."""


@dataclass(frozen=True, eq=False)
class Entry:
    """All records of one model (with its parameters) in one place. Failed cells count as infinite error.

    ``label`` is the model's name, with the version, code, parameters and place that tell it from its namesakes.
    ``place`` is ``cpu`` or the name of a GPU.
    """

    label: str
    model: str
    version: str
    parameters: Mapping[str, Value]
    place: str
    role: Role
    records: tuple[Record, ...]
    best_trivial: Mapping[str, tuple[str, float]]

    @property
    def deterministic(self) -> bool:
        """Whether the model gives the same whatever the seed."""
        return self.records[0].deterministic

    @property
    def ok(self) -> int:
        """Cells with a result."""
        return sum(record.status == "ok" for record in self.records)

    @property
    def folds(self) -> tuple[str, ...]:
        """The folds there are records of, in order."""
        return tuple(dict.fromkeys(record.cell.fold for record in self.records))

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len({record.cell.seed for record in self.records})

    def of_fold(self, fold: str) -> list[Record]:
        """Its records of a fold."""
        return [record for record in self.records if record.cell.fold == fold]

    def per_state(self, metric: str, fold: str | None = None) -> Array:
        """Median over folds and seeds of a metric, per state (S,); a failed cell is infinitely wrong."""
        rows = [_states(record, metric) for record in self.records if fold in (None, record.cell.fold)]
        return np.median(np.stack(rows), axis=0)

    def values(self, metric: str) -> dict[tuple[str, int], float]:
        """The mean over states of a metric for each (fold, seed); a failed cell is infinitely wrong."""
        return {(r.cell.fold, r.cell.seed): _mean(r, metric) for r in self.records}

    def skills(self) -> dict[tuple[str, int], float]:
        """Skill for each (fold, seed) whose fold has a trivial baseline that errs; −inf for a failed cell."""
        return {
            (fold, seed): skill(value, self.best_trivial[fold][1])
            for (fold, seed), value in self.values("nrmse").items()
            if fold in self.best_trivial and self.best_trivial[fold][1] > 0
        }

    def at_size(self, strains: int) -> Array:
        """NRMSE of every cell that trained on that many strains."""
        return np.array([_mean(r, "nrmse") for r in self.records if r.training_strains == strains])

    def latencies(self) -> dict[str, float]:
        """Median latency in seconds on each hardware it was taken on."""
        found: dict[str, list[float]] = {}
        for record in self.records:
            if record.timing is not None:
                found.setdefault(hardware(record.cell, record.environment), []).append(record.timing.latency.median)
        return {hardware: float(np.median(values)) for hardware, values in found.items()}

    def median(self, metric: str, folds: Collection[str] | None = None) -> float:
        """Median over folds (all of them if None) and seeds of a metric's mean over states, or of skill."""
        values = self.skills() if metric == "skill" else self.values(metric)
        return _median(value for (fold, _), value in values.items() if folds is None or fold in folds)

    def derived(self, name: str) -> float:
        """Median over cells of a score that only a simulated task knows."""
        return _median(record.derived.get(name) for record in self.records)

    @property
    def timings(self) -> list[Timing]:
        """What was timed, cell by cell."""
        return [record.timing for record in self.records if record.timing is not None]

    def seconds(self, column: str) -> float:
        """Median over cells of a timing in seconds, latency by its median or a quartile; NaN where none was taken."""
        if column in ("lower", "upper", "latency"):
            name = "median" if column == "latency" else column
            return _median(getattr(timing.latency, name) for timing in self.timings)
        return _median(getattr(timing, column) for timing in self.timings)

    @property
    def fit_alone(self) -> bool:
        """Whether every fit was timed with nothing else running."""
        return all(timing.fit_alone for timing in self.timings)

    @property
    def integration_errors(self) -> list[float]:
        """Integration errors of the cells that have one."""
        return [timing.integration_error for timing in self.timings if timing.integration_error is not None]

    @property
    def integration(self) -> str:
        """The largest integration error of its cells, or why there is none."""
        errors = self.integration_errors
        notes = {timing.integration_note for timing in self.timings if timing.integration_error is None}
        return f"{max(errors):.1e}" if errors else "; ".join(sorted(notes)) or "–"

    @property
    def nfe(self) -> float:
        """Median over cells of evaluations of the field in one simulation."""
        return _median(record.nfe for record in self.records)

    @property
    def memory(self) -> float:
        """The largest peak memory of its cells in MB; zero where unknown."""
        return max((record.peak_memory_mb or 0.0 for record in self.records), default=0.0)

    @property
    def hardware(self) -> str:
        """Every hardware its cells ran on."""
        return "; ".join(sorted({hardware(record.cell, record.environment) for record in self.records}))


@dataclass(frozen=True, eq=False)
class Group:
    """Everything that may be compared: one task under one protocol."""

    task: str
    protocol: str
    states: tuple[str, ...]
    entries: tuple[Entry, ...]
    best_trivial: Mapping[str, tuple[str, float]]

    @property
    def folds(self) -> tuple[str, ...]:
        """Every fold there is a record of, in order."""
        return tuple(dict.fromkeys(fold for entry in self.entries for fold in entry.folds))

    @property
    def training_sizes(self) -> tuple[int, ...]:
        """The numbers of training strains of the folds, ascending; one where folds differ in held-out strain only."""
        return tuple(sorted({r.training_strains for e in self.entries for r in e.records}))

    @property
    def derived(self) -> tuple[str, ...]:
        """The names of the scores that only a simulated task knows."""
        return tuple(dict.fromkeys(name for e in self.entries for r in e.records for name in r.derived))

    @property
    def fit_alone(self) -> bool:
        """Whether every fit was timed with nothing else running."""
        return all(entry.fit_alone for entry in self.entries)

    def ordered(self) -> list[Entry]:
        """Models before trivial baselines, each by median skill, best first; where there is no skill, by NRMSE."""
        order = {"oracle": 0, "model": 1, "trivial": 2}

        def key(entry: Entry) -> tuple[object, ...]:
            skill, error = entry.median("skill"), entry.median("nrmse")
            return order[entry.role], -np.nan_to_num(skill, nan=-np.inf), np.nan_to_num(error, nan=np.inf), entry.label

        return sorted(self.entries, key=key)


def median_record(records: Iterable[Record]) -> Record | None:
    """The one with the median NRMSE (of two, the better): what a plot of one seed shows. None of none."""
    ordered = sorted(records, key=lambda r: (float(np.nan_to_num(_mean(r, "nrmse"), nan=np.inf)), r.cell.seed))
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _median(values: Iterable[float | None]) -> float:
    """Of what there is; NaN of nothing."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else float("nan")


def _states(record: Record, metric: str) -> Array:
    scores = record.headline
    if scores is None or record.status != "ok":
        return np.full(len(record.states), np.inf)
    return np.array([np.nan if v is None else v for v in scores.per_state[metric]], dtype=float)


def _mean(record: Record, metric: str) -> float:
    scores = record.headline
    if scores is None or record.status != "ok":
        return float("inf")
    value = scores.mean.get(metric)
    return float("nan") if value is None else value


OF_FOLD = ("data", "strains")
"""Parts of a setting in which the folds of one task may differ."""


def outdated(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records that cannot stand beside newer ones of their task and protocol, by what has changed since."""
    found: dict[str, list[Record]] = {}
    newest: dict[tuple[str, ...], Record] = {}
    for record in sorted(records, key=lambda r: (r.started, r.key), reverse=True):
        cell = record.cell
        latest = newest.setdefault((cell.task, cell.protocol), record)
        changed = [part for part in cell.setting.differences(latest.cell.setting) if part not in OF_FOLD]
        if record.states != latest.states and "states" not in changed:  # as of records that do not know their setting
            changed.append("states")
        if not changed:
            here = newest.setdefault((cell.task, cell.protocol, cell.fold), record)
            changed = [part for part in cell.setting.differences(here.cell.setting) if part in OF_FOLD]
        if changed:
            found.setdefault(f"{cell.task}: {', '.join(changed)}", []).append(record)
    return found


def groups(records: Iterable[Record]) -> list[Group]:
    """Records by task and protocol, and in each by model, parameters and device; ``outdated`` ones are left out.

    Raises ``RequestError`` for an unknown protocol.
    """
    records = list(records)
    old = {record.key for some in outdated(records).values() for record in some}
    ordered = sorted(
        (r for r in records if r.key not in old),
        key=lambda r: (r.cell.task, r.cell.protocol, r.cell.model, r.cell.fold, r.cell.seed),
    )
    by_group: dict[tuple[str, str], list[Record]] = {}
    for record in ordered:
        by_group.setdefault((record.cell.task, record.cell.protocol), []).append(record)
    return [_group(task, protocol, mine) for (task, protocol), mine in by_group.items()]


def _group(task: str, protocol: str, records: Sequence[Record]) -> Group:
    # Of a protocol that leaks, a baseline that copies the leak is perfect: it sets no zero.
    trivial = _best_trivial(records) if protocol_of(protocol).ranked else {}
    variants: dict[Variant, list[Record]] = {}
    for record in records:
        cell = record.cell
        variant = (cell.model, cell.version, cell.code, tuple(cell.parameters.items()), _place(record, records))
        variants.setdefault(variant, []).append(record)
    entries = [
        Entry(
            label=_label(variant, variants),
            model=variant[0],
            version=variant[1],
            parameters=dict(variant[3]),
            place=variant[4],
            role=same[0].role,
            records=tuple(same),
            best_trivial=trivial,
        )
        for variant, same in variants.items()
    ]
    return Group(task, protocol, tuple(records[0].states), tuple(entries), trivial)


def _place(record: Record, among: Iterable[Record]) -> str:
    """``cpu``, or the GPU by name; a cell that failed before it saw one ran on the GPU that the others saw."""
    if record.cell.device == "cpu":
        return "cpu"
    if record.environment is not None and record.environment.gpu:
        return record.environment.gpu
    seen = {other.environment.gpu for other in among if other.environment is not None and other.environment.gpu}
    return seen.pop() if len(seen) == 1 else "unknown GPU"


def _label(variant: Variant, among: Iterable[Variant]) -> str:
    """The model's name and whatever tells this variant from the others of that name."""
    model, version, code, parameters, place = variant
    namesakes = [other for other in among if other[0] == model]
    apart = [version] if len({other[1] for other in namesakes}) > 1 else []
    if len({other[2] for other in namesakes if other[1] == version}) > 1:
        apart.append(f"code {code[:8] or 'unknown'}")
    others = [dict(other[3]) for other in namesakes]
    apart += [f"{k}={v}" for k, v in parameters if any(k not in other or other[k] != v for other in others)]
    if len({other[4] for other in namesakes}) > 1:
        apart.append("CPU" if place == "cpu" else place)
    return f"{model} ({', '.join(apart)})" if apart else model


def _best_trivial(records: Sequence[Record]) -> dict[str, tuple[str, float]]:
    found: dict[str, dict[str, float | None]] = {}
    for record in records:
        if record.role == "trivial" and record.headline is not None:
            found.setdefault(record.cell.fold, {})[record.cell.model] = record.headline.mean["nrmse"]
    best = {fold: best_trivial(values) for fold, values in found.items()}
    return {fold: value for fold, value in best.items() if value is not None}
