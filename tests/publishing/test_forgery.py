"""Records that were made up: what would turn text into structure, a wrong number into a rank, a file into a bomb."""

from __future__ import annotations

import csv
import io
import json
import lzma
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from omicsbench.cli.leaderboard import command as leaderboard
from omicsbench.cli.submit import command as submit
from omicsbench.cli.verify import command as verify
from omicsbench.data.setting import setting_of
from omicsbench.errors import RecordError, RequestError
from omicsbench.leaderboard.build import tables, write
from omicsbench.leaderboard.pages import Plots
from omicsbench.leaderboard.report import render_report
from omicsbench.leaderboard.site import render_site
from omicsbench.leaderboard.speed_page import markdown as speed_markdown
from omicsbench.plugins import discover
from omicsbench.publishing.verifier import Verdict, speed
from omicsbench.records import Latency, Record, Timing, load, save
from omicsbench.records.speeds import SpeedRecord, Throughput, keyed, write_speeds
from omicsbench.records.speeds import save as save_speed
from omicsbench.records.store import read_file, write_cells
from omicsbench.results.formats import csv_text, markdown_item, markdown_text, plot_text
from omicsbench.results.truth import no_truth

Forge = Callable[[Record], Record]

MARKUP = [
    "# heading",
    "a\n\n# heading",
    "<script>alert(1)</script>",
    "<!-- end -->",
    "<!-- leaderboard toy measured -->",
    "[a](http://evil.example)",
    "![a](http://evil.example/x.png)",
    "[a][b]",
    "https://evil.example",
    "www.evil.example",
    "me@evil.example",
    "a|b\\|c\\\\|d",
    "`code`",
    "**bold** __bold__ *it* _it_ ~~no~~",
    "$x$",
    "| --- |",
    "- item",
    "1. item",
    "---",
    "=cmd|'/c calc'!A1",
    "<b>%{x}</b>",
    "&lt;script&gt;",
]


def unescaped(text: str) -> str:
    return re.sub(r"&#(\d+);", lambda entity: chr(int(entity[1])), text)


@pytest.mark.parametrize("text", MARKUP)
def test_text_is_no_markdown(text: str) -> None:
    shown = markdown_text(text)
    assert "\n" not in shown
    assert not set("<>|`*~\\") & set(shown)
    assert "](" not in shown
    assert "][" not in shown
    assert "://" not in shown
    assert unescaped(shown) == " ".join(text.split())
    item = markdown_item(text)
    assert re.match(r"- (&#\d+;|[A-Za-z])", item)
    assert unescaped(item) == f"- {' '.join(text.split())}"


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("node-torch", "control_transform=log", "Acetyl-CoA [mM]", "-0.12 to 0.00", "12 (3)", "n=2", "µs", "–"):
        assert markdown_text(text) == text


def test_text_is_no_plot_and_no_formula() -> None:
    assert plot_text("<a href='x'>%{y}</a> & b") == "&lt;a href='x'&gt;%&#123;y}&lt;/a&gt; &amp; b"
    for text in ("=1", "+1", "-1", "@x"):
        assert csv_text(text) == f"'{text}"
    for text in ("a=1", "–", ""):
        assert csv_text(text) == text


@pytest.mark.parametrize("text", [text for text in MARKUP if text.isprintable()])
def test_no_text_of_a_record_becomes_structure(make: Any, text: str) -> None:
    """In tables, README blocks, pages and plots alike."""
    records = make.trivial(("S1", "S2"))
    for parameter in (text, "other"):
        mine = make.model("mine", {("S1", 0): 0.5, ("S2", 0): 0.6}, parameters={"kind": parameter})
        records += [replace(r, environment=replace(r.environment, cpu=text), states=r.states) for r in mine]
    records = [replace(r, states=[text, "b"]) for r in records]
    failed = make.record("mine", "S1", 1, None)
    records.append(replace(failed, states=[text, "b"], error=replace(failed.error, message=f"{text}\n\n# x\n{text}")))
    speeds = [make.speed("mine", 0.1, {1: 0.1, 10: None}, cpu=text), make.speed("mine", 0.2, {1: 0.1}, cpu="other")]
    lost = make.speed("lost", 0.1)
    speeds.append(
        keyed(replace(lost, timing=None, status="failed", error=replace(failed.error, message=f"{text}\n# x")))
    )
    for name, made in tables(records, {}, speeds).items():
        if name.endswith(".md"):
            ours = [line for line in made.splitlines() if line.startswith(("#", "|", "- "))]
            for line in ours:
                assert re.match(r"# Leaderboards$|# Speed$|## (toy|mine)|\| |- (lost|mine|&#)", line), (name, line)
                assert not re.search(r"[<>`]|\]\(|://|www\.|me@", line), line
            widths = {line.count("|") for line in ours if line.startswith("|")}
            assert name in ("README.md", "speed.md") or len(widths) == 1
        else:
            rows = list(csv.reader(io.StringIO(made)))
            assert len({len(row) for row in rows}) == 1
            assert not [cell for row in rows for cell in row if re.match(r"[=@]|[-+](?![\d.])", cell)]
    html = render_report(records, {}, no_truth) + "".join(
        page for name, page in render_site(records, {}, no_truth, speeds, "mine").items() if name.endswith(".html")
    )
    for found in ("<script>alert", "<b>%{x}", "<!-- end", "<!-- leaderboard"):
        assert found not in html


def test_a_figure_ends_no_script() -> None:
    plots = Plots()
    plots.place({"data": [{"name": "</script><script>alert(1)"}]}, 'alt" onmouseover="x')
    assert "<" not in plots.data()


def raw_of(record: Record) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(msgspec.to_builtins(record, enc_hook=lambda a: a.tolist())))


def put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit of the JSON values of a record."""

    def edit(raw: dict[str, Any]) -> None:
        at: Any = raw
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value

    return edit


UNREADABLE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    **{
        f"{odd!a} in {'.'.join(map(str, place))}": (put(*place, value=f"a{odd}b"), "matching regex")
        for odd in ("\u202e", "\u2028", "\x1b", "\n", "\x9b", "\u200b", "\ufeff")
        for place in (("environment", "cpu"), ("cell", "version"), ("states", 0), ("started",))
    },
    "packages with a path": (put("environment", "packages", value={"../x": "1"}), "packages"),
    "packages with markup": (put("environment", "packages", value={"<b>": "1"}), "packages"),
    "very many packages": (put("environment", "packages", value={f"p{n}": "1" for n in range(6000)}), "length <= 5000"),
    "very many parameters": (put("cell", "parameters", value={f"p{n}": 1 for n in range(600)}), "length <= 500"),
    "very many targets": (put("scores", value={f"p{n}": {} for n in range(60)}), "scores"),
    "very many threads": (put("environment", "threads", value=10**6), "<= 10000"),
    "negative threads": (put("environment", "threads", value=-1), ">= 0"),
    "negative memory": (put("peak_memory_mb", value=-1.0), ">= 0"),
    "negative work": (put("nfe", value=-1.0), ">= 0"),
    "a negative integration error": (put("timing", "integration_error", value=-1.0), ">= 0"),
    "a parameter that is a list": (put("cell", "parameters", value={"a": [1]}), "parameters"),
    "a role of its own": (put("role", value="winner"), "role"),
    "an unknown field": (put("rank", value=1), "unknown field"),
    "an unknown field below": (put("cell", "rank", value=1), "unknown field"),
    "no number": (put("scores", "measured", "per_state", "r2", value=["NaN", 1]), "got `str`"),
    "true as a number": (put("scores", "measured", "per_state", "r2", value=[True, 1]), "got `bool`"),
    "a cpu of many letters": (put("environment", "cpu", value="x" * 500), "length <= 400"),
    "very many details": (put("details", value={"a": {"b" * 3_000_000: 1}}), "details"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_reader_refuses_it(lab: Any, tmp_path: Path, name: str) -> None:
    edit, complaint = UNREADABLE[name]
    raw = raw_of(next(r for r in lab.load() if r.cell.model == "persistence" and r.cell.task == "open"))
    edit(raw)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(RecordError) as said:
        load(path)
    assert complaint in str(said.value)
    assert len(str(said.value)) < 1000
    assert str(said.value).isprintable()


def changed(**fields: Any) -> Forge:
    return lambda record: replace(record, **fields)


def rescored(edit: Callable[[Any], Any]) -> Forge:
    return lambda record: replace(record, scores={name: edit(at) for name, at in record.scores.items()})


NOT_INSTALLED = {"model": "my-floor", "version": "1", "distribution": "mine"}
FORGERIES: dict[str, tuple[Forge, str]] = {
    "a floor that is not installed": (
        lambda r: replace(r, cell=replace(r.cell, **NOT_INSTALLED)),
        "says that my-floor is a trivial baseline; its plugin, which is not installed here, must say so",
    ),
    "an oracle that is not installed": (
        lambda r: replace(r, cell=replace(r.cell, **NOT_INSTALLED), role="oracle"),
        "says that my-floor is an oracle; its plugin, which is not installed here, must say so",
    ),
    "a mean without states": (
        rescored(lambda at: replace(at, mean={**at.mean, "skill": 0.99})),
        "means at 'measured' do not follow from its states: there is no mean skill",
    ),
    "a mean of what has a unit": (
        rescored(lambda at: replace(at, mean={**at.mean, "rmse": 0.001})),
        "there is no mean rmse",
    ),
    "coverage of its own": (
        rescored(
            lambda at: replace(
                at, per_state={**at.per_state, "coverage90": [2.0, 2.0]}, mean={**at.mean, "coverage90": 2.0}
            )
        ),
        "scores of samples at 'measured' are none that samples can have",
    ),
    "scores off by more than rounding": (
        rescored(
            lambda at: replace(
                at,
                per_state={**at.per_state, "nrmse": [0.999 * v for v in at.per_state["nrmse"]]},
                mean={**at.mean, "nrmse": 0.999 * at.mean["nrmse"]},
            )
        ),
        "do not follow from its prediction: nrmse",
    ),
    **{
        f"started at {when}": (changed(started=when), "started at")
        for when in (
            "2026-W01-1T00:00:00+00:00",
            "20260101T000000+0000",
            "2026-01-01 00:00:00+00:00",
            "2026-01-01T00:00:00+14:00",
            "2026-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "٢026-01-01T00:00:00+00:00",
            "",
        )
    },
}


@pytest.fixture
def sound(lab: Any) -> Record:
    """A record of a trivial baseline on the open task that nothing is wrong with."""
    wanted = ("open", "persistence", "n1-d0")
    return next(r for r in lab.load() if (r.cell.task, r.cell.model, r.cell.fold) == wanted)


@pytest.mark.parametrize("name", FORGERIES)
def test_the_verifier_finds_it(sound: Record, lab: Any, call: Any, tmp_path: Path, name: str) -> None:
    forge, complaint = FORGERIES[name]
    forged = forge(sound)
    forged = replace(forged, key=forged.cell.key)
    write_cells([forged], tmp_path / "records")
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert ran.code == 1
    assert complaint in ran.text
    save(forged, tmp_path / "results")
    ran = call(submit, tmp_path / "results", "--to", tmp_path / "store", *lab.options)
    assert ran.code == 1
    assert complaint in ran.text or "unknown model 'my-floor'" in ran.text
    assert not (tmp_path / "store").exists()


def test_a_rounding_of_scores_passes_and_changes_no_rank(sound: Record, lab: Any, call: Any, tmp_path: Path) -> None:
    """What is stored with six digits may differ in the fifth: so much may be claimed, and no more."""

    def by(factor: float) -> Forge:
        def near(values: Any) -> Any:
            return [near(v) for v in values] if isinstance(values, list) else values and values * factor

        return rescored(
            lambda at: replace(
                at,
                per_state={name: near(v) for name, v in at.per_state.items()},
                mean={name: near(v) for name, v in at.mean.items()},
            )
        )

    for factor, code in ((1 + 5e-5, 0), (1 + 5e-4, 1)):
        store = tmp_path / str(code)
        write_cells([by(factor)(sound)], store)
        assert call(leaderboard, "check", "--records-only", "--records", store, *lab.options).code == code


def test_a_headline_is_the_first_target(call: Any, tmp_path: Path) -> None:
    store = Path(__file__).parents[2] / "leaderboards" / "records"
    (published,) = (store / "limonene-sim" / "measured").glob("persistence-*.jsonl")
    found = read_file(published)[0]
    assert list(found.scores) == ["truth", "measured"]
    write_cells([replace(found, scores=dict(reversed(found.scores.items())))], tmp_path / "records")
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records")
    assert ran.code == 1
    assert "in their order: the first is the headline" in ran.text


def drifting(lab: Any) -> list[Record]:
    mine = [r for r in lab.load() if (r.cell.task, r.cell.model, r.cell.fold) == ("open", "lab-drift", "n1-d0")]
    return sorted(mine, key=lambda r: r.cell.seed)


def test_a_copy_under_another_seed_is_found(lab: Any, call: Any, tmp_path: Path) -> None:
    first, *_ = drifting(lab)
    cell = replace(first.cell, seed=7)
    write_cells([first, replace(first, cell=cell, key=cell.key)], tmp_path / "records")
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert ran.code == 1
    assert "holds the times of" in ran.text
    assert "1 records: of a model with randomness, the prediction of another seed" in ran.text


def test_one_prediction_for_two_seeds_is_said(lab: Any, call: Any, tmp_path: Path) -> None:
    first, second = drifting(lab)[:2]
    again = replace(second, prediction=first.prediction, scores=first.scores)
    write_cells([first, again], tmp_path / "records")
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert ran.code == 0, ran.text
    assert "1 records: of a model with randomness, the prediction of another seed" in ran.text
    write_cells([first, second], tmp_path / "apart")
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "apart", *lab.options)
    assert "the prediction of another seed" not in ran.text


def test_two_files_with_one_cell_are_found(sound: Record, lab: Any, call: Any, tmp_path: Path) -> None:
    store = tmp_path / "records"
    (path, _) = write_cells([sound], store)
    for suffix in (".jsonl", ".xz"):
        path.with_name(f"persistence-01234567{suffix}").write_bytes(path.with_suffix(suffix).read_bytes())
    ran = call(leaderboard, "check", "--records-only", "--records", store, *lab.options)
    assert ran.code == 1
    assert "the same cell as one in" in ran.text
    assert "its records belong at" in ran.text


@pytest.mark.parametrize(
    ("forge", "complaint"),
    [
        (changed(role="model"), "says that persistence is a model; its plugin says a trivial baseline"),
        (rescored(lambda at: replace(at, mean={**at.mean, "nrmse": 0.001})), "mean nrmse is"),
        (
            rescored(lambda at: replace(at, per_state=at.per_state | {"rmse": [v / 9 for v in at.per_state["rmse"]]})),
            "RMSE of A at 'measured' differs",
        ),
        (
            rescored(lambda at: replace(at, per_state={**at.per_state, "crps": [0.1, 0.1]})),
            "other states are defined",
        ),
    ],
    ids=["role", "mean", "rmse", "samples"],
)
def test_running_again_finds_it(
    sound: Record, lab: Any, call: Any, tmp_path: Path, forge: Forge, complaint: str
) -> None:
    save(forge(sound), tmp_path / "results")
    ran = call(verify, tmp_path / "results", *lab.options)
    assert ran.code == 1
    assert complaint in ran.text


BATCH = Latency(median=0.2, lower=0.19, upper=0.21, repeats=9)


def batches(*points: Throughput) -> dict[str, Any]:
    return {"throughput": points}


SPEEDS: dict[str, tuple[dict[str, Any], str]] = {
    "a call for many that takes nothing": (
        batches(Throughput(strains=10_000, first=1.0, seconds=Latency(median=1e-6, lower=1e-6, upper=1e-6, repeats=9))),
        "none that goes with its latency of one",
    ),
    "quartiles that are none": (
        batches(Throughput(strains=10, first=1.0, seconds=replace(BATCH, lower=0.3))),
        "none that goes with its latency of one",
    ),
    "no first call": (batches(Throughput(strains=10, seconds=BATCH)), "neither a time nor a reason"),
    "neither time nor reason": (batches(Throughput(strains=10)), "neither a time nor a reason"),
    "a time and a reason": (
        batches(Throughput(strains=10, first=1.0, seconds=BATCH, reason="x")),
        "neither a time nor a reason",
    ),
    "batches twice": (
        batches(*[Throughput(strains=10, first=1.0, seconds=BATCH)] * 2),
        "not numbers of strains, each once",
    ),
    "no strains": (batches(Throughput(strains=0, first=1.0, seconds=BATCH)), "not numbers of strains, each once"),
    "more diverged than there are": (
        batches(Throughput(strains=10, first=1.0, seconds=BATCH, diverged=11)),
        "11 of 10 strains diverged",
    ),
    "failed and timed": ({"status": "failed"}, "does not fit its times"),
    "other threads": ({"threads": 64}, "says 64 threads and ran with 1"),
}


@pytest.fixture
def measured(make: Any) -> SpeedRecord:
    named = {"task": "open", "version": "0", "distribution": "omicsbench"}
    made = make.speed("persistence", 0.1, {1: 0.1, 10: 0.2, 100: None}, **named)
    cell = replace(made.cell, fold="n1-d0")
    return keyed(replace(made, cell=cell, role="trivial"))


@pytest.mark.parametrize("name", SPEEDS)
def test_a_made_up_speed_is_found(measured: SpeedRecord, lab: Any, call: Any, tmp_path: Path, name: str) -> None:
    fields, complaint = SPEEDS[name]
    for forged, problems in ((measured, False), (keyed(replace(measured, **fields)), True)):
        store = tmp_path / str(problems)
        write_speeds([forged], store)
        ran = call(leaderboard, "check", "--records-only", "--records", store, *lab.options)
        assert ran.code == problems, ran.text
        assert (complaint in ran.text) == problems
        save_speed(forged, store / "results")
        ran = call(submit, store / "results", "--to", store / "to", *lab.options)
        assert ran.code == problems, ran.text


def test_a_speed_stands_on_the_setting_of_its_fold(measured: SpeedRecord, lab: Any) -> None:
    task, registry = lab.known["open"], discover([])
    from omicsbench.data.measured import fold_data

    here = setting_of(task, "measured", fold_data(task, task.fold("n1-d0"), None))
    offer = registry.models["persistence"]
    cell = replace(measured.cell, setting=here, code=offer.code.digest, version=offer.version)
    assert speed(keyed(replace(measured, cell=cell)), offer, here, Verdict()) == []
    other = keyed(replace(measured, cell=replace(cell, setting=replace(here, data="0" * 64))))
    assert "made in another setting" in speed(other, offer, here, Verdict())[0]
    other = keyed(replace(measured, cell=replace(cell, code="beef")))
    assert "comes from other code" in speed(other, offer, here, Verdict())[0]


def test_a_measurement_twice_is_found(measured: SpeedRecord, lab: Any, call: Any, tmp_path: Path) -> None:
    (path,) = write_speeds([measured], tmp_path)
    path.with_name("persistence-01234567.jsonl").write_bytes(path.read_bytes())
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path, *lab.options)
    assert ran.code == 1
    assert "the same measurement as one in" in ran.text
    assert "its records belong at" in ran.text


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def with_head(path: Path, **fields: Any) -> None:
    first, *lines = lines_of(path)
    rewrite(path, [first | fields, *lines])


def many(path: Path, lines: int, fields: int) -> None:
    head = {"schema": 2, "records": lines, "shared": {f"f{n}": n for n in range(fields)}}
    path.write_text(json.dumps(head) + "\n" + "{}\n" * lines)


STORES: dict[str, tuple[Callable[[Path], object], str]] = {
    "shares what the schema does not know": (
        lambda path: with_head(path, shared=lines_of(path)[0]["shared"] | {"rank": 1}),
        "unknown field",
    ),
    "announces lines": (
        lambda path: with_head(path, records="1\n# x"),
        "records are announced",
    ),
    "very many lines": (
        lambda path: many(path, 10**6, 10_000),
        "more than 100000 records",
    ),
    "many lines that share much": (
        lambda path: many(path, 90_000, 100_000),
        "no schema",
    ),
    "a bomb": (lambda path: bomb(path, 10**9), "more values than a file may hold"),
    "a small bomb": (lambda path: bomb(path, 10), "bytes are announced"),
    "times of text": (lambda path: placed(path, t=["0\n# x"]), "not the predictions"),
    "times of nothing": (lambda path: placed(path, t=None), "not the predictions"),
    "a step of nothing": (lambda path: placed(path, grid=[[1, 10**400]] * 2), "not"),
    "a step of text": (lambda path: placed(path, grid="ab"), "not the predictions"),
    "a step too large": (lambda path: placed(path, grid=[[1, 5000]] * 2), "not a decimal step"),
}


def placed(path: Path, **fields: Any) -> None:
    lines = lines_of(path)
    for line in lines:
        at = line.get("shared", line)
        at["prediction"] = at.get("prediction", {}) | fields
    rewrite(path, lines)


def bomb(path: Path, strains: int) -> None:
    """Predictions that unpack to far more than they are, with the right checksum."""
    import hashlib

    content = lzma.compress(b"\0" * 300_000_000, preset=0)
    path.with_suffix(".xz").write_bytes(content)
    lines = lines_of(path)
    lines[0]["predictions"] = hashlib.sha256(content).hexdigest()
    lines[0]["shared"] |= {"strains": strains}
    rewrite(path, lines)


@pytest.mark.parametrize("name", STORES)
def test_a_hostile_store_is_one_line(sound: Record, lab: Any, call: Any, tmp_path: Path, name: str) -> None:
    spoil, complaint = STORES[name]
    path, _ = write_cells([sound], tmp_path / "records")
    spoil(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecordError, match=re.escape(complaint)) as said:
        read_file(path)
    assert "\n" not in str(said.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000  # kilobytes
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert ran.code == 1
    assert len(ran.text.splitlines()) == 2


def test_a_name_of_a_file_adds_no_line(sound: Record, lab: Any, call: Any, tmp_path: Path) -> None:
    path, _ = write_cells([sound], tmp_path / "records")
    path.rename(path.with_name("x\n0 problems\x1b[2J.jsonl"))
    ran = call(leaderboard, "check", "--records-only", "--records", tmp_path / "records", *lab.options)
    assert ran.code == 1
    assert len(ran.text.splitlines()) == 3  # its scores, its predictions, and the count
    assert "\x1b" not in ran.text
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a\nrefused: nothing\x1b[2J.json").write_text("{}")
    ran = call(submit, tmp_path / "results", "--to", tmp_path / "to", *lab.options)
    assert ran.code == 1
    assert len(ran.text.splitlines()) == 2
    assert "\x1b" not in ran.text


@pytest.mark.parametrize("there", ["README.md", "tables/mine.csv", "models/mine.html", "speed.md"])
def test_nothing_of_anybody_else_is_lost(tmp_path: Path, make: Any, there: str) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    files = tables(make.trivial(("S1",)), {})
    with pytest.raises(RequestError, match="was not made by"):
        write(files, tmp_path)
    assert (tmp_path / there).read_text() == "mine"
    write(files, tmp_path / "new")
    write(files, tmp_path / "new")


def test_a_made_table_that_is_no_text_is_named(sound: Record, lab: Any, call: Any, tmp_path: Path) -> None:
    home = tmp_path / "leaderboards"
    write_cells([sound], home / "records")
    options = ("--records", home / "records", "--out", home, *lab.options)
    assert call(leaderboard, "build", *options).code == 0
    (home / "README.md").write_bytes(b"# Leaderboards\n\xff")
    with pytest.raises(RequestError, match="not UTF-8"):
        call(leaderboard, "check", *options)


def test_speed_notes_are_items(make: Any) -> None:
    failed = make.record("mine", "S1", 1, None).error
    lost = make.speed("mine", 0.1)
    lost = keyed(replace(lost, timing=None, status="failed", error=replace(failed, message="a\n\n# head\n- b <i>")))
    text = speed_markdown([lost, make.speed("other", 0.1)], "other")
    assert "\n# head" not in text
    assert "<i>" not in text


def test_times_are_apart(lab: Any) -> None:
    """Real records are no copies of each other."""
    from omicsbench.publishing.verifier import copies

    assert copies(lab.load()) == []
    assert np.isfinite([r.timing.fit for r in lab.load() if isinstance(r.timing, Timing)]).all()
