"""Speed records put side by side: tables with ratios to a baseline, and from which batch on the GPU is the faster.

Terminal, Markdown and HTML read the same tables. CPU and GPU rows name their hardware; ratios never cross it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from omicsbench.records.speeds import SpeedRecord, Throughput
from omicsbench.results.formats import number, seconds

Table = tuple[list[str], list[list[str]]]
"""Column heads, and rows of as many cells; the first column is a label."""


@dataclass(frozen=True, eq=False)
class Row:
    """One model with its parameters on one hardware: its measurements, one a round.

    ``variant`` is the model's name with the parameters that tell it from its namesakes; ``label`` has the device
    too, where some model ran on several.
    """

    label: str
    variant: str
    model: str
    hardware: str
    device: str
    records: tuple[SpeedRecord, ...]

    def by_round(self, of: Callable[[SpeedRecord], float | None]) -> dict[int, float]:
        """A number of each round that has one."""
        values = {record.round: of(record) for record in self.records}
        return {key: value for key, value in values.items() if value is not None}

    def median(self, of: Callable[[SpeedRecord], float | None]) -> float:
        """Over rounds; NaN where no round has it."""
        return float(np.median(list(self.by_round(of).values()) or [np.nan]))

    @cached_property
    def batches(self) -> tuple[int, ...]:
        """Numbers of strains that were tried."""
        return tuple(sorted({point.strains for record in self.records for point in record.throughput}))

    def call(self, strains: int) -> float:
        """Median over rounds of the seconds of one call for so many strains; NaN where it was not reached."""
        return self.median(lambda r: next((_median(p) for p in r.throughput if p.strains == strains), None))

    def reason(self, strains: int) -> str:
        """Why so many strains were not reached."""
        points = (p for r in self.records for p in r.throughput if p.strains == strains and p.reason)
        return next((point.reason for point in points), "")


@dataclass(frozen=True, eq=False)
class Board:
    """All that may be compared: one task and fold."""

    task: str
    fold: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """Task, fold, rounds and hardware."""
        rounds = max(len({record.round for record in row.records}) for row in self.rows)
        hardware = "; ".join(dict.fromkeys(row.hardware for row in self.rows))
        return f"{self.task}, {self.fold} held out · {hardware}" + (f" · median of {rounds} rounds" * (rounds > 1))

    @property
    def batches(self) -> list[int]:
        """Numbers of strains that any row tried."""
        return sorted({strains for row in self.rows for strains in row.batches})


def _median(point: Throughput) -> float | None:
    return None if point.seconds is None else point.seconds.median


def latency(record: SpeedRecord) -> float | None:
    """The median seconds for one strain."""
    return None if record.timing is None else record.timing.latency.median


def boards(records: Iterable[SpeedRecord]) -> list[Board]:
    """Records by task and fold, and in each by model, parameters and hardware; the fastest first.

    The same record from two folders counts once.
    """
    groups: dict[tuple[str, str], dict[tuple[object, ...], list[SpeedRecord]]] = {}
    for record in {record.key: record for record in records}.values():
        cell = record.cell
        variants = groups.setdefault((cell.task, cell.fold), {})
        variants.setdefault((*record.subject, cell.device, cell.version, cell.code), []).append(record)
    return [Board(task, fold, tuple(_rows(list(found.values())))) for (task, fold), found in groups.items()]


def _rows(groups: Sequence[Sequence[SpeedRecord]]) -> list[Row]:
    places = {same[0].hardware: same[0].cell.device for same in groups}
    # The device tells hardware apart where there is one of each.
    short = len(set(places.values())) == len(places)
    rows = []
    for same in groups:
        cell, hardware = same[0].cell, same[0].hardware
        namesakes = [group[0].cell for group in groups if group[0].cell.model == cell.model]
        apart = [cell.version] if len({other.version for other in namesakes}) > 1 else []
        if len({other.code for other in namesakes if other.version == cell.version}) > 1:
            apart.append(f"code {cell.code[:8] or 'unknown'}")
        apart += [f"{k}={v}" for k, v in cell.parameters.items() if any(o.parameters.get(k) != v for o in namesakes)]
        variant = f"{cell.model} ({', '.join(apart)})" if apart else cell.model
        label = f"{variant}, {cell.device if short else hardware}" if len(places) > 1 else variant
        rows.append(Row(label, variant, cell.model, hardware, cell.device, tuple(same)))
    return sorted(
        rows, key=lambda row: (row.hardware, float(np.nan_to_num(row.median(latency), nan=np.inf)), row.label)
    )


def ratio(row: Row, baseline: Row, of: Callable[[SpeedRecord], float | None]) -> float:
    """How many times faster than the baseline: the median of the ratios in each round. NaN across hardware."""
    mine, theirs = row.by_round(of), baseline.by_round(of)
    same = [theirs[r] / mine[r] for r in mine if r in theirs and row.hardware == baseline.hardware]
    return float(np.median(same or [np.nan]))


def one_strain(board: Board, baseline: str) -> Table:
    """Seconds of each step up to the answer for one strain, and how many times faster that is than the baseline."""
    against = [row for row in board.rows if row.model == baseline]
    head = ["one strain, 200 points", "load", "fit", "first", "latency", "quartiles"]
    head += [f"× {row.label}" for row in against] + ["field calls", "integration error", "memory"]
    on_device = any(record.peak_device_memory_mb is not None for row in board.rows for record in row.records)
    head += ["GPU memory"] * on_device
    body = []
    for row in board.rows:
        if all(record.timing is None for record in row.records):
            body.append([row.label, row.records[0].status, *[""] * (len(head) - 2)])
            continue
        cells = [row.label, *(seconds(row.median(_timing(name))) for name in ("load", "fit", "first_simulate"))]
        low, high = (seconds(row.median(_quartile(name))) for name in ("lower", "upper"))
        cells += [seconds(row.median(latency)), f"{low} to {high}"]
        cells += [_times(ratio(row, other, latency)) for other in against]
        cells += [number(row.median(lambda r: r.nfe)), _integration(row), _mb(row.median(lambda r: r.peak_memory_mb))]
        cells += [_mb(row.median(lambda r: r.peak_device_memory_mb))] * on_device
        body.append(cells)
    return head, body


def throughput(board: Board) -> Table:
    """Strains a second by batch size."""
    head = ["strains per second", *(f"B = {strains:,}".replace(",", " ") for strains in board.batches)]
    rows = [row for row in board.rows if row.batches]
    return head, [[row.label, *(rate(row, strains) for strains in board.batches)] for row in rows]


def notes(board: Board) -> list[str]:
    """What the tables leave out: failures, points that were not reached, divergence, and where the GPU wins."""
    said = []
    for row in board.rows:
        for record in row.records:
            if record.error is not None:
                said.append(f"{row.label}: {record.status}: {record.error.type}: {record.error.message}")
            elif record.status == "diverged":
                said.append(f"{row.label}: the held-out strain diverged")
        missing = [(strains, row.reason(strains)) for strains in row.batches if np.isnan(row.call(strains))]
        said += [
            f"{row.label}, {strains} strains: {why}" for strains, why in missing if not why.startswith("not tried")
        ]
        lost = {p.strains: p.diverged for r in row.records for p in r.throughput if p.diverged}
        said += [f"{row.label}: {count} of {strains} virtual strains diverged" for strains, count in lost.items()]
    return list(dict.fromkeys(said)) + crossovers(board)


def crossovers(board: Board) -> list[str]:
    """For each model measured on both, the batch from which on the GPU is the faster."""
    said = []
    for slow in (row for row in board.rows if row.device == "cpu"):
        for fast in (row for row in board.rows if row.device == "cuda" and row.variant == slow.variant):
            both = [n for n in board.batches if np.isfinite(slow.call(n)) and np.isfinite(fast.call(n))]
            if not both:
                continue
            wins = [fast.call(n) < slow.call(n) for n in both]
            start = len(wins) - next((k for k, won in enumerate(reversed(wins)) if not won), len(wins))
            where = (
                f"faster from {both[start]} strains on" if start < len(both) else f"not faster up to {both[-1]} strains"
            )
            said.append(f"{slow.variant}: {fast.hardware} is {where} than {slow.hardware}")
    return said


def _timing(name: str) -> Callable[[SpeedRecord], Any]:
    return lambda record: None if record.timing is None else getattr(record.timing, name)


def _quartile(name: str) -> Callable[[SpeedRecord], Any]:
    return lambda record: None if record.timing is None else getattr(record.timing.latency, name)


def _integration(row: Row) -> str:
    found = [record.timing for record in row.records if record.timing is not None]
    errors = [timing.integration_error for timing in found if timing.integration_error is not None]
    return f"{max(errors):.1e}" if errors else found[0].integration_note


def rate(row: Row, strains: int) -> str:
    """Strains a second in a batch, in words where it was not reached."""
    call = row.call(strains)
    if np.isnan(call):
        return "not reached" if strains in row.batches else ""
    return f"{strains / call:,.3g}" if strains / call < 100 else f"{strains / call:,.0f}".replace(",", " ")


def _times(value: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}".replace(",", " ")


def _mb(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0f} MB"
