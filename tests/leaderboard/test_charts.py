"""Plots of scores."""

from types import SimpleNamespace

import pytest

from omicsbench.leaderboard.charts import error_latency, learning, spread
from omicsbench.results.summary import groups

ERRORS = {2: (0.9, 0.8, 1.0), 10: (0.3, 0.2, 0.4)}


@pytest.fixture
def group(make: SimpleNamespace):
    records = []
    for size, errors in ERRORS.items():
        for draw, error in enumerate(errors):
            fold = f"n{size}-d{draw}"
            records.append(make.record("m", fold, 0, error, training_strains=size))
            records.append(make.record("bad", fold, 0, None if draw else 5.0, training_strains=size))
            records.append(make.record("persistence", fold, 0, 1.0, role="trivial", training_strains=size))
    (found,) = groups(records)
    return found


def test_a_learning_curve_is_the_median_over_draws(group) -> None:
    figure, alt = learning(group)
    traces = {trace["name"]: trace for trace in figure["data"]}
    assert traces["m"]["x"] == [2, 10]
    assert traces["m"]["y"] == [0.9, 0.3]
    assert traces["persistence"]["y"] == [1.0, 1.0]
    assert "m from 0.9 at 2 to 0.3 at 10 strains" in alt


def test_where_most_cells_failed_there_is_no_point(group) -> None:
    figure, _ = learning(group)
    assert "bad" not in {trace["name"] for trace in figure["data"]}


def test_one_size_has_no_learning_curve(make: SimpleNamespace) -> None:
    (found,) = groups(make.trivial(("A", "B")))
    assert learning(found) is None


def test_error_against_latency_has_a_marker_for_each_hardware(make: SimpleNamespace) -> None:
    records = [*make.trivial(("A",)), make.record("m", "A", 0, 0.5), make.record("m", "A", 0, 0.4, gpu="GPU X")]
    (found,) = groups(records)
    figure, _ = error_latency(found)
    marks = {(trace["name"], trace["text"][0]): (trace["x"], trace["y"]) for trace in figure["data"]}
    assert marks[("m (CPU)", "CPU A, 1 thread")] == ([0.01], [0.5])
    assert marks[("m (GPU X)", "GPU X")] == ([0.01], [0.4])


def test_every_cell_is_in_the_spread(group) -> None:
    figure, _ = spread(group)
    (trace,) = [trace for trace in figure["data"] if trace["name"] == "m"]
    assert sorted(trace["x"]) == sorted(error for errors in ERRORS.values() for error in errors)
    assert "fold n2-d0, seed 0" in trace["text"]
    (bad,) = [trace for trace in figure["data"] if trace["name"] == "bad"]
    assert bad["x"] == [5.0, 5.0]
