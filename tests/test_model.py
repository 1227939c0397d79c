"""The border: what a plugin returns is checked, and a broken promise names model, field and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from omicsbench import Model, Simulation, Status
from omicsbench.errors import ContractError
from omicsbench.model import check_simulation

SHAPE = (2, 3, 4)


class DeviceTensor:
    """Stands for what a framework returns where numpy is wanted."""

    shape = SHAPE
    dtype = np.dtype(np.float64)


def sim(**fields: Any) -> Simulation:
    return Simulation(**({"x": np.zeros(SHAPE), "status": np.zeros(2, dtype=np.int64)} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": np.zeros(2, dtype=np.int8)},
        {"nfe": np.array([3, 4]), "samples": np.zeros((5, *SHAPE))},
        {"x": np.full(SHAPE, np.nan), "status": np.array([1, 1]), "samples": np.full((5, *SHAPE), np.nan)},
    ],
    ids=["least", "small integers", "all", "diverged"],
)
def test_a_kept_promise_passes(fields: dict[str, Any]) -> None:
    given = sim(**fields)
    assert check_simulation(given, "mine", SHAPE) is given


ONE_NAN = np.zeros(SHAPE)
ONE_NAN[1, 2, 3] = np.nan

BROKEN = {
    "nothing": (None, "simulate must return a Simulation, got NoneType"),
    "a tuple": ((1, 2), "simulate must return a Simulation, got tuple"),
    "a list": (sim(x=[[0.0]]), "Simulation.x must be a host numpy array, got builtins.list; move it off the device"),
    "a tensor": (sim(x=DeviceTensor()), "Simulation.x must be a host numpy array, got "),
    "too few times": (sim(x=np.zeros((2, 2, 4))), "Simulation.x must have shape (2, 3, 4), got (2, 2, 4)"),
    "too few axes": (sim(x=np.zeros((3, 4))), "Simulation.x must have shape (2, 3, 4), got (3, 4)"),
    "single precision": (sim(x=np.zeros(SHAPE, dtype=np.float32)), "Simulation.x must be float64, got float32"),
    "NaN": (sim(x=ONE_NAN), "Simulation.x is not finite for strain 1 of the batch, whose status is OK"),
    "infinity": (sim(x=ONE_NAN + np.inf), "Simulation.x is not finite for strain 0"),
    "one status": (sim(status=np.zeros(1, dtype=int)), "Simulation.status must have shape (2,), got (1,)"),
    "no such status": (sim(status=np.array([0, 7])), "Simulation.status must hold values of Status [0, 1]"),
    "status as text": (sim(status=np.array(["OK", "OK"])), "Simulation.status must be integer, got <U2"),
    "status as truth": (sim(status=np.array([True, False])), "Simulation.status must be integer, got bool"),
    "nfe as float": (sim(nfe=np.array([1.0, 2.0])), "Simulation.nfe must be integer, got float64"),
    "nfe of a batch": (sim(nfe=np.array(5)), "Simulation.nfe must have shape (2,), got ()"),
    "one sample": (sim(samples=np.zeros(SHAPE)), "Simulation.samples must have shape (N, 2, 3, 4), got (2, 3, 4)"),
    "NaN samples": (sim(samples=np.full((1, *SHAPE), np.nan)), "Simulation.samples must be finite where status is OK"),
}


@pytest.mark.parametrize(("given", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_promise_is_named(given: object, complaint: str) -> None:
    with pytest.raises(ContractError) as error:
        check_simulation(given, "mine", SHAPE)
    assert str(error.value).startswith("model 'mine': " + complaint)


def test_a_model_without_fit_and_simulate_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Model()  # type: ignore[abstract]


def test_the_names_of_the_package_are_those_it_lists() -> None:
    import omicsbench

    for name in omicsbench.__all__:
        assert getattr(omicsbench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Modle'"):
        omicsbench.Modle  # noqa: B018
    assert Status.OK == 0
