"""Tables: the same cells in Markdown, CSV and HTML."""

import csv
import io
import re
from types import SimpleNamespace

from omicsbench.leaderboard.board import board, markdown, to_csv
from omicsbench.leaderboard.build import fill
from omicsbench.leaderboard.site import render_site
from omicsbench.records import Record
from omicsbench.results.formats import number, percent, seconds, skill
from omicsbench.results.summary import groups
from omicsbench.results.truth import no_truth

FOLDS = ("A", "B")


def table(records):
    (group,) = groups(records)
    return board(group, None)


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in text.splitlines()]


def test_markdown_and_csv_tell_the_same(make: SimpleNamespace) -> None:
    made = table(
        [
            *make.trivial(FOLDS),
            *make.model("good", {(fold, seed): 0.25 for fold in FOLDS for seed in range(5)}),
            *make.model("dead", {(fold, seed): None for fold in FOLDS for seed in range(5)}),
        ]
    )
    head, rule, *lines = rows_of(markdown(made))
    assert len(head) == len(rule)
    marked = [dict(zip(head, line, strict=True)) for line in lines]
    plain = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert [row["model"] for row in marked] == [row["model"] for row in plain] == ["good", "persistence", "dead"]
    assert [row["rank"] for row in marked] == [row["rank"] for row in plain] == ["1", "2", "3"]
    assert marked[0]["skill"] == "0.75"
    assert float(plain[0]["skill"]) == 0.75
    assert float(plain[0]["latency [s]"]) == 0.01
    assert plain[0]["hardware"] == "CPU A, 1 thread"
    assert (plain[2]["skill"], plain[2]["ok"], plain[2]["negative share"]) == ("failed", "0/10", "")
    assert marked[1]["note"] == "trivial"


def test_seeds_and_folds_stand_in_every_row(make: SimpleNamespace) -> None:
    made = table([*make.trivial(FOLDS), *make.model("m", {("A", 0): 0.1, ("A", 1): 0.2})])
    head, _, *lines = rows_of(markdown(made))
    found = {row["model"]: row for row in (dict(zip(head, line, strict=True)) for line in lines)}
    assert (found["m"]["seeds"], found["m"]["folds"], found["m"]["ok"]) == ("2", "1/2", "2/2")
    assert found["m"]["note"] == "not ranked: 1 of 2 folds, provisional"
    assert found["persistence"]["folds"] == "2/2"


def test_times_of_two_machines_are_never_averaged(make: SimpleNamespace) -> None:
    from msgspec.structs import replace

    records = make.model("m", {(fold, 0): 0.1 for fold in FOLDS})
    slow = records[1]
    slow = replace(
        slow,
        environment=replace(slow.environment, cpu="CPU B"),
        timing=replace(slow.timing, latency=replace(slow.timing.latency, median=0.5)),
    )
    made = table([*make.trivial(FOLDS), records[0], slow])
    row = next(row for row in csv.DictReader(io.StringIO(to_csv(made))) if row["model"] == "m")
    assert row["hardware"] == "CPU A, 1 thread; CPU B, 1 thread"
    assert "10 ms; 500 ms" in markdown(made)


def test_folds_of_several_sizes_get_a_column_each(make: SimpleNamespace) -> None:
    records = make.trivial(FOLDS)
    for size, error in ((2, 0.8), (10, 0.2)):
        records += [make.record("m", fold, seed, error, training_strains=size) for seed in (0, 1) for fold in FOLDS[:1]]
    made = table(records)
    names = [column.name for column in made.columns]
    assert names[6:8] == ["NRMSE, n=2", "NRMSE, n=10"]
    cells = next(row for row in made.rows if row.standing.entry.label == "m").cells
    assert [cell.text for cell in cells[6:8]] == ["0.8", "0.2"]


def test_readme_blocks_are_filled_and_the_rest_stays() -> None:
    text = "a\n<!-- leaderboard t p -->\nold\n<!-- end -->\nb\n<!-- leaderboard t q -->\n<!-- end -->\n"
    filled = fill(text, {"tables/t-p.md": "| new |\n"})
    assert filled == (
        "a\n<!-- leaderboard t p -->\n| new |\n<!-- end -->\nb\n"
        "<!-- leaderboard t q -->\nNo record yet.\n<!-- end -->\n"
    )
    assert fill(filled, {"tables/t-p.md": "| new |\n"}) == filled


def test_numbers_for_people() -> None:
    assert [number(v) for v in (1234.567, 0.012345, float("nan"), float("inf"), None)] == [
        "1.23e+03",
        "0.0123",
        "–",
        "failed",
        "–",
    ]
    assert [seconds(v) for v in (2e-6, 0.0123, 4.0, float("nan"))] == ["2 µs", "12.3 ms", "4 s", "–"]
    assert [percent(v) for v in (0.0, 0.004, 0.5, float("nan"))] == ["0 %", "<1 %", "50 %", "–"]
    assert [skill(v) for v in (0.5, -0.001, -1234.0, float("-inf"))] == ["0.50", "0.00", "-1.2e+03", "failed"]


def test_the_overview_has_one_line_a_model_and_no_protocol_that_is_never_ranked(make: SimpleNamespace) -> None:
    """Another recipe under another protocol is the same line; two recipes under one protocol are two."""
    records = []
    for protocol, recipes in (("measured", (1.0,)), ("published", (2.0,)), ("published-leaky", (2.0, 3.0))):
        records += [make.record("zero", "S1", 0, 1.0, role="trivial", protocol=protocol, deterministic=True)]
        records += [
            make.record("m", "S1", seed, 0.5, protocol=protocol, parameters={"steps": steps})
            for steps in recipes
            for seed in range(2)
        ]

    def lines(records: list[Record]) -> list[str]:
        page = render_site(records, {}, no_truth, (), "zero")["index.html"]
        assert "published-leaky</small>" not in page
        return re.findall(r'<tr class="\w+"><td data-sort="([^"]+)"', page)

    assert lines(records) == ["m", "zero"]
    twice = [make.record("m", "S1", seed, 0.6, parameters={"steps": 9.0}) for seed in range(2)]
    assert sorted(lines([*records, *twice])) == ["m", "m (steps=1.0)", "m (steps=9.0)", "zero"]
    # What stands alone under one protocol belongs to the line whose label holds of it.
    alone = [one for one in records if one.cell.protocol == "measured" or one.cell.model == "zero"]
    alone += [make.record("m", "S1", n, 0.5, protocol="published", parameters={"steps": 9.0, "x": 1}) for n in (0, 1)]
    assert sorted(lines([*alone, *twice])) == ["m (steps=1.0)", "m (steps=9.0)", "zero"]
