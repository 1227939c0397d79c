"""``leaderboard build`` and ``check``: what is tampered with is found, and what is found is named."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from omicsbench.cli.leaderboard import command
from omicsbench.cli.submit import command as submit
from omicsbench.errors import RequestError
from omicsbench.leaderboard.build import render, write
from omicsbench.leaderboard.check import check_made, check_records
from omicsbench.records import find, load
from omicsbench.speed_records import save as save_speed


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


def record(home: Path, model: str = "mean-strain", place: str = "open/measured/n1-d0") -> Path:
    return next((home / "records" / place).glob(f"{model}-*.json"))


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


def test_nothing_measured_is_published(published: Path, toy_csv: str) -> None:
    for path in (published / "records" / "closed").rglob("*.json"):
        assert '"prediction":{' not in path.read_text().replace(" ", ""), path
    page = (published / "site" / "tasks" / "closed.html").read_text(encoding="utf-8")
    assert '"name":"measured"' not in page
    assert "--with-measured" in page
    assert '"name":"measured"' in (published / "site" / "tasks" / "open.html").read_text(encoding="utf-8")


def test_the_readme_beside_it_holds_the_tables(published: Path) -> None:
    text = (published.parent / "README.md").read_text(encoding="utf-8")
    assert (published / "tables" / "closed-measured.md").read_text(encoding="utf-8") in text
    assert "No record yet." in text


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        (
            lambda home: edit(record(home), r'"nrmse":\[[\d.]+', '"nrmse":[0.001'),
            r"scores at 'measured' do not follow .*nrmse of A",
        ),
        (
            lambda home: edit(record(home), r'"x":\[\[\[[\d.]+', '"x":[[[99.5'),
            r"do not follow from its prediction",
        ),
        (lambda home: edit(record(home), r'"mean":\{"nrmse":[\d.]+', '"mean":{"nrmse":0.1'), r"mean nrmse"),
        (lambda home: edit(record(home), r'"seed":0', '"seed":7'), r"key does not belong to its cell"),
        (lambda home: edit(record(home), r'"status": "ok"', '"status": "diverged"'), r"status 'diverged' does not"),
        (lambda home: edit(record(home), r'"git_dirty":false', '"git_dirty":true'), r"dirty commit"),
        (lambda home: edit(record(home), r'"truth_sha256": "\w', '"truth_sha256": "_'), r"not those of its fold"),
        (lambda home: edit(record(home), r'"schema": 1', '"schema": 99'), r"schema 99"),
        (lambda home: edit(record(home), r'"x":\[\[\[', '"x":[[['[:5]), r"not a whole JSON file"),
        (lambda home: shutil.copy(record(home), record(home).with_name("twice.json")), r"the same cell as"),
        (lambda home: record(home).rename(home / "records" / "lost.json"), r"belongs at"),
        (
            lambda home: edit(home / "tables" / "open-measured.md", r"1\.\d+", "0.5"),
            r"does not match its records, line",
        ),
        (lambda home: edit(home / "site" / "index.html", r"trivial", "model"), r"index.html: does not match"),
        (lambda home: (home / "site" / "models" / "persistence.html").unlink(), r"persistence.html: is missing"),
        (lambda home: (home / "site" / "tasks" / "old.html").write_text("x"), r"old.html: no record asks for it"),
        (
            lambda home: edit(home.parent / "README.md", r"\| 1 \| ", "| 2 | "),
            r"README.md: a table does not match",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tampering_is_found(
    published: Path, lab, tmp_path: Path, tamper: Callable[[Path], object], complaint: str
) -> None:
    shutil.copytree(published.parent, tmp_path, dirs_exist_ok=True)
    home = tmp_path / "leaderboards"
    tamper(home)
    findings = check_records(home / "records", lab.known, None)
    files = render([load(path) for path in find(published / "records")], lab.known, lab.shown)
    problems = findings.problems + check_made(files, home)
    assert any(re.search(complaint, problem) for problem in problems), problems
    assert len(problems) <= 2, problems


def test_scores_of_a_copy_are_run_again(check) -> None:
    def tamper(home: Path) -> None:
        edit(record(home, "nearest-strain", "closed/measured/S1"), r'"nrmse":\[[\d.]+', '"nrmse":[0.001')

    code, text, _ = check(tamper, "--records-only")
    assert code == 1
    assert re.search(r"closed/measured/S1/nearest-strain/s0: run again: differs: NRMSE of A", text), text


def test_a_measured_prediction_is_refused(check, lab) -> None:
    def tamper(home: Path) -> None:
        path = record(home, "nearest-strain", "closed/measured/S1")
        shutil.copyfile(lab.records / path.relative_to(home / "records"), path)

    code, text, _ = check(tamper, "--records-only")
    assert code == 1
    assert "repeats measured values" in text


def test_where_the_data_cannot_be_had_that_is_said(check, published: Path, lab, call, tmp_path: Path) -> None:
    folder = tmp_path / "without" / "closed"
    shutil.copytree(lab.tasks[0], folder)
    (folder / "toy.csv").unlink()
    result = call(
        command, "check", "--records-only", "--records", published / "records", "--tasks-dir", folder, *lab.options[2:]
    )
    assert result.code == 0, result.text
    assert "not checked: 12 records: data of task 'closed' cannot be had" in result.text


def test_with_measured_never_goes_where_it_is_published(
    published: Path, lab, call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(published.parent)
    with pytest.raises(RequestError, match="must not be published"):
        call(command, "build", "--with-measured", "--out", "leaderboards", *lab.options)
    assert call(command, "build", "--with-measured", "--out", tmp_path / "local", *lab.options).code == 0
    page = (tmp_path / "local" / "site" / "tasks" / "closed.html").read_text(encoding="utf-8")
    assert '"name":"measured"' not in page  # its records hold no prediction to draw beside them
    assert 'class="verdict' not in page


def test_no_records(lab, call, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such folder"):
        call(command, "build", "--records", tmp_path / "none", *lab.options)
    with pytest.raises(RequestError, match="no record in this folder"):
        call(command, "build", "--records", tmp_path, *lab.options)


def test_speed_records_are_looked_at_and_made_into_pages(check, lab, make) -> None:
    task = next(iter(lab.known))
    sound = make.speed("persistence", 1.0, {1: 1.0}, task=task)

    def rebuilt(home: Path) -> None:
        save_speed(sound, home / "records")
        files = render([load(p) for p in find(home / "records")], lab.known, lab.shown, [sound])
        write(files, home)

    code, text, home = check(rebuilt)
    assert code == 0, text
    assert "1 speed records" in text
    assert "| persistence |" in (home / "speed.md").read_text()
    assert "1 s" in (home / "site" / "speed.html").read_text()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda p: p.write_text(p.read_text().replace('"git_dirty":false', '"git_dirty":true')), "comes from a dirty"),
        (lambda p: p.write_text(p.read_text().replace('"fit":2.0', '"fit":"2"')), "Expected `float`"),
        (lambda p: p.write_text(p.read_text().replace('"seed":0', '"seed":1')), "its key does not belong to its cell"),
        (lambda p: p.rename(p.with_name("other.speed.json")), "belongs at bench/"),
        (lambda p: None, "does not match its records"),
    ],
)
def test_what_is_wrong_with_a_speed_record_is_named(check, lab, make, change, complaint: str) -> None:
    def tamper(home: Path) -> None:
        change(save_speed(make.speed("persistence", 1.0, {1: 1.0}, task=next(iter(lab.known))), home / "records"))

    code, text, _ = check(tamper)
    assert code == 1
    assert complaint in text
