"""Numbers that the simulator gave when its strains were pinned: where one changes, the generator needs a new version.

Tolerances leave room for another processor's last digits, and for nothing else.
"""

import numpy as np
import pytest

from omicsbench.kinetics import (
    GENERATOR,
    HELD_OUT,
    SCORED_TIMES,
    Strains,
    VirtualStrains,
    World,
    field,
    intervene,
    measured,
    virtual_strains,
)
from omicsbench.kinetics.rates import FLUXES, fluxes

X = np.array([0.3, 0.04, 0.02, 0.5, 0.2, 0.03, 0.1, 0.08, 0.01, 0.05])
RATES = {
    "uptake": 1.776388774826457,
    "AtoB": 0.19679175087174985,
    "HMGS": 0.10610761672740747,
    "MK": 0.3611609107528064,
    "GPPS": 0.021634952402784517,
    "Limonene Synthase": 0.01482583113559042,
}
DX = [
    0.9534711473484756, 0.08837690653470608, 0.0720576828317103, -0.37151509587028286, 0.0445363553285757,
    0.19489083404585167, 0.03012552263963277, 0.017928447444908714, 0.003500759474023337, 0.0007910970069202507,
]  # fmt: skip
AT_24 = [
    0.5024417296620728, 0.23134956708999466, 0.33197386721586863, 0.3701434501766119, 0.11143416467568205,
    0.05629806661402429, 0.41311210655891356, 0.32714714754879426, 0.0688433701705616, 0.06668559149246923,
]  # fmt: skip
AT_72 = [
    0.31235663040468403, 0.08336583913100615, 0.15539321094687505, 0.36268669345110544, 0.09570346463599404,
    0.04625496163838939, 0.3556663706783986, 0.32528052936788987, 0.06911487779500855, 0.30264746711123813,
]  # fmt: skip
CONTROLS_AT_24 = [
    3.189417150358816, 1.0908872595778034, 0.7652486482936892, 1.5679502670572492, 0.4037818752982509,
    0.7246837643110882, 0.8953674168445422, 1.4917302016222616, 1.9750199503880246, 3.5747120153143515,
    0.6216048788850431,
]  # fmt: skip
MEASURED_AT_0 = [
    0.22943879763581565, 0.008564795060659222, 0.09052289353284423, 0.06297812494092053, 0.09978090857989191, 0.0,
]  # fmt: skip
MEASURED_AT_18 = [
    0.5156232762532951, 0.34484599962030993, 0.2964969354284886, 0.11534121577247637, 0.5810046713410545,
    0.039180008034544224,
]  # fmt: skip
RESPONSE = [
    0.049757490204743314, 0.06320097970980362, 0.07458776695919479, 0.16411034034285052, -0.00129926666942343,
    0.12201734273220241, 0.047096817177355206, 0.0024170447374357164, 0.009415960506601935,
]  # fmt: skip


@pytest.fixture(scope="module")
def strain() -> VirtualStrains:
    return virtual_strains("limonene", 1, HELD_OUT, [0], t=SCORED_TIMES)


def close(found, known) -> None:
    np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-12)


def test_it_is_the_first_version_that_gave_these_numbers():
    assert GENERATOR == 1


def test_rates():
    world = World.draw("limonene", 1)
    v = Strains.draw(HELD_OUT, [0]).inputs(world, [10.0])[0, 0]
    found = dict(zip(FLUXES, fluxes(world, X, v), strict=True))
    close([found[name] for name in RATES], list(RATES.values()))
    close(field(world, X, v), DX)


def test_a_trajectory(strain):
    close(strain.at([24.0, 72.0]).x_full[0], [AT_24, AT_72])
    close(strain.controls([24.0]).u[0, 0], CONTROLS_AT_24)


def test_measured_points_with_their_noise(strain):
    (seen,) = measured(strain)
    close(seen.x[[0, 4]], [MEASURED_AT_0, MEASURED_AT_18])


def test_interventions(strain):
    close(intervene(strain)[0], RESPONSE)
