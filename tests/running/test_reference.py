"""Integration error: a model's trajectory against its own field, and why there may be none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omicsbench import Controls, Model, Progress, Simulation, TaskInfo, Trajectory
from omicsbench.running.reference import NoReference, integration_error, reference
from omicsbench.trajectory import Array

T = np.linspace(0.0, 10.0, 21)
CONSTANT = Controls([0.0], [[[1.0]]])
RAMPS = Controls([0.0, 2.5, 3.0, 10.0], [[[0.0], [5.0], [0.0], [2.0]]])


class Field(Model):
    """A model that is nothing but its field."""

    def __init__(self, field: Callable[[Array, Array], Array | None]) -> None:
        self._field = field

    def field(self, x: Array, u: Array) -> Array | None:
        return self._field(x, u)

    def fit(self, train: Sequence[Trajectory], task: TaskInfo, progress: Progress) -> None:
        raise AssertionError("a reference needs no fit")

    def simulate(self, x0: Array, t: Array, controls: Controls) -> Simulation:
        raise AssertionError("a reference needs no simulation")


def test_decay_and_rotation_against_closed_forms() -> None:
    x0 = np.array([3.0, 1.0, 0.0])
    field = Field(lambda x, u: np.stack([-0.7 * x[:, 0], -4 * x[:, 2], 4 * x[:, 1]], axis=1))
    exact = np.stack([3 * np.exp(-0.7 * T), np.cos(4 * T), np.sin(4 * T)], axis=1)
    np.testing.assert_allclose(reference(field, x0, T, CONSTANT), exact, rtol=0, atol=1e-6)


def test_controls_with_kinks_are_integrated_exactly() -> None:
    """dx/dt = u(t): x is the area under the broken line."""
    found = reference(Field(lambda x, u: u), np.zeros(1), T, RAMPS)
    fine = np.linspace(0, 10, 20001)
    u = RAMPS.at(fine)[0, :, 0]
    area = np.concatenate([[0.0], np.cumsum((u[1:] + u[:-1]) / 2 * np.diff(fine))])
    np.testing.assert_allclose(found[:, 0], np.interp(T, fine, area), rtol=0, atol=1e-6)


def test_times_before_the_first_and_after_the_last_control() -> None:
    late = Controls([4.0, 5.0], [[[1.0], [3.0]]])
    found = reference(Field(lambda x, u: u), np.zeros(1), T, late)
    assert found[-1, 0] == pytest.approx(4.0 + 2.0 + 3.0 * 5.0)


def test_a_single_time_is_the_start() -> None:
    np.testing.assert_array_equal(reference(Field(lambda x, u: x), np.ones(2), T[:1], CONSTANT), [[1.0, 1.0]])


@pytest.mark.parametrize(
    ("field", "budget", "why"),
    [
        (lambda x, u: None, 10.0, "the model has no field of its own"),
        (lambda x, u: x**2, 10.0, "the field is not finite along the trajectory|the solver gave up"),
        (lambda x, u: np.full_like(x, np.nan), 10.0, "the field is not finite along the trajectory"),
        (lambda x, u: np.sin(1e7 * x), 0.2, "not reached in 0.2 s"),
    ],
    ids=["none", "blows up", "NaN", "jumps"],
)
def test_why_there_is_no_reference(field: Callable[..., Array | None], budget: float, why: str) -> None:
    with pytest.raises(NoReference, match=why), np.errstate(all="ignore"):
        reference(Field(field), np.ones(1), T, CONSTANT, budget)


def test_the_error_is_relative_to_the_largest_value_of_the_worst_state() -> None:
    against = np.array([[0.0, 1.0], [100.0, 2.0]])
    assert integration_error(against, against) == 0.0
    assert integration_error(np.array([[0.0, 1.0], [101.0, 2.0]]), against) == pytest.approx(0.01)
    assert integration_error(np.array([[0.0, 0.5], [101.0, 2.0]]), against) == pytest.approx(0.25)


PLUGIN = '''
class Integrated(Model):
    """dx/dt = -x, integrated exactly or by Euler steps of 1/steps hours; some have no such field."""

    def __init__(self, *, seed: int, device: str, steps: int = 0, kind: Literal["decay", "none", "wild"] = "decay"):
        self.steps, self.kind = steps, kind

    def fit(self, train, task, progress):
        pass

    def field(self, x, u):
        return {"decay": -x, "none": None, "wild": x**2 + 1}[self.kind]

    def simulate(self, x0, t, controls):
        share = np.exp(-t) if not self.steps else (1 - 1 / self.steps) ** (t * self.steps)
        x = x0[:, None] * share[None, :, None]
        return Simulation(x, np.zeros(len(x0), dtype=np.int64))


@hookimpl
def omicsbench_models():
    return [ModelSpec("integrated", "integrating:Integrated")]
'''


def test_the_error_stands_in_the_record(
    bench: Any, make_task: Callable[..., Path], make_plugin: Callable[[str, str], Path]
) -> None:
    toy, folder = make_task(), make_plugin("integrating", PLUGIN)

    variants: list[dict[str, Any]] = [{}, {"steps": 100}, {"kind": "none"}, {"kind": "wild"}]
    cells = [
        cell
        for given in variants
        for cell in bench.plan(toy, ["integrated"], folder, folds=["S1"], given={"integrated": given})
    ]
    exact, euler, none, wild = (record.timing for record in bench.run(cells))
    assert exact.integration_error < 1e-6
    assert exact.integration_note == ""
    # Euler's step of h loses x(0) h / (2 e) at the worst time, 1 h.
    assert euler.integration_error == pytest.approx(0.01 / (2 * np.e), rel=0.05)
    assert none.integration_error is wild.integration_error is None
    assert none.integration_note == "the model has no field of its own"
    assert wild.integration_note in ("the field is not finite along the trajectory", "the solver gave up")
