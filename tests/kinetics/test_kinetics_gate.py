"""The gate: the default worlds pass with the numbers they are known for, a bad one is refused with the reason."""

from dataclasses import replace

import pytest

from omicsbench.data.tasks import find_tasks
from omicsbench.errors import RequestError
from omicsbench.kinetics import DEFAULT_WORLDS, STATES, assess, require


@pytest.mark.parametrize("pathway", ["limonene", "isopentenol"])
def test_default_worlds_pass(pathway):
    gate = require(pathway, DEFAULT_WORLDS[pathway])
    assert gate.passed
    assert gate.reasons == ()
    assert gate.strains == 300
    assert set(gate.spearman) == set(gate.world.proteins)
    assert gate.spearman["AtoB"] == pytest.approx(0.55, abs=0.1)
    assert gate.spearman["HMGS"] == pytest.approx(0.5, abs=0.1)
    assert sum(rho > 0.15 for rho in gate.spearman.values()) >= 5
    assert gate.r2_best == pytest.approx(0.31, abs=0.06)
    assert gate.r2_all == pytest.approx(0.73, abs=0.06)
    assert 5 < gate.fastest < 50
    assert gate.lowest == 0.0  # product at 0 h
    assert set(gate.movement) == set(STATES)


@pytest.mark.parametrize("name", [name for name, task in find_tasks().items() if task.simulated is not None])
def test_the_suites_worlds_pass(name):
    """Nothing asks the gate when pinned strains are loaded: it is asked here."""
    source = find_tasks()[name].simulated
    assert require(source.pathway, source.world, source.stiffness).passed


def test_a_world_that_one_enzyme_decides_is_refused():
    refused = r"isopentenol world 6 is refused: AtoB alone ranks .*\|Spearman\| 0\.\d\d"
    with pytest.raises(RequestError, match=refused) as e:
        require("isopentenol", 6)
    assert "\n" not in str(e.value)


def test_stiff_tier_is_stiff_and_ranks_strains_alike():
    gate = assess("limonene", 1, 1000.0, 60)
    assert 2000 < gate.fastest_median < 8000
    assert gate.fastest > 8000
    mild = assess("limonene", 1, 1.0, 60)
    for protein, rho in gate.spearman.items():
        assert rho == pytest.approx(mild.spearman[protein], abs=0.1)


def test_every_condition_has_its_reason():
    good = assess("limonene", 1, 1.0, 60)
    assert "alone ranks" in replace(good, spearman={**good.spearman, "MK": -0.8}).reasons[0]
    assert "only 1 proteins matter" in replace(good, spearman={"AtoB": 0.5, "MK": 0.1}).reasons[0]
    assert replace(good, movement={**good.movement, "GPP": 0.1}).reasons == (
        "GPP moves by no more than 20% of its mean",
    )
    assert "falls to -0.01" in replace(good, lowest=-0.01).reasons[0]
    assert "below 50 at stiffness 1" in replace(good, fastest=60.0).reasons[0]
    stiff = replace(good, world=replace(good.world, stiffness=1000.0), fastest=900.0)
    assert "too slow" in stiff.reasons[0]
    assert not stiff.passed
