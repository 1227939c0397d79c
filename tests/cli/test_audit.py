"""``omicsbench audit`` of measured data: what it finds that was put in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_missing_values_and_ranges_are_counted(cli: Callable[..., Any], make_task: Callable[..., Path]) -> None:
    found = json.loads(cli("audit", "audited", "--tasks-dir", make_task("audited"), "--json").out)
    measured = {(row["strain"], row["series"]): row["values"] for row in found["measured"]}
    assert [measured["S1", name] for name in ("A", "P", "E1")] == [4, 3, 3]
    assert measured["S2", "A"] == 3
    assert found["times"] == {"S1": 4, "S2": 4, "S3": 3}
    assert found["duplicates"] == []
    # E1 peaks at 300, 500 and 900: S2 lies between the others, S1 below both.
    assert found["out_of_range"]["S2"]["E1"] == pytest.approx(1.0)
    assert found["out_of_range"]["S1"]["E1"] == pytest.approx(500 / 300)


def test_a_duplicated_series_is_named_with_its_strains(cli: Callable[..., Any], make_task: Callable[..., Path]) -> None:
    csv = "Strain,Hour,E1,Enzyme two,A,P\n" + "".join(
        f"{strain},{hour},{100 * n + hour},{50 + n},{1 + n * hour},{0.1 * hour}\n"
        for n, strain in enumerate(("S1", "S2", "S3"))
        for hour in (0, 8, 16, 24)
    )
    folder = make_task("copied", csv=csv)
    ran = cli("audit", "copied", "--tasks-dir", folder)
    assert ran.code == 0, ran.err
    assert "P: S1 = S2 at every time (used by the task)" in ran.out
    assert "A: S" not in ran.out


def test_a_fold_passes_the_leak_test_and_the_leaky_protocol_fails_it_as_it_must(
    cli: Callable[..., Any], make_task: Callable[..., Path]
) -> None:
    found = json.loads(cli("audit", "leaktest", "--tasks-dir", make_task("leaktest"), "--json").out)
    leaks = {(test["fold"], test["protocol"]): test["leaks"] for test in found["leak_tests"]}
    for fold in ("S1", "S2"):
        assert not leaks[fold, "measured"]
        assert not leaks[fold, "published"]
        assert leaks[fold, "published-leaky"]
    assert found["passed"]


def test_the_known_faults_of_the_measured_data_are_found(cli: Callable[..., Any], measured_data: Path) -> None:
    limonene = json.loads(cli("audit", "limonene", "--data-dir", measured_data, "--json").out)
    assert limonene["duplicates"] == [{"series": "GPP", "strains": ["L1", "L2"]}]
    factors = limonene["out_of_range"]["L2"]
    assert [int(factors[name]) for name in ("HMGS", "HMGR", "AtoB")] == [21, 17, 10]
    isopentenol = json.loads(cli("audit", "isopentenol", "--data-dir", measured_data, "--json").out)
    assert isopentenol["duplicates"] == [{"series": "Mev-P", "strains": ["I2", "I3"]}]
