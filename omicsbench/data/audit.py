"""What is wrong with a task's data, and whether its splits leak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from omicsbench.data.fold import out_of_range, poison
from omicsbench.data.measured import fold_data, locate, read_table
from omicsbench.data.protocols import PROTOCOLS, prepare
from omicsbench.data.splits import split_of
from omicsbench.data.tasks import Fold, Task


@dataclass(frozen=True)
class LeakTest:
    """Whether a fold's inputs change when every held-out value but x(0) and u(t) is replaced."""

    fold: str
    protocol: str
    leaks: bool
    expected: bool


@dataclass(frozen=True)
class Audit:
    """``measured``: (strain, series) to number of values; ``times``: strain to number of times;
    ``duplicates``: (series, strain, strain) that agree at every time; ``out_of_range``: fold to factor by control.
    """

    task: str
    times: dict[str, int]
    measured: dict[tuple[str, str], int]
    duplicates: list[tuple[str, str, str]] = field(default_factory=list)
    out_of_range: dict[str, dict[str, float]] = field(default_factory=dict)
    leak_tests: list[LeakTest] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every leak test ended as it must. Faults of the data are reported, not judged."""
        return all(test.leaks == test.expected for test in self.leak_tests)


def audit(task: Task, data_dir: Path | None = None) -> Audit:
    """Audit a measured task. Raises ``DataError`` where its data cannot be had."""
    factors = {fold.name: out_of_range(fold_data(task, fold, data_dir)).tolist() for fold in task.folds}
    table = _numbers(task, locate(task, data_dir))
    names = [quantity.name for quantity in (*task.states, *task.controls)]
    columns = {quantity.name: quantity.column or quantity.name for quantity in (*task.states, *task.controls)}
    return Audit(
        task=task.name,
        times={strain: len(rows) for strain, rows in table.items()},
        measured={
            (strain, name): sum(not np.isnan(row[columns[name]]) for row in rows.values())
            for strain, rows in table.items()
            for name in names
        },
        duplicates=list(_duplicates(table)),
        out_of_range={fold: dict(zip(task.info.controls, row, strict=True)) for fold, row in factors.items()},
        leak_tests=[leak_test(task, fold, protocol, data_dir) for fold in task.folds for protocol in PROTOCOLS],
    )


def leak_test(task: Task, fold: Fold, protocol: str, data_dir: Path | None = None) -> LeakTest:
    """Poison the held-out strain and look whether anything that a model is given changes.

    A protocol that is never ranked leaks by design; there the test must find the leak, or it has no power.
    """
    clean = split_of(task, fold, protocol, data_dir)
    spoiled = prepare(task, protocol, poison(fold_data(task, fold, data_dir)))
    leaks = clean.inputs.sha256 != spoiled.inputs.sha256
    return LeakTest(fold.name, protocol, leaks, expected=not PROTOCOLS[protocol].ranked)


def _numbers(task: Task, path: Path) -> dict[str, dict[float, dict[str, float]]]:
    """Every numeric column of the file, whether the task uses it or not: faults come in the others too."""
    assert task.source is not None
    table: dict[str, dict[float, dict[str, float]]] = {}
    for _, row in read_table(path)[1]:
        strain, hour = row.pop(task.source.strain_column).strip(), float(row.pop(task.source.time_column))
        table.setdefault(strain, {})[hour] = {name: _number(text) for name, text in row.items()}
    return table


def _number(text: str) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _duplicates(table: dict[str, dict[float, dict[str, float]]]) -> Iterator[tuple[str, str, str]]:
    """Series of two strains with the same values at the same three or more times, zeros and blanks apart."""
    columns = next(iter(next(iter(table.values())).values()))
    for column in columns:
        series = {
            strain: {hour: row[column] for hour, row in rows.items() if not np.isnan(row[column])}
            for strain, rows in table.items()
        }
        for one, other in combinations(series, 2):
            telling = {hour: value for hour, value in series[one].items() if value != 0}
            if len(telling) >= 3 and series[one] == series[other]:
                yield column, one, other
