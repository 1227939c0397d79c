"""``submit`` and ``verify``: other people's records as data, and records run again."""

import json
import re
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from omicsbench.cli.submit import command as submit
from omicsbench.cli.verify import command as verify
from omicsbench.errors import RequestError
from omicsbench.records import find
from omicsbench.records.store import read_cells, write_cells
from omicsbench.speed_records import SpeedRecord, Throughput, read_all_speeds
from omicsbench.speed_records import save as save_speed


@pytest.fixture
def results(lab, tmp_path: Path) -> Path:
    """Records of two baselines on the closed task."""
    for path in (lab.records / "closed" / "measured").rglob("*.json"):
        if path.name.startswith(("persistence", "mean-strain")):
            (tmp_path / "results" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tmp_path / "results" / path.parent.name / path.name)
    return tmp_path / "results"


def test_sound_records_are_delivered_without_measured_values(lab, call, results: Path, tmp_path: Path) -> None:
    result = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert result.code == 0, result.text
    assert "4 records to publish, 0 are there already, 0 refused" in result.text
    delivered = read_cells(tmp_path / "records")
    assert {r.cell.model for r in delivered} == {"persistence", "mean-strain"}
    assert all(r.prediction is None and r.omitted == "licence" for r in delivered)
    before = tree(tmp_path / "records")
    assert len(before) == 2  # one file a model
    again = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert "0 records to publish, 4 are there already" in again.text
    assert tree(tmp_path / "records") == before


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_made_anew_is_added_and_replaces_only_when_asked(lab, call, results: Path, tmp_path: Path) -> None:
    """Somebody else's file goes only when each of its cells has been run again, and only with --replace."""
    store = tmp_path / "records"
    old = [r for r in lab.load() if (r.cell.task, r.cell.protocol) == ("closed", "measured")]
    old = [replace(r, cell=replace(r.cell, code="beef"), prediction=None, omitted="licence") for r in old]
    write_cells([replace(r, key=r.cell.key) for r in old], store)
    before = tree(store)
    one = next(path for path in find(results) if "persistence" in path.name)
    kept = one.read_bytes()
    one.unlink()
    partly = call(submit, results, "--to", store, "--replace", *lab.options)
    assert partly.code == 0, partly.text
    gone = set(before) - set(tree(store))
    assert {name.rsplit("-", 1)[0] for name in gone} == {"closed/measured/mean-strain"}
    assert {name: tree(store)[name] for name in before if name not in gone} == {
        name: content for name, content in before.items() if name not in gone
    }

    one.write_bytes(kept)
    asked = call(submit, results, "--to", store, *lab.options)
    assert "every record in it is made anew; --replace removes it" in asked.text
    assert set(before) - set(tree(store)) == gone
    assert "1 records to publish, 3 are there already" in asked.text
    done = call(submit, results, "--to", store, "--replace", *lab.options)
    assert "every record in it is made anew, removed" in done.text
    assert {name.rsplit("-", 1)[0] for name in set(before) - set(tree(store))} == {
        "closed/measured/mean-strain",
        "closed/measured/persistence",
    }


def test_a_dry_run_writes_nothing(lab, call, results: Path, tmp_path: Path) -> None:
    result = call(submit, results, "--to", tmp_path / "records", "--dry-run", *lab.options)
    assert result.code == 0
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"git_dirty":false', '"git_dirty":true', "dirty commit"),
        ('"fit":', '"fit":1e30,"fit_":', "fit"),
        ('"peak_memory_mb"', '"peek"', "peek"),
        ('"schema": 2', '"schema": 3', "schema .3"),
    ],
)
def test_what_is_not_sound_is_refused_and_named(
    lab, call, results: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = next(find(results))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    result = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert result.code == 1
    assert re.search(rf"refused: .*{path.name}.*({complaint})", result.text), result.text
    assert len(read_cells(tmp_path / "records")) == 3


def test_numbers_beyond_all_measure_are_refused(lab, call, results: Path, tmp_path: Path) -> None:
    path = next(find(results))
    path.write_text(re.sub(r'"nfe": [\w.]+', '"nfe": 1e200', path.read_text(), count=1))
    result = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert "holds a number beyond 1e+15" in result.text


def test_the_same_cell_twice_is_refused(lab, call, results: Path, tmp_path: Path) -> None:
    path = next(find(results))
    shutil.copyfile(path, path.with_name("again.json"))
    result = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert "the same cell as" in result.text


def test_a_huge_file_is_not_read(lab, call, results: Path, tmp_path: Path) -> None:
    with (results / "huge.json").open("wb") as stream:
        stream.truncate(200_000_001)
    result = call(submit, results, "--to", tmp_path / "records", *lab.options)
    assert "huge.json: 200 MB, more than the 200 MB" in result.text


def measured(make, lab, seconds: float, **more) -> SpeedRecord:
    given = {"task": next(iter(lab.known)), "distribution": "omicsbench", "role": "trivial"} | more
    return make.speed(given.pop("model", "persistence"), seconds, {1: min(seconds, 1e6)}, **given)


def test_speed_records_are_delivered_and_a_later_time_replaces_an_earlier(lab, call, make, tmp_path: Path) -> None:
    """All rounds and versions of the same model on the same hardware; what others measured elsewhere stays."""

    def deliver(*records) -> list[tuple[str, float, int]]:
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        for record in records:
            save_speed(record, tmp_path / "results")
        result = call(submit, tmp_path / "results", "--to", tmp_path / "records", "--replace", *lab.options)
        assert result.code == 0, result.text
        assert f"{len(records)} speed records to publish" in result.text
        there = read_all_speeds(tmp_path / "records")
        return sorted((r.hardware, r.timing.latency.median, r.round) for r in there)

    assert len(deliver(measured(make, lab, 1.0), measured(make, lab, 1.1, round=1))) == 2
    assert len(deliver(measured(make, lab, 9.0, cpu="Calculi"))) == 3
    again = deliver(measured(make, lab, 2.0, version="2"))
    assert again == [("Abacus, 1 thread", 2.0, 0), ("Calculi, 1 thread", 9.0, 0)]


def test_a_speed_record_is_published_without_folders(lab, call, make, tmp_path: Path) -> None:
    record = measured(make, lab, 1.0)
    point = Throughput(strains=10, reason="OSError: /home/someone/secret/model.py is gone")
    save_speed(replace(record, throughput=(*record.throughput, point)), tmp_path / "results")
    assert call(submit, tmp_path / "results", "--to", tmp_path / "records", *lab.options).code == 0
    (published,) = read_all_speeds(tmp_path / "records")
    assert published.throughput[1].reason == "OSError: model.py is gone"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"model": "nobody"}, "unknown model 'nobody'"),
        ({"task": "nowhere"}, "unknown task 'nowhere'"),
        ({"dirty": True}, "comes from a dirty commit"),
        ({"seconds": 1e200}, "Expected `float` <= 1000000000.0"),
        ({"seconds": 1e8}, "holds a time that no clock gives"),
        ({"seconds": 1e-15}, "holds a time that no clock gives"),
        ({"nfe": 1e200}, "holds a number beyond 1e\\+15"),
        ({"role": "oracle"}, "says that persistence is an oracle; its plugin says a trivial baseline"),
        ({"device": "cuda"}, "says it ran on cuda; persistence runs on cpu"),
        ({"timing": None}, "must hold either times or an error"),
    ],
)
def test_unsound_speed_records_are_refused(lab, call, make, tmp_path: Path, fields: dict, complaint: str) -> None:
    save_speed(measured(make, lab, **({"seconds": 1.0} | fields)), tmp_path / "results")
    result = call(submit, tmp_path / "results", "--to", tmp_path / "records", *lab.options)
    assert result.code == 1
    assert re.search(rf"refused: .*bench/.*{complaint}", result.text), result.text
    assert not (tmp_path / "records").exists()


def test_unknown_models_and_tasks_are_refused(lab, call, tmp_path: Path) -> None:
    result = call(submit, lab.records, "--to", tmp_path / "records", *lab.options[2:])
    assert re.search(r"refused: closed/.*unknown task 'closed'", result.text)
    assert re.search(r"refused: open/.*unknown model 'lab-drift'", result.text)


def test_an_empty_folder_is_an_error(lab, call, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no record in this folder"):
        call(submit, tmp_path, *lab.options, "--to", tmp_path / "records")


def test_verify_repeats_a_row_to_the_digit(lab, call) -> None:
    result = call(verify, lab.records / "closed" / "measured", "--row", "mean-strain", "--json", *lab.options)
    found = json.loads(result.text)
    assert (result.code, len(found)) == (0, 2)
    assert {row["outcome"] for row in found} == {"identical"}


def test_verify_finds_what_was_changed(lab, call, results: Path) -> None:
    path = next(path for path in find(results) if path.name.startswith("mean-strain"))
    path.write_text(re.sub(r'"nrmse":\[[\d.]+', '"nrmse":[0.001', path.read_text(), count=1))
    result = call(verify, path, *lab.options)
    assert result.code == 1
    assert re.search(r"differs +closed/measured/S\d/mean-strain/s0  NRMSE of A at 'measured' differs", result.text)


def test_verify_says_what_cannot_be_repeated(lab, call) -> None:
    result = call(verify, lab.records / "open", "--row", "lab-drift", "--sample", 2, *lab.options)
    assert result.code == 1
    assert result.text.count("not repeated") == 2
    assert "unknown model 'lab-drift'" in result.text


def test_verify_knows_its_rows(lab, call) -> None:
    with pytest.raises(RequestError, match="did you mean 'persistence'"):
        call(verify, lab.records, "--row", "persitence", *lab.options)
