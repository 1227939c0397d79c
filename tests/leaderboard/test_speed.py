"""Speed side by side: ratios within a round and a hardware, what was not reached, where the GPU wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omicsbench.leaderboard.speed import (
    boards,
    crossovers,
    latency_figure,
    notes,
    one_strain,
    ratio,
    throughput,
    write_page,
)
from omicsbench.leaderboard.speed import latency as latency_of
from omicsbench.records import Cell, Environment, Failure, Latency, Timing
from omicsbench.speed_records import SPEED_SCHEMA, SpeedRecord, Throughput, key_of


def steady(seconds: float) -> Latency:
    return Latency(median=seconds, lower=0.9 * seconds, upper=1.1 * seconds, repeats=9)


def record(
    model: str,
    seconds: float,
    calls: dict[int, float | None] | None = None,
    device: str = "cpu",
    round: int = 0,
    parameters: dict[str, Any] | None = None,
    **fields: Any,
) -> SpeedRecord:
    cell = Cell(
        task="toy",
        data_sha256="",
        protocol="measured",
        fold="S2",
        model=model,
        distribution=model,
        version="1",
        parameters=parameters or {},
        seed=0,
        device=device,
        harness="1",
    )
    place = Environment(
        python="3",
        platform="x",
        cpu="Abacus",
        cores=2,
        memory_gb=1.0,
        threads=1,
        packages={},
        gpu="Loom 9" if device == "cuda" else "",
    )
    timing = Timing(
        load=1.0,
        fit=2.0,
        first_simulate=0.5,
        latency=steady(seconds),
        warm=False,
        fit_alone=True,
        integration_error=1e-4,
    )
    base: dict[str, Any] = {"status": "ok", "timing": timing, "environment": place, "nfe": 100.0}
    points = tuple(
        Throughput(strains=n, reason="one call passes the limit of 1 s")
        if call is None
        else Throughput(strains=n, first=call, seconds=steady(call))
        for n, call in (calls or {}).items()
    )
    return SpeedRecord(
        schema=SPEED_SCHEMA,
        key=key_of(cell, 1, round),
        cell=cell,
        threads=1,
        round=round,
        started="2026-01-01T00:00:00+00:00",
        throughput=points,
        **(base | fields),
    )


BASE = [record("base", 1.0, {1: 1.0, 10: None}, parameters={"path": p}) for p in ("old", "new")]
NET = [
    record("net", 0.01, {1: 0.01, 10: 0.02, 100: 0.2}),
    record("net", 0.05, {1: 0.05, 10: 0.05, 100: 0.05}, device="cuda", peak_device_memory_mb=12.0),
]


def test_ratios_are_taken_within_a_round() -> None:
    """The machine was three times slower in the second round: the ratio is not."""
    slow = [record("base", 3.0, round=1), record("net", 0.03, round=1), record("net", 0.02, round=2)]
    (board,) = boards([record("base", 1.0), record("net", 0.01), *slow])
    net, base = board.rows
    assert ratio(net, base, latency_of) == pytest.approx(100.0)
    assert net.median(latency_of) == 0.02
    assert "median of 3 rounds" in board.title


def test_every_variant_of_the_baseline_has_a_column_and_no_ratio_crosses_hardware() -> None:
    (board,) = boards([*BASE, *NET])
    head, rows = one_strain(board, "base")
    by_label = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(by_label) == ["net, cpu", "base (path=new), cpu", "base (path=old), cpu", "net, cuda"]
    assert by_label["net, cpu"]["× base (path=old), cpu"] == "100"
    assert by_label["base (path=new), cpu"]["× base (path=old), cpu"] == "1"
    assert by_label["net, cuda"]["× base (path=old), cpu"] == "–"
    assert (by_label["net, cuda"]["GPU memory"], by_label["net, cpu"]["GPU memory"]) == ("12 MB", "–")
    assert "Abacus, 1 thread" in board.title
    assert "Loom 9" in board.title


def test_what_was_not_reached_is_said_and_never_estimated() -> None:
    (board,) = boards([*BASE, *NET])
    head, rows = throughput(board)
    assert head[1:] == ["B = 1", "B = 10", "B = 100"]
    assert rows[0] == ["net, cpu", "100", "500", "500"]
    assert rows[1] == ["base (path=new), cpu", "1", "not reached", ""]
    assert "base (path=new), cpu, 10 strains: one call passes the limit of 1 s" in notes(board)


def test_the_crossover_is_the_batch_from_which_on_the_gpu_wins() -> None:
    (board,) = boards([*BASE, *NET])
    assert crossovers(board) == ["net: Loom 9 is faster from 100 strains on than Abacus, 1 thread"]
    slow = record("net", 1.0, {1: 1.0, 10: 0.001, 100: 1.0}, device="cuda")
    (board,) = boards([NET[0], slow])
    assert crossovers(board) == ["net: Loom 9 is not faster up to 100 strains than Abacus, 1 thread"]


def test_the_figure_draws_what_was_reached() -> None:
    (board,) = boards([*BASE, *NET])
    found = latency_figure(board)
    assert found is not None
    figure, words = found
    lines = {trace["name"]: trace for trace in figure["data"]}
    assert (lines["base (path=old), cpu"]["x"], lines["base (path=old), cpu"]["y"]) == ([1], [1.0])
    assert lines["net, cuda"]["x"] == [1, 10, 100]
    assert lines["net, cuda"]["line"]["color"] == lines["net, cpu"]["line"]["color"]
    assert lines["net, cuda"]["line"]["dash"] != lines["net, cpu"]["line"]["dash"]
    assert "net, cpu from 10 ms for 1 to 200 ms for 100" in words
    (bare,) = boards([record("net", 1.0)])
    assert latency_figure(bare) is None


def test_a_failed_model_keeps_its_row(tmp_path: Path) -> None:
    broken = record("<net>", 1.0, status="failed", timing=None, error=Failure(type="ValueError", message="no <luck>"))
    records = [BASE[0], broken]
    (board,) = boards(records)
    head, rows = one_strain(board, "base")
    assert all(len(row) == len(head) for row in rows)
    assert rows[-1][:2] == ["<net>", "failed"]
    assert notes(board)[-1] == "<net>: failed: ValueError: no <luck>"
    page = write_page(records, "base", tmp_path / "speed" / "speed.html")
    html = page.read_text(encoding="utf-8")
    assert "<net>" not in html
    assert "no &lt;luck&gt;" in html
    assert (page.parent / "plotly-basic.min.js").stat().st_size > 100_000
