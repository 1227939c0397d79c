"""A model whose field is known is turned into the equations it was made of."""

import json
import subprocess
import sys

import numpy as np
from omicsbench_sindy.distill import DistillWork

from omicsbench import Controls, TaskInfo, Trajectory
from omicsbench.records import Failure
from omicsbench.running.machine import MACHINE
from omicsbench.running.supervisor import WorkerProcess
from omicsbench.split import Inputs

LINEAR = """
import numpy as np
from omicsbench import Model, ModelSpec, Simulation, Status, hookimpl


@hookimpl
def omicsbench_models():
    return [ModelSpec(name="linear", factory="linear_field:Linear", summary="a known field")]


class Linear(Model):
    def __init__(self, *, seed: int, device: str, field_known: bool = True) -> None:
        self.field_known = field_known

    def fit(self, train, task, progress):
        progress(1, 1, 0.0)

    def field(self, x, u):
        return np.stack([-0.3 * x[:, 0], 0.3 * x[:, 0] - 0.1 * x[:, 1]], axis=1) if self.field_known else None

    def simulate(self, x0, t, controls):
        a = x0[:, :1] * np.exp(-0.3 * (t - t[0]))
        b = (x0[:, 1:] + 1.5 * x0[:, :1]) * np.exp(-0.1 * (t - t[0])) - 1.5 * a
        return Simulation(np.stack([a, b], axis=2), np.full(len(x0), Status.OK, dtype=np.int64))
"""


RELAXING = """
import numpy as np
from omicsbench import Model, ModelSpec, Simulation, Status, hookimpl


@hookimpl
def omicsbench_models():
    return [ModelSpec(name="linear", factory="relaxing_field:Relaxing", summary="every state decays")]


class Relaxing(Model):
    def __init__(self, *, seed: int, device: str) -> None:
        pass

    def fit(self, train, task, progress):
        progress(1, 1, 0.0)

    def field(self, x, u):
        return -0.1 * x

    def simulate(self, x0, t, controls):
        x = x0[:, None] * np.exp(-0.1 * (t - t[0]))[None, :, None]
        return Simulation(x, np.full(len(x0), Status.OK, dtype=np.int64))
"""


def work(tmp_path, **parameters) -> DistillWork:
    file = tmp_path / "linear_field.py"
    file.write_text(LINEAR)
    t = np.linspace(0.0, 20.0, 9)
    starts = np.array([[1.0, 0.0], [3.0, 1.0], [2.0, 0.5]])
    controls = Controls(t, np.full((1, t.size, 1), 2.0))
    a = starts[:, :1] * np.exp(-0.3 * t)
    b = (starts[:, 1:] + 1.5 * starts[:, :1]) * np.exp(-0.1 * t) - 1.5 * a
    x = np.stack([a, b], axis=2)
    strains = [Trajectory(f"S{n}", t, x[n], controls) for n in range(3)]
    return DistillWork(
        factory="linear_field:Linear",
        file=file,
        model="linear",
        parameters=parameters,
        seed=3,
        device="cpu",
        info=TaskInfo(("A", "B"), ("mM", "mM"), ("E",), ("counts",), 20.0),
        inputs=Inputs(tuple(strains[:2]), starts[2:], t, controls),
        settings={"clamp": False, "control_transform": "raw"},
    )


def run(job: DistillWork):
    with MACHINE.shared() as share, WorkerProcess("linear", "cpu", 1) as worker:
        return worker.run(job, 120.0, share)


def test_a_linear_field_comes_out_as_its_equations(tmp_path):
    result = run(work(tmp_path))
    coefficients = result.description["coefficients"]
    assert set(coefficients["A"]) == {"[A]"}
    assert set(coefficients["B"]) == {"[A]", "[B]"}
    np.testing.assert_allclose(coefficients["A"]["[A]"], -0.3, rtol=1e-6)
    np.testing.assert_allclose([coefficients["B"]["[A]"], coefficients["B"]["[B]"]], [0.3, -0.1], rtol=1e-6)
    assert min(result.derivative.values()) > 1 - 1e-9
    np.testing.assert_allclose(result.distilled, result.model, atol=1e-5)


def test_a_model_without_a_field_is_refused_by_name(tmp_path):
    result = run(work(tmp_path, field_known=False))
    assert isinstance(result, Failure)
    assert "'linear' has no field" in result.message


def test_the_command_prints_equations_and_errors(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "relaxing_field.py").write_text(RELAXING)
    command = [sys.executable, "-m", "omicsbench", "distill", "--model", "linear", "--task", "limonene-sim"]
    command += ["--fold", "n2-d0", "--plugins-dir", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["equations"]) == 6
    assert report["equations"][0].startswith("d[Acetyl-CoA]/dt = -0.1 [Acetyl-CoA]")
    assert report["nrmse_distilled_to_model"] < 0.05
    assert abs(report["nrmse_distilled_to_truth"] - report["nrmse_model_to_truth"]) < 0.05


def test_an_unknown_parameter_is_one_line(tmp_path):
    command = [sys.executable, "-m", "omicsbench", "distill", "--model", "sindy", "--task", "limonene-sim"]
    command += ["--fold", "n2-d0", "--set", "sindy.degre=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: model 'sindy' has no parameter 'degre'")
