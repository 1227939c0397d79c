"""The field: limits that hold whatever the constants, balances, and the Jacobian against complex steps."""

from dataclasses import replace

import numpy as np
import pytest

from omicsbench.errors import RequestError
from omicsbench.kinetics import ENZYMES, INPUTS, STATES, World, field, jacobian
from omicsbench.kinetics.rates import FLUXES, fluxes

PATHWAYS = ["limonene", "isopentenol"]


def somewhere(n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(0.01, 1.5, (n, len(STATES))), rng.uniform(0.1, 1.0, (n, len(INPUTS)))


def flux(world: World, x: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(FLUXES, fluxes(world, x.T, v.T), strict=True))


@pytest.mark.parametrize("pathway", PATHWAYS)
@pytest.mark.parametrize("stiffness", [1.0, 1000.0])
def test_jacobian_is_the_derivative_of_the_field(pathway, stiffness):
    world = World.draw(pathway, 1, stiffness)
    x, v = somewhere()
    step = 1e-30
    by_complex_step = np.stack(
        [field(world, x + 1j * step * np.eye(len(STATES))[s], v).imag / step for s in range(len(STATES))], axis=-1
    )
    np.testing.assert_allclose(jacobian(world, x, v), by_complex_step, rtol=1e-10, atol=1e-12)


def test_field_takes_any_leading_axes():
    world = World.draw("limonene", 1)
    x, v = somewhere(6)
    flat = field(world, x, v)
    np.testing.assert_array_equal(field(world, x.reshape(2, 3, 10), v.reshape(2, 3, 12)), flat.reshape(2, 3, 10))
    np.testing.assert_array_equal(field(world, x[0], v[0]), flat[0])


@pytest.mark.parametrize("pathway", PATHWAYS)
def test_carbon_is_conserved(pathway):
    """Acetyl units enter by uptake and leave by the TCA cycle, products, the GPP drain, growth, leaks and decay."""
    world = World.draw(pathway, 1)
    x, v = somewhere()
    units = np.array([1, 2, 3, 3, 3, 3, 3, 3, 6, 0])
    f = flux(world, x, v)
    growth = world.r * (1 - v[:, INPUTS.index("OD600")] / world.Kod)
    decaying = [STATES.index(s) for s in ("HMG-CoA", "MevP", "IPP", "DMAPP")]
    lost = (
        growth * (x @ units)
        + world.kdeg * x[:, decaying] @ units[decaying]
        + world.ksec * 3 * x[:, STATES.index("Mev")]
        + 6 * (f["Limonene Synthase"] + f["GPP drain"])
        + 3 * (f["NudB on IPP"] + f["NudB on DMAPP"])
    )
    np.testing.assert_allclose(field(world, x, v) @ units, f["uptake"] - f["TCA"] - lost, rtol=1e-11)


@pytest.mark.parametrize("enzyme", ENZYMES[:9])
def test_no_enzyme_no_flux(enzyme):
    world = World.draw("limonene", 1)
    x, v = somewhere()
    v[:, INPUTS.index(enzyme)] = 0.0
    np.testing.assert_array_equal(flux(world, x, v)[enzyme], 0.0)


def test_without_nudb_native_activity_makes_no_product():
    world = World.draw("isopentenol", 1)
    x, v = somewhere()
    v[:, INPUTS.index("NudB")] = 0.0
    assert np.all(flux(world, x, v)["NudB on IPP"] > 0)
    np.testing.assert_allclose(field(world, x, v)[:, -1], -world.kloss * x[:, -1])


def test_reversible_enzymes_rest_at_equilibrium_and_turn_round_beyond():
    world = World.draw("limonene", 1)
    x, v = somewhere()
    x[:, 1] = world.Keq1 * x[:, 0] ** 2
    x[:, 7] = world.Keq7 * x[:, 6]
    f = flux(world, x, v)
    np.testing.assert_allclose([f["AtoB"], f["Idi"]], 0.0, atol=1e-14)
    x[:, [1, 7]] *= 1.1
    f = flux(world, x, v)
    assert np.all(f["AtoB"] < 0)
    assert np.all(f["Idi"] < 0)


def test_pools_do_not_leave_the_positive_orthant():
    """Where a pool is empty it is not drawn from."""
    for pathway in PATHWAYS:
        world = World.draw(pathway, 1)
        x, v = somewhere()
        for state in range(len(STATES)):
            empty = x.copy()
            empty[:, state] = 0.0
            assert np.all(field(world, empty, v)[:, state] >= 0)


def test_worlds_are_drawn_between_their_bounds_and_shared_by_pathways():
    limonene, isopentenol = World.draw("limonene", 5), World.draw("isopentenol", 5)
    assert replace(limonene, pathway="isopentenol") == isopentenol
    assert limonene == World.draw("limonene", 5)
    assert limonene != World.draw("limonene", 6)
    for name, constant in World.__dataclass_fields__.items():
        if "range" in constant.metadata:
            low, high = constant.metadata["range"]
            assert low <= getattr(limonene, name) <= high


def test_controls_determine_the_inputs():
    for pathway in PATHWAYS:
        world = World.draw(pathway, 1)
        _, v = somewhere()
        kept = world.inputs_of(world.controls_of(v))
        np.testing.assert_array_equal(world.controls_of(kept), world.controls_of(v))
        unused = [i for i, name in enumerate(INPUTS) if name not in world.controls]
        assert np.all(kept[:, unused] == 1.0)
        assert len(world.control_units) == len(world.controls)


def test_bad_worlds_are_refused_in_one_line():
    with pytest.raises(RequestError, match=r"'limonen'.*did you mean 'limonene'"):
        World.draw("limonen", 1)
    with pytest.raises(RequestError, match="stiffness"):
        World.draw("limonene", 1, 0.5)
