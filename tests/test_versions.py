"""What a version stands for: the inputs of each protocol, preprocessing and scores of one made-up fold.

Where a value changes, records made before are of something else: raise the version of what changed, then write the
values of the new version with ``python tests/test_versions.py``. Those of earlier versions stay: nothing reads them
but people.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omicsbench import preprocessing
from omicsbench.data.fold import FoldData
from omicsbench.data.protocols import PROTOCOLS
from omicsbench.model import Simulation
from omicsbench.preprocessing import ControlTransform
from omicsbench.scoring import metrics
from omicsbench.scoring.cell import score_simulation
from omicsbench.scoring.metrics import Scored
from omicsbench.split import Split
from omicsbench.trajectory import Controls, Trajectory

GOLDEN = Path(__file__).parent / "golden" / "versions.json"
CLOSE = 1e-9
"""Relative difference that processors may make."""
HORIZON = 24.0


def strain(name: str, k: int) -> Trajectory:
    """Two states and two controls with closed forms; a hole, and controls at other times than states."""
    t = np.array([0.0, 2.0, 5.0, 9.0, 14.0, 24.0])
    x = np.stack([1.0 + k + np.exp(-t / (4.0 + k)), (2.0 + k) * t / (6.0 + t)], axis=1)
    x[3, 0] = np.nan
    knots = np.array([0.0, 3.0, 9.0, 24.0])
    u = np.stack([1.0 + k * knots / 24.0, 3.0 * np.exp(-knots / 20.0) + k], axis=1)
    return Trajectory(name, t, x, Controls(knots, u[None]))


FOLD = FoldData(train=(strain("A", 0), strain("B", 2)), held_out=(strain("C", 1),), sha256="")


def numbers(values: Any) -> list[Any]:
    return np.where(np.isnan(values), None, values).tolist()  # type: ignore[call-overload,no-any-return]


def split_values(split: Split) -> dict[str, Any]:
    given = split.inputs
    found = {"t": given.t, "x0": given.x0, "u": given.controls.at(given.t), "scale": split.scale}
    for one in given.train:
        found |= {f"x of {one.strain}": one.x, f"u of {one.strain}": one.controls.at(given.t)}
    for target in split.targets:
        found |= {f"truth at {target.name}": target.truth, f"times at {target.name}": given.t[target.index]}
    # Every eighth time of a dense series tells whether it is the same.
    return {
        name: numbers(v if v.size < 50 else np.take(v, np.arange(0, 200, 8), axis=-2 if v.ndim > 1 else 0))
        for name, v in found.items()
    }


def preprocessing_values() -> dict[str, Any]:
    one, both = FOLD.train[0], list(FOLD.train)
    series = preprocessing.densified(one, 40, HORIZON, 7, 2)
    found = {"smoothed": series.x, "derivative": series.dx, "filled": preprocessing.filled([series])[0]}
    found["scale"] = preprocessing.state_scale(both)
    found["noise share"] = np.array([preprocessing.noise_share(n) for n in (1, 2, 10)])
    for kind in ("log", "hill", "raw"):
        transform = ControlTransform.fit(both, kind)
        z = transform(one.controls.u[0])
        found |= {f"controls, {kind}": z, f"outside, {kind}": transform.outside(2.0 * z)}
    return {name: numbers(values) for name, values in found.items()}


def scoring_values() -> dict[str, Any]:
    truth = np.stack([one.x for one in FOLD.train])
    wave = np.sin(np.arange(truth.size)).reshape(truth.shape)
    samples = truth[None] + 0.3 * wave[None] * np.array([-1.0, 0.2, 0.5, 2.0])[:, None, None, None]
    found = metrics.score(Scored(truth, truth + 0.1 * wave - 0.4, np.array([0.5, 2.0]), np.nan_to_num(samples)))
    split = PROTOCOLS["measured"].prepare(FOLD, HORIZON)
    x = split.inputs.x0[:, None, :] * (1.0 + 0.1234567 * np.sin(split.inputs.t))[None, :, None]
    scores, prediction = score_simulation(Simulation(x=x, status=np.zeros(1, dtype=np.int64)), split, (True, False))
    stored = {f"as stored, {name}": np.array(v, dtype=float) for name, v in scores["measured"].per_state.items()}
    means = {f"mean {name}": np.array([v], dtype=float) for name, v in scores["measured"].mean.items()}
    return {name: numbers(v) for name, v in (found | stored | means | {"prediction": prediction.x}).items()}


def made() -> dict[str, dict[str, Any]]:
    """Every value, by what it is of and its version."""
    found = {f"protocol {p.name} {p.version}": split_values(p.prepare(FOLD, HORIZON)) for p in PROTOCOLS.values()}
    found[f"preprocessing {preprocessing.VERSION}"] = preprocessing_values()
    found[f"scoring {metrics.VERSION}"] = scoring_values()
    return found


@pytest.mark.parametrize("version", made())
def test_what_a_version_stands_for_has_not_changed(version: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert version in golden, f"{version} is new: write its values with `python {Path(__file__).name}`"
    now = made()[version]
    assert now.keys() == golden[version].keys()
    for name, values in golden[version].items():
        expected, found = (np.array(v, dtype=float) for v in (values, now[name]))
        np.testing.assert_allclose(
            found, expected, rtol=CLOSE, atol=1e-12, err_msg=f"{version}: {name}: raise its version"
        )


if __name__ == "__main__":
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    GOLDEN.write_text(json.dumps(made() | known, indent=1) + "\n")
