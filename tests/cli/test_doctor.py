"""``omicsbench doctor``: what is broken is named, with the reason, and the exit code says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_healthy_installation(cli: Callable[..., Any]) -> None:
    ran = cli("doctor", "--json")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert report["problems"] == []
    assert not any(model["broken"] for model in report["models"].values())
    assert "omicsbench data fetch limonene" in report["data"]["limonene"]
    assert report["devices"]["cores"] >= 1


def test_a_broken_plugin_and_a_factory_that_leads_nowhere(
    cli: Callable[..., Any], make_plugin: Callable[[str, str], Path]
) -> None:
    broken = make_plugin("doctor_broken", "raise RuntimeError('no such luck')\n")
    lost = make_plugin(
        "doctor_lost",
        "@hookimpl\ndef omicsbench_models():\n    return [ModelSpec(name='lost', factory='nowhere.model:Lost')]\n",
    )
    ran = cli("doctor", "--plugins-dir", broken, "--plugins-dir", lost)
    assert ran.code == 1
    assert "plugin doctor_broken: BROKEN:" in ran.out
    assert "no such luck" in ran.out
    assert "lost" in ran.out
    assert "'nowhere.model'" in ran.out
    assert "persistence" in ran.out


def test_an_altered_data_file_is_told_from_a_missing_one(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "limonene_data.csv").write_text("Strain,Hour\n")
    data = json.loads(cli("doctor", "--json", OMICSBENCH_DATA=tmp_path).out)["data"]
    assert "sha256" in data["limonene"]
    assert "not here" in data["isopentenol"]
