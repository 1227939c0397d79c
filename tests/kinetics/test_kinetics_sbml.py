"""A user's own pathway from SBML."""

from pathlib import Path

import numpy as np
import pytest

from omicsbench.errors import RequestError
from omicsbench.kinetics import MEASURED_TIMES, exact, measured, sbml_strains

pytest.importorskip("roadrunner")

MODEL = Path(__file__).with_name("two_step.xml")
VARY = {"k1": (0.05, 0.5), "Vmax": (0.1, 0.4)}


def test_trajectories_have_their_closed_form():
    strains = sbml_strains(MODEL, VARY, ["S", "P"], range(4), 0, MEASURED_TIMES)
    k1 = strains.levels[:, 0]
    np.testing.assert_allclose(strains.x[..., 0], 2 * np.exp(-k1[:, None] * MEASURED_TIMES), rtol=1e-6, atol=1e-9)
    assert strains.states == ("S", "P")
    assert strains.parameters == ("k1", "Vmax")
    assert np.all(np.diff(strains.x[..., 1], axis=1) >= -1e-9)
    assert np.all((k1 >= 0.05) & (k1 <= 0.5))
    assert len(np.unique(k1)) == 4


def test_strains_differ_in_controls_and_do_not_depend_on_their_company():
    strains = sbml_strains(MODEL, VARY, ["I", "P"], range(4), 0, MEASURED_TIMES)
    alone = sbml_strains(MODEL, VARY, ["I", "P"], [2], 0, MEASURED_TIMES)
    np.testing.assert_allclose(alone.x[0], strains.x[2], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(alone.controls([0.0, 3.0]).u[0], strains.controls([0.0, 3.0]).u[2])
    trajectory = exact(strains, MEASURED_TIMES)[1]
    np.testing.assert_array_equal(trajectory.x, strains.x[1])
    np.testing.assert_array_equal(trajectory.controls.u[0, 4], strains.levels[1])
    noisy = measured(strains)[1].x
    assert np.isfinite(noisy).all()
    np.testing.assert_allclose(noisy[1:], strains.x[1, 1:], rtol=0.3)


@pytest.mark.parametrize(
    ("vary", "observe", "message"),
    [
        ({"vmax": (0.1, 1)}, ["S"], "no parameter 'vmax'.*did you mean 'Vmax'"),
        ({"total": (0.1, 1)}, ["S"], "no parameter 'total'"),
        (VARY, ["Sx"], "no species 'Sx'.*known|no species 'Sx'.*did you mean 'S'"),
        ({"k1": (0.0, 1.0)}, ["S"], "'k1' must vary between two positive bounds"),
        ({"k1": (2.0, 1.0)}, ["S"], "'k1' must vary between two positive bounds"),
        ({}, ["S"], "at least one parameter"),
        (VARY, [], "one species to observe"),
    ],
)
def test_requests_that_cannot_be_met(vary, observe, message):
    with pytest.raises(RequestError, match=message) as e:
        sbml_strains(MODEL, vary, observe, [0], 0, MEASURED_TIMES)
    assert "\n" not in str(e.value)


def test_files_that_are_not_sbml(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        sbml_strains(tmp_path / "none.xml", VARY, ["S"], [0], 0, MEASURED_TIMES)
    (tmp_path / "bad.xml").write_text("not xml")
    with pytest.raises(RequestError, match="cannot be read as SBML") as e:
        sbml_strains(tmp_path / "bad.xml", VARY, ["S"], [0], 0, MEASURED_TIMES)
    assert "\n" not in str(e.value)
