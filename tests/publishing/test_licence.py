"""The measured series may not be redistributed: nothing committed holds them."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from omicsbench.data.measured import locate, read_series
from omicsbench.data.tasks import find_tasks

ROOT = Path(__file__).parents[2]
TEXT = {".json", ".jsonl", ".html", ".md", ".csv", ".toml", ".py", ".txt", ".js", ".ipynb", ".xml", ".svg"}
RUN = 3
"""So many values of one series beside each other, in their order, are no chance."""
DIGITS = 4
"""Values with fewer significant digits are found in any text."""
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[+-]?\d+)?", re.IGNORECASE)


def committed() -> list[Path]:
    try:
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if Path(name).suffix in TEXT and (ROOT / name).is_file()]


def digits(value: float) -> int:
    """How many significant digits a value was written with."""
    return len(f"{value:.12g}".strip("-0.").replace(".", ""))


def series_of(data: Path) -> dict[str, list[float]]:
    """Every measured series of both tasks: states and controls of each strain, by name."""
    found = {}
    for task in find_tasks().values():
        if task.source is None:
            continue
        for strain, trajectory in read_series(task, locate(task, data)).items():
            columns = [*zip(task.states, trajectory.x.T, strict=True)]
            columns += [*zip(task.controls, trajectory.controls.u[0].T, strict=True)]
            for quantity, values in columns:
                telling = [
                    v for v in values[~np.isnan(values)] if len(f"{v:.12g}".strip("-0.").replace(".", "")) >= DIGITS
                ]
                found[f"{task.name} {strain} {quantity.name}"] = [float(f"{v:.5g}") for v in telling]
    return found


def held(numbers: list[float], series: list[float]) -> bool:
    """Whether RUN neighbours of ``series`` stand in ``numbers`` one after the other, or at one stride."""
    places: dict[float, list[int]] = {}
    for at, number in enumerate(numbers):
        places.setdefault(number, []).append(at)
    for start in range(len(series) - RUN + 1):
        wanted = series[start : start + RUN]
        if len(set(wanted)) < RUN or any(value not in places for value in wanted):
            continue
        third = set(places[wanted[2]])
        if any(2 * b - a in third for a in places[wanted[0]] for b in places[wanted[1]] if b > a):
            return True
    return False


def numbers_of(text: str) -> list[float]:
    return [float(f"{float(found):.5g}") for found in NUMBER.findall(text)]


def test_no_committed_file_holds_a_measured_series(measured_data: Path) -> None:
    series = series_of(measured_data)
    assert len(series) > 50
    known = {value for values in series.values() for value in values}
    guilty = []
    for path in committed():
        numbers = numbers_of(path.read_text(encoding="utf-8", errors="replace"))
        if len(known.intersection(numbers)) >= RUN:
            guilty += [f"{path.relative_to(ROOT)}: {name}" for name, values in series.items() if held(numbers, values)]
    assert guilty == []


def test_a_series_would_be_found(measured_data: Path) -> None:
    name, values = next((n, v) for n, v in series_of(measured_data).items() if len(v) >= 6)
    rows = "\n".join(f"{hour},{value},1.5,{2 * value:.6g}" for hour, value in enumerate(values))
    assert held(numbers_of(rows), values), name
    assert held(numbers_of(str(values)), values), name
    assert not held(numbers_of(str([v * 1.01 for v in values])), values), name
