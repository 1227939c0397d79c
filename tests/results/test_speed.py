"""Speed side by side: ratios within a round and a hardware, what was not reached, where the GPU wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from omicsbench.leaderboard.speed_page import latency_figure, markdown, write_page
from omicsbench.records import Failure
from omicsbench.records.speeds import SpeedRecord
from omicsbench.results.speed import boards, crossovers, notes, one_strain, ratio, throughput
from omicsbench.results.speed import latency as latency_of

Make = Callable[..., SpeedRecord]
Records = list[SpeedRecord]


@pytest.fixture
def record(make: SimpleNamespace) -> Make:
    return make.speed


@pytest.fixture
def base(record: Make) -> Records:
    return [record("base", 1.0, {1: 1.0, 10: None}, parameters={"path": p}) for p in ("old", "new")]


@pytest.fixture
def net(record: Make) -> Records:
    return [
        record("net", 0.01, {1: 0.01, 10: 0.02, 100: 0.2}),
        record("net", 0.05, {1: 0.05, 10: 0.05, 100: 0.05}, device="cuda", peak_device_memory_mb=12.0),
    ]


def test_ratios_are_taken_within_a_round(record: Make) -> None:
    """The machine was three times slower in the second round: the ratio is not."""
    later = [record("base", 3.0, round=1), record("net", 0.03, round=1), record("net", 0.02, round=2)]
    (board,) = boards([record("base", 1.0), record("net", 0.01), *later])
    fast, slow = board.rows
    assert ratio(fast, slow, latency_of) == pytest.approx(100.0)
    assert fast.median(latency_of) == 0.02
    assert "median of 3 rounds" in board.title


def test_every_variant_of_the_baseline_has_a_column_and_no_ratio_crosses_hardware(base: Records, net: Records) -> None:
    (board,) = boards([*base, *net])
    head, rows = one_strain(board, "base")
    by_label = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(by_label) == ["net, cpu", "base (path=new), cpu", "base (path=old), cpu", "net, cuda"]
    assert by_label["net, cpu"]["× base (path=old), cpu"] == "100"
    assert by_label["base (path=new), cpu"]["× base (path=old), cpu"] == "1"
    assert by_label["net, cuda"]["× base (path=old), cpu"] == "–"
    assert (by_label["net, cuda"]["GPU memory"], by_label["net, cpu"]["GPU memory"]) == ("12 MB", "–")
    assert "Abacus, 1 thread" in board.title
    assert "Loom 9" in board.title


def test_what_looks_alike_is_told_apart(record: Make) -> None:
    """By version, and by hardware where two have the same device; the same record from two folders counts once."""
    once = record("m", 1.0)
    (board,) = boards([once, once, record("m", 0.5, version="2"), record("m", 2.0, cpu="Calculi")])
    assert [row.label for row in board.rows] == [
        "m (2), Abacus, 1 thread",
        "m (1), Abacus, 1 thread",
        "m (1), Calculi, 1 thread",
    ]
    assert "rounds" not in board.title


def test_what_was_not_reached_is_said_and_never_estimated(base: Records, net: Records) -> None:
    (board,) = boards([*base, *net])
    head, rows = throughput(board)
    assert head[1:] == ["B = 1", "B = 10", "B = 100"]
    assert rows[0] == ["net, cpu", "100", "500", "500"]
    assert rows[1] == ["base (path=new), cpu", "1", "not reached", ""]
    assert "base (path=new), cpu, 10 strains: one call passes the limit of 1 s" in notes(board)


def test_the_crossover_is_the_batch_from_which_on_the_gpu_wins(record: Make, base: Records, net: Records) -> None:
    (board,) = boards([*base, *net])
    assert crossovers(board) == ["net: Loom 9 is faster from 100 strains on than Abacus, 1 thread"]
    slow = record("net", 1.0, {1: 1.0, 10: 0.001, 100: 1.0}, device="cuda")
    (board,) = boards([net[0], slow])
    assert crossovers(board) == ["net: Loom 9 is not faster up to 100 strains than Abacus, 1 thread"]


def test_the_figure_draws_what_was_reached(record: Make, base: Records, net: Records) -> None:
    (board,) = boards([*base, *net])
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


def test_a_failed_model_keeps_its_row(record: Make, base: Records, tmp_path: Path) -> None:
    broken = record("<net>", 1.0, status="failed", timing=None, error=Failure(type="ValueError", message="no <luck>"))
    records = [base[0], broken]
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


def test_markdown_has_the_same_rows(base: Records, net: Records) -> None:
    text = markdown([*base, *net], "base")
    assert text.startswith("## toy, S2 held out · Abacus, 1 thread; Loom 9\n")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| net, ")]
    assert [(row[0], row[4]) for row in rows[:2]] == [("net, cpu", "10 ms"), ("net, cuda", "50 ms")]
    assert rows[2] == ["net, cpu", "100", "500", "500"]
    assert "- net: Loom 9 is faster from 100 strains on than Abacus, 1 thread\n" in text
