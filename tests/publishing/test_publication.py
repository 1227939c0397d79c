"""What leaves a record before it is published, and how it is scored all the same."""

import math

import numpy as np
import pytest
from msgspec.structs import replace

from omicsbench.publishing.publication import holds_start, publishable, repeats, restored, without_folders
from omicsbench.records import Failure, Record, as_stored, encode
from omicsbench.scoring.cell import rescore


def one(lab, task: str, protocol: str, model: str) -> Record:
    return next(
        r for r in lab.load() if (r.cell.task, r.cell.protocol, r.cell.model) == (task, protocol, model) and r.scores
    )


def split_of(lab, record: Record):
    return lab.splits(record, record.cell.protocol)


@pytest.mark.parametrize("model", ["persistence", "nearest-strain"])
def test_predictions_that_are_measurements_are_found_and_left_out(lab, model: str) -> None:
    record = one(lab, "closed", "measured", model)
    split = split_of(lab, record)
    assert repeats(record, split) == (model == "nearest-strain")  # of persistence nothing is left without x(0)
    published = publishable(record, lab.known["closed"], split, copies=False)
    assert (published.prediction, published.omitted) == (None, "licence")
    assert published.scores == record.scores


def test_a_model_that_says_it_copies_is_believed(lab) -> None:
    record = one(lab, "closed", "measured", "lab-drift")
    split = split_of(lab, record)
    assert not repeats(record, split)
    assert publishable(record, lab.known["closed"], split, copies=True).prediction is None
    assert publishable(record, lab.known["closed"], split, copies=False).prediction is not None


def test_what_may_be_redistributed_stays(lab) -> None:
    record = one(lab, "open", "measured", "persistence")
    assert publishable(record, lab.known["open"], split_of(lab, record), copies=True) == record


def test_the_measured_start_leaves_a_published_prediction_and_comes_back_for_scoring(lab) -> None:
    record = one(lab, "closed", "published", "lab-drift")
    split = split_of(lab, record)
    (target,) = split.targets
    published = publishable(record, lab.known["closed"], split, copies=False).prediction
    assert holds_start(record.prediction, split)
    assert not holds_start(published, split)
    assert np.isnan(published.x[:, 0]).all()
    start = as_stored(split.inputs.x0, split.scale)[:, None, :]
    np.testing.assert_array_equal(np.isnan(published.x[:, 1:]), (record.prediction.x == start)[:, 1:])
    np.testing.assert_array_equal(restored(published, split).x[:, 1:], record.prediction.x[:, 1:])
    again = rescore(restored(published, split), target, split, lab.known["closed"].counted)
    for name, values in again.per_state.items():
        for old, new in zip(record.scores["interpolated"].per_state[name], values, strict=True):
            assert (old is None and new is None) or math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('File "/home/ann/work/omicsbench/worker.py", line 3', 'File "omicsbench/worker.py", line 3'),
        (
            'File "/opt/v/lib/python3.11/site-packages/torch/nn.py", line 3',
            'File "lib/python3.11/site-packages/torch/nn.py", line 3',
        ),
        ('File "/home/ann/secret/model.py", line 3', 'File "model.py", line 3'),
        ("cannot open /home/ann/x.csv: gone", "cannot open x.csv: gone"),
        ("a ratio of 3/4 and 1 / 2", "a ratio of 3/4 and 1 / 2"),
    ],
)
def test_folders_leave_a_traceback(text: str, wanted: str) -> None:
    assert without_folders(text) == wanted


def test_folders_leave_every_part_of_an_error(lab) -> None:
    record = next(r for r in lab.load() if r.status == "failed")
    secret = "/home/ann/place/file.py"
    record = replace(record, error=Failure(type="E", message=secret, traceback=secret, output=secret))
    published = publishable(record, lab.known[record.cell.task], split_of(lab, record), copies=False)
    assert b"ann" not in encode(published)
