"""Every way in which a model can fail, beside cells that do not: nothing lost, nothing forged, nothing left."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOAK = Path(__file__).parents[1] / "soak" / "soak.py"
TIMEOUT = 4.0


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("omicsbench_soak", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


soak = _load()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A sweep of every fault, with a good cell after each that ends by itself."""
    endless = [fault for fault in soak.FAULTS if fault in soak.ENDLESS]
    drawn = [name for fault in soak.FAULTS if fault not in endless for name in (fault, "none")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICSBENCH_PLUGINS", "")
        yield soak.soak([*drawn, *endless], tmp_path_factory.mktemp("soak"), 2, TIMEOUT)
    sys.modules.pop("chaos", None)


@pytest.mark.parametrize("fault", ["none", *soak.FAULTS])
def test_the_record_of_a_fault_says_what_happened(outcome: Any, fault: str) -> None:
    assert [reason for reason in outcome.wrong if reason.startswith(f"{fault} (")] == []


def test_no_record_is_lost_and_nothing_is_left(outcome: Any) -> None:
    assert (outcome.lost, outcome.processes, outcome.files) == ([], [], [])
    assert outcome.wrong == []
