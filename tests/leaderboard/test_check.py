"""``leaderboard build``, ``site`` and ``check``: what is tampered with is found, and what is found is named."""

import lzma
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from omicsbench.cli.leaderboard import command
from omicsbench.cli.submit import command as submit
from omicsbench.errors import RequestError
from omicsbench.leaderboard.build import tables, write
from omicsbench.leaderboard.check import check_made, check_records, same_text
from omicsbench.plugins import RESTRICT, discover
from omicsbench.records import Record
from omicsbench.records.store import read_cells
from omicsbench.scoring import rescore
from omicsbench.speed_records import write_speeds


@pytest.fixture(scope="module")
def published(lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sound records of the trivial baselines and all that is made of them."""
    from click.testing import CliRunner

    home = tmp_path_factory.mktemp("checkout") / "leaderboards"
    results = tmp_path_factory.mktemp("results") / "records"
    for path in lab.records.rglob("*.json"):
        if not path.name.startswith("lab-"):
            (results / path.relative_to(lab.records)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, results / path.relative_to(lab.records))
    home.mkdir()
    (home.parent / "README.md").write_text(
        "# Hello\n\n<!-- leaderboard closed measured -->\n<!-- end -->\n\n<!-- leaderboard no such -->\n<!-- end -->\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMICSBENCH_PLUGINS", "")
        patch.chdir(home.parent)
        for arguments in (
            (submit, [str(results), *lab.options]),
            (command, ["build", *lab.options]),
        ):
            result = CliRunner().invoke(*arguments, catch_exceptions=False)
            assert result.exit_code == 0, result.output
    return home


@pytest.fixture
def check(
    published: Path, lab, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, Path]]:
    """``check(tamper)``: what check says of a copy of the sound folder after ``tamper(copy)``."""

    def run(tamper: Callable[[Path], object] = lambda home: None, *options: str) -> tuple[int, str, Path]:
        home = tmp_path / "leaderboards"
        shutil.copytree(published.parent, tmp_path, dirs_exist_ok=True)
        tamper(home)
        monkeypatch.chdir(tmp_path)
        result = call(command, "check", *lab.options, *options)
        return result.code, result.text, home

    return run


def stored(home: Path, model: str = "mean-strain", place: str = "open/measured") -> Path:
    (path,) = (home / "records" / place).glob(f"{model}-*.jsonl")
    return path


def edit(path: Path, pattern: str, replacement: str) -> None:
    text = path.read_text(encoding="utf-8")
    changed, n = re.subn(pattern, replacement, text, count=1)
    assert n == 1, pattern
    path.write_text(changed, encoding="utf-8")


def test_what_is_sound_passes_and_copies_are_run_again(check) -> None:
    code, text, _ = check()
    assert code == 0, text
    assert "27 records" not in text
    assert re.search(r"(\d+) cells run again", text)[1] == "12"
    assert text.rstrip().endswith("0 problems")


def test_nothing_measured_is_published(published: Path) -> None:
    records = [record for record in read_cells(published / "records") if record.cell.task == "closed"]
    assert records
    assert {(record.prediction, record.omitted) for record in records} == {(None, "licence")}
    assert list((published / "records" / "closed").rglob("*.xz")) == []
    assert not (published / "site").exists()  # pages are made where they are published


def test_the_readme_beside_it_holds_the_tables(published: Path) -> None:
    text = (published.parent / "README.md").read_text(encoding="utf-8")
    assert (published / "tables" / "closed-measured.md").read_text(encoding="utf-8") in text
    assert "No record yet." in text


def test_pages_show_what_may_be_shown(published: Path, lab, call, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    result = call(command, "site", "--records", published / "records", "--out", out, *lab.options)
    assert (result.code, result.text.strip()) == (0, str(out / "index.html"))
    page = (out / "tasks" / "closed.html").read_text(encoding="utf-8")
    assert '"name":"measured"' not in page
    assert "--with-measured" in page
    assert '"name":"measured"' in (out / "tasks" / "open.html").read_text(encoding="utf-8")
    for name in ("README.md", "tables/open-measured.md"):
        assert (out / name).read_bytes() == (published / name).read_bytes()


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        (lambda home: edit(stored(home), r'"seed":0', '"seed":7'), r"line \d: its key does not belong to its cell"),
        (lambda home: edit(stored(home), r'"schema":2', '"schema":99'), r"schema \"99\""),
        (lambda home: edit(stored(home), r'"status":"ok"', '"statsu":"ok"'), r'unknown field "statsu"'),
        (lambda home: edit(stored(home), r"\{", "["), r"not a whole JSON file"),
        (lambda home: edit(stored(home), r"\n\Z", ""), r"is cut short"),
        (lambda home: stored(home).with_suffix(".xz").unlink(), r"xz: cannot be read: No such file"),
        (
            lambda home: stored(home).with_suffix(".xz").write_bytes(lzma.compress(b"x")),
            r"xz: not the predictions that mean-strain-",
        ),
        (lambda home: shutil.copy(stored(home), stored(home).with_name("a-1.jsonl")), r"a-1.xz: cannot be read"),
        (
            lambda home: [
                shutil.copy(path, path.with_name(f"a-1{path.suffix}"))
                for path in (stored(home), stored(home).with_suffix(".xz"))
            ],
            r"a-1.jsonl: its records belong at open/measured/mean-strain-|the same cell as one in open/measured/a-1",
        ),
        (
            lambda home: stored(home, place="closed/measured").rename(
                home / "records" / "closed" / "published" / "lost.jsonl"
            ),
            r"closed/published/lost.jsonl: its records belong at closed/measured/mean-strain-",
        ),
        (
            lambda home: edit(home / "tables" / "open-measured.md", r"1\.\d+", "0.5"),
            r"does not match its records, line",
        ),
        (lambda home: edit(home / "README.md", r"## open", "## shut"), r"README.md: does not match its records"),
        (lambda home: (home / "tables" / "open-measured.csv").unlink(), r"open-measured.csv: is missing"),
        (lambda home: (home / "tables" / "old-measured.md").write_text("x"), r"old-measured.md: no record asks for it"),
        (
            lambda home: edit(home.parent / "README.md", r"\| 1 \| ", "| 2 | "),
            r"README.md: a table does not match",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tampering_is_found(
    published: Path,
    lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tamper: Callable[[Path], object],
    complaint: str,
) -> None:
    shutil.copytree(published.parent, tmp_path, dirs_exist_ok=True)
    home = tmp_path / "leaderboards"
    tamper(home)
    monkeypatch.setenv(RESTRICT, "")
    findings = check_records(home / "records", discover(), lab.known, None)
    problems = findings.problems + check_made(tables(read_cells(published / "records"), lab.known), home)
    assert any(re.search(complaint, problem) for problem in problems), problems
    assert len(problems) <= 2, problems
    assert not any("\n" in problem for problem in problems)


def test_scores_of_a_copy_are_run_again(check, edited) -> None:
    """Its prediction may not be shown, so its scores are made again."""

    def better(record: Record) -> Record:
        scores = record.scores["measured"]
        per_state = {name: list(values) for name, values in scores.per_state.items()}
        per_state["nrmse"][0] = 0.001
        mean = scores.mean | {"nrmse": float(f"{np.mean(per_state['nrmse']):.6g}")}
        return replace(record, scores={"measured": replace(scores, per_state=per_state, mean=mean)})

    code, text, _ = check(
        lambda home: edited(home / "records", "closed/measured/nearest-strain", better), "--records-only"
    )
    assert code == 1
    assert re.search(r"closed/measured/S1/nearest-strain/s0: run again: differs: NRMSE of A", text), text


def test_a_measured_prediction_is_refused(check, edited, lab) -> None:
    whole = {record.key: record for record in lab.load()}
    code, text, _ = check(
        lambda home: edited(home / "records", "closed/measured/nearest-strain", lambda record: whole[record.cell.key]),
        "--records-only",
    )
    assert code == 1
    assert "its prediction repeats measured values" in text


def test_a_measured_start_is_refused(check, edited, lab) -> None:
    """x(0) was measured too, even where nothing else of a prediction was."""
    split = {record.cell.fold: lab.splits(record, "published") for record in lab.load() if record.cell.task == "closed"}

    def own(record: Record) -> Record:
        place = split[record.cell.fold]
        whole = next(r for r in lab.load() if r.key == record.cell.key)
        x = whole.prediction.x * 1.25
        x[:, 0] = whole.prediction.x[:, 0]
        prediction = replace(whole.prediction, x=x)
        (target,) = place.targets
        return replace(
            whole, prediction=prediction, scores={target.name: rescore(prediction, target, place, (True, True))}
        )

    code, text, _ = check(lambda home: edited(home / "records", "closed/published/mean-strain", own), "--records-only")
    assert code == 1
    assert "its prediction holds the measured x(0); submit leaves it out" in text


def test_where_the_data_cannot_be_had_that_is_said(check, published: Path, lab, call, tmp_path: Path) -> None:
    folder = tmp_path / "without" / "closed"
    shutil.copytree(lab.tasks[0], folder)
    (folder / "toy.csv").unlink()
    result = call(
        command, "check", "--records-only", "--records", published / "records", "--tasks-dir", folder, *lab.options[2:]
    )
    assert result.code == 0, result.text
    assert "not checked: 12 records: data of task 'closed' cannot be had" in result.text


def test_with_measured_stays_where_it_is_made(
    published: Path, lab, call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(published.parent)
    result = call(command, "site", "--with-measured", "--out", tmp_path / "local", *lab.options)
    assert result.code == 0
    page = (tmp_path / "local" / "tasks" / "closed.html").read_text(encoding="utf-8")
    assert '"name":"measured"' not in page  # its records hold no prediction to draw beside them
    assert 'class="verdict' not in page


def test_no_records(lab, call, tmp_path: Path) -> None:
    for name in ("build", "site"):
        with pytest.raises(RequestError, match="no such folder"):
            call(command, name, "--records", tmp_path / "none", *lab.options)
        with pytest.raises(RequestError, match="no record in this folder"):
            call(command, name, "--records", tmp_path, *lab.options)
    with pytest.raises(RequestError, match="no such folder"):
        call(command, "check", "--records", tmp_path / "none", *lab.options)


def test_speed_records_are_looked_at_and_made_into_tables(check, lab, make) -> None:
    def rebuilt(home: Path) -> None:
        write_speeds([sound_speed(make, lab)], home / "records")
        write(tables(read_cells(home / "records"), lab.known, [sound_speed(make, lab)]), home)

    code, text, home = check(rebuilt)
    assert code == 0, text
    assert "1 speed records" in text
    assert "| persistence |" in (home / "speed.md").read_text()


def sound_speed(make, lab, **fields):
    given = {"task": next(iter(lab.known)), "distribution": "omicsbench", "role": "trivial"} | fields
    return make.speed("persistence", given.pop("seconds", 1.0), {1: 1.0}, **given)


@pytest.mark.parametrize(
    ("fields", "change", "complaint"),
    [
        ({"dirty": True}, lambda p: None, "comes from a dirty"),
        ({"role": "model"}, lambda p: None, "says that persistence is a model; its plugin says a trivial baseline"),
        ({"distribution": "other"}, lambda p: None, "says it comes from other; persistence is of omicsbench"),
        ({"device": "cuda"}, lambda p: None, "says it ran on cuda; persistence runs on cpu"),
        ({"seconds": 1e-15}, lambda p: None, "holds a time that no clock gives"),
        ({"task": "nowhere"}, lambda p: None, "unknown task 'nowhere'"),
        ({}, lambda p: edit(p, '"fit":2.0', '"fit":"2"'), "Expected `float`"),
        ({}, lambda p: edit(p, '"fit":2.0', '"fit":-2.0'), "Expected `float` >= 0.0"),
        ({}, lambda p: edit(p, '"seed":0', '"seed":1'), "its key does not belong to its cell"),
        ({}, lambda p: edit(p, r"\n\Z", ""), "is cut short"),
        ({}, lambda p: None, "does not match its records"),
    ],
)
def test_what_is_wrong_with_a_speed_record_is_named(check, lab, make, fields, change, complaint: str) -> None:
    def tamper(home: Path) -> None:
        (path,) = write_speeds([sound_speed(make, lab, **fields)], home / "records")
        change(path)

    code, text, _ = check(tamper)
    assert code == 1
    assert complaint in text


def test_numbers_of_made_tables_may_differ_in_the_last_digit_only() -> None:
    assert same_text("| 0.123 | 5 |", "| 0.124 | 5 |")
    assert not same_text("| 0.123 | 5 |", "| 0.126 | 5 |")
    assert not same_text("| 0.123 | 5 |", "| 0.123 | 6 |")
    assert not same_text("| 0.123 |", "| 0.123 | 5 |")
