"""Integration: accuracy against tight tolerances, and independence of company."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from omicsbench.kinetics import Strains, World, field, jacobian, simulate
from omicsbench.kinetics.integrate import _step, integrate

T = np.linspace(0.0, 36.0, 19)


def reference(world: World, strain: Strains) -> np.ndarray:
    """One strain by an adaptive implicit method at tight tolerance, restarted where an enzyme begins to decline."""

    def dx(t, x):
        return field(world, x, strain.inputs(world, [t])[0, 0])

    def jac(t, x):
        return jacobian(world, x, strain.inputs(world, [t])[0, 0])

    stops = np.unique(np.clip([0.0, *strain.onset[0], T[-1]], 0.0, T[-1]))
    x, at = strain.x0(world)[0], {0.0: strain.x0(world)[0]}
    for start, end in pairwise(stops):
        times = np.append(T[np.searchsorted(T, start, side="right") : np.searchsorted(T, end)], end)
        piece = solve_ivp(dx, (start, end), x, method="Radau", jac=jac, t_eval=times, rtol=1e-9, atol=1e-13)
        at.update(zip(times, piece.y.T, strict=True))
        x = piece.y[:, -1]
    return np.array([at[t] for t in T])


@pytest.mark.parametrize(("pathway", "stiffness", "bound"), [("limonene", 1.0, 2e-5), ("isopentenol", 1000.0, 1e-3)])
def test_accuracy_against_tight_tolerance(pathway, stiffness, bound):
    world, strains = World.draw(pathway, 1, stiffness), Strains.draw(0, range(2))
    x = simulate(world, strains, T)
    truth = np.stack([reference(world, strains[b : b + 1]) for b in range(2)])
    error = np.abs(x - truth) / truth.std(axis=(0, 1))
    assert error.max() < bound
    assert np.sqrt((error**2).mean()) < bound / 10


def test_method_has_order_four():
    """Half the step, about 2^5 times less error in it (the declines of enzymes begin after 12 h: inputs are smooth)."""
    world, strains = World.draw("limonene", 1), Strains.draw(0, range(3))
    x0 = np.ascontiguousarray(simulate(world, strains, np.array([0.0, 9.0]))[:, 1].T)

    def steps(h: float, n: int) -> np.ndarray:
        x = x0
        for i in range(n):
            nodes = 9.0 + h * (i + np.array([0.0, 0.21, 0.386, 0.63, 1.0]))
            x = _step(world, x, np.ascontiguousarray(strains.inputs(world, nodes).transpose(1, 2, 0)), h)
        return x

    errors = [np.abs(steps(h, 1) - steps(h / 64, 64)).max() for h in (0.4, 0.2)]
    assert 20 < errors[0] / errors[1] < 50


def test_a_strain_does_not_depend_on_its_company():
    """More strains than are integrated together; the last of them alone give the same."""
    world, strains = World.draw("limonene", 1), Strains.draw(3, range(503))
    t = np.array([0.0, 1.0, 3.0])
    together = simulate(world, strains, t)
    for rows in (slice(499, 501), slice(502, 503)):
        np.testing.assert_allclose(simulate(world, strains[rows], t), together[rows], rtol=1e-11)


def test_output_times_hardly_matter():
    world, strains = World.draw("limonene", 1), Strains.draw(0, range(3))
    coarse = simulate(world, strains, np.array([0.0, 7.0, 20.0]))
    fine = simulate(world, strains, np.sort(np.append(T[T <= 20.0], [7.0])))
    np.testing.assert_allclose(coarse[:, -1], fine[:, -1], rtol=1e-5)


def test_one_time_is_the_initial_state():
    world, strains = World.draw("limonene", 1), Strains.draw(0, range(3))
    np.testing.assert_array_equal(simulate(world, strains, np.array([0.0]))[:, 0], strains.x0(world))


def test_without_substrate_and_enzymes_pools_only_dilute():
    """No uptake, no enzyme and constant OD: AcAcCoA, which nothing else takes, falls as exp(-growth t)."""
    world = World.draw("limonene", 1)
    v = np.zeros((1, 1, 12))
    v[..., 10] = 1.5
    x0 = np.full((1, 10), 0.2)
    x = integrate(world, x0, T, lambda rows, at: np.repeat(v, at.size, axis=1))
    growth = world.r * (1 - 1.5 / world.Kod)
    np.testing.assert_allclose(x[0, :, 1], 0.2 * np.exp(-growth * T), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(x[0, :, 3], 0.2 * np.exp(-(growth + world.ksec) * T), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(x[0, :, 2], 0.2 * np.exp(-(growth + world.kdeg) * T), rtol=1e-5, atol=1e-12)
