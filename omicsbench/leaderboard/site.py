"""The static site: every page a pure function of records, tasks and what may be shown of the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omicsbench.data.protocols import PROTOCOLS
from omicsbench.data.tasks import Task
from omicsbench.leaderboard.board import Board, board
from omicsbench.leaderboard.pages import HOME, Plots, Section, environment, section
from omicsbench.leaderboard.report import environments
from omicsbench.leaderboard.speed_page import parts as speed_parts
from omicsbench.records import Record
from omicsbench.records.speeds import SpeedRecord
from omicsbench.results.bootstrap import RESAMPLES
from omicsbench.results.ranking import FEWEST_PAIRS, Standing
from omicsbench.results.summary import Entry, groups, median_record
from omicsbench.results.truth import Splits
from omicsbench.spec import Role

ASSETS = (
    "style.css",
    "plots.js",
    "tables.js",
    "sortable.min.js",
    "sortable-LICENSE",
    "plotly-basic.min.js",
    "plotly-LICENSE",
)
LONGEST_DETAILS = 4000


def render_site(
    records: Sequence[Record],
    tasks: Mapping[str, Task],
    splits: Splits,
    speed: Sequence[SpeedRecord],
    baseline: str,
) -> dict[str, str]:
    """Every file of the site by its path below the site's folder. Speed is held against that of ``baseline``."""
    found = groups(records)
    boards = [board(group, tasks.get(group.task)) for group in found]
    names = list(dict.fromkeys(group.task for group in found))
    shared = {"tasks": names, "speed": bool(speed)}
    files = {f"assets/{name}": (HOME / "assets" / name).read_text(encoding="utf-8") for name in ASSETS}
    ranked = [one for one in boards if PROTOCOLS[one.group.protocol].ranked]
    files["index.html"] = _render(
        "index", "index", shared, boards=boards, ranked=ranked, overview=_overview(ranked), cards=_cards(boards, tasks)
    )
    files["protocols.html"] = _render("protocols", "protocols", shared, resamples=RESAMPLES, fewest=FEWEST_PAIRS)
    if speed:
        content = {"parts": speed_parts(speed, baseline), "environments": environments(speed)}
        files["speed.html"] = _render("speed", "speed", shared, figures=True, **content)
    for name in names:
        task = tasks.get(name)
        parts_of = [(section(b.group, task, splits), b) for b in boards if b.group.task == name]
        files[f"tasks/{name}.html"] = _task(name, task, parts_of, shared)
    for model in sorted({record.cell.model for record in records}):
        files[f"models/{model}.html"] = _model(model, records, boards, shared)
    return files


def _render(template: str, here: str, shared: Mapping[str, Any], **content: Any) -> str:
    root = "../" * here.count("/")
    content = {"figures": False, **content, **shared, "here": here, "root": root, "plots": Plots()}
    return environment().get_template(f"{template}.html.j2").render(**content)


def _task(name: str, task: Task | None, parts_of: Sequence[tuple[Section, Board]], shared: Mapping[str, Any]) -> str:
    return _render(
        "task",
        f"tasks/{name}",
        shared,
        name=name,
        task=task,
        parts_of=parts_of,
        redistributable=bool(task and task.redistributable),
        figures=True,
    )


@dataclass(frozen=True, eq=False)
class Line:
    """A model in the overview, and its standing on each board, None where it has none."""

    label: str
    model: str
    role: Role
    place: str
    standings: Sequence[Standing | None]

    @property
    def order(self) -> tuple[object, ...]:
        """Models before trivial baselines, the CPU first, by mean rank."""
        ranks = [standing.rank for standing in self.standings if standing is not None and standing.rank is not None]
        mean = sum(ranks) / len(ranks) if ranks else float("inf")
        return {"oracle": 0, "model": 1, "trivial": 2}[self.role], self.place != "cpu", self.place, mean, self.label


def _overview(boards: Sequence[Board]) -> list[Line]:
    """One line a model and place, with the parameters that tell it from its namesakes."""
    found: dict[tuple[object, ...], list[Standing | None]] = {}
    for n, one in enumerate(boards):
        for row in one.rows:
            entry = row.standing.entry
            if entry.role == "trivial" and row.standing.place != entry.place:
                continue  # It stands in the ranking of each GPU too.
            variant = (
                entry.model,
                entry.version,
                entry.records[0].cell.code,
                tuple(entry.parameters.items()),
                entry.place,
            )
            found.setdefault(variant, [None] * len(boards))[n] = row.standing
    lines: list[Line] = []
    for standings in sorted(found.values(), key=lambda standings: -sum(one is not None for one in standings)):
        # Labels tell apart what stands on one board; of several the most telling holds for all.
        entries = [standing.entry for standing in standings if standing is not None]
        label, first = max((entry.label for entry in entries), key=len), entries[0]
        line = Line(label, first.model, first.role, first.place, standings)
        # The same name with other parameters under another protocol is one line: the model's page tells them apart.
        same = next((one for one in lines if _continues(one, line, first)), None)
        if same is None:
            lines.append(line)
        else:
            both = [a or b for a, b in zip(same.standings, standings, strict=True)]
            lines[lines.index(same)] = replace(same, standings=both)
    return sorted(lines, key=lambda line: line.order)


def _continues(line: Line, other: Line, entry: Entry) -> bool:
    """Whether ``other``, of ``entry``, stands where ``line`` does not, and the label of ``line`` holds of it."""
    if (line.model, line.place) != (other.model, other.place):
        return False
    if any(a and b for a, b in zip(line.standings, other.standings, strict=True)):
        return False
    if other.label not in (line.label, other.model):
        return False
    return all(f"{k}={v}" in line.label for k, v in entry.parameters.items() if f"{k}=" in line.label)


def _cards(boards: Sequence[Board], tasks: Mapping[str, Task]) -> list[tuple[str, Task | None, list[Board]]]:
    names = dict.fromkeys(one.group.task for one in boards)
    return [(name, tasks.get(name), [one for one in boards if one.group.task == name]) for name in names]


def _model(name: str, records: Sequence[Record], boards: Sequence[Board], shared: Mapping[str, Any]) -> str:
    mine = [record for record in records if record.cell.model == name]
    rows = [(one, row.standing) for one in boards for row in one.rows if row.standing.entry.model == name]
    # A baseline stands in the ranking of several places; it is one entry all the same.
    entries = list({(one.name, s.entry.label): (one, s.entry) for one, s in rows}.values())
    return _render(
        "model",
        f"models/{name}",
        shared,
        name=name,
        role=mine[0].role,
        deterministic=mine[0].deterministic,
        distribution=mine[0].cell.distribution,
        versions=sorted({record.cell.version for record in mine}),
        rows=rows,
        commands=[repeat_command(entry, one) for one, entry in entries],
        parameters=_parameters(entries),
        found=_details([entry for _, entry in entries]),
        environments=environments(mine),
    )


def repeat_command(entry: Entry, table: Board) -> str:
    """The command that runs every cell of a row again and compares."""
    group = table.group
    label = f'"{entry.label}"' if " " in entry.label else entry.label
    return f"omicsbench verify leaderboards/records/{group.task}/{group.protocol} --row {label}"


def _parameters(entries: Sequence[tuple[Board, Entry]]) -> list[tuple[str, dict[str, object]]]:
    """Parameter by parameter its value in each variant of the model, named by where the variant ran."""
    variants: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for one, entry in entries:
        variants.setdefault(tuple(entry.parameters.items()), []).append(one.group.task)
    if len(variants) == 1:
        return [(name, {"value": value}) for name, value in next(iter(variants))]
    where = {parameters: ", ".join(dict.fromkeys(tasks)) for parameters, tasks in variants.items()}
    labels = [f"{n}: {where[parameters]}" for n, parameters in enumerate(variants, start=1)]
    names = list(dict.fromkeys(name for parameters in variants for name, _ in parameters))
    values = [dict(parameters) for parameters in variants]
    return [(name, {label: v.get(name, "–") for label, v in zip(labels, values, strict=True)}) for name in names]


def _details(entries: Sequence[Entry]) -> list[tuple[str, list[str], list[str], str]]:
    """What fits left in the records, where anything: equations as they are, the rest as JSON."""
    result = []
    for entry in entries:
        record = median_record(r for r in entry.of_fold(entry.folds[0]) if r.details)
        if record is None:
            continue
        details = dict(record.details)
        equations, where = _lines(details, "equations"), _lines(details, "where")
        text = json.dumps(details, indent=2, ensure_ascii=False) if details else ""
        if len(text) > LONGEST_DETAILS:
            text = text[:LONGEST_DETAILS] + "\n… the rest is in the record"
        place = f"{record.cell.task}, {record.cell.protocol}, {record.cell.fold}: {entry.label}"
        result.append((place, equations, where, text))
    return result


def _lines(details: dict[str, Any], name: str) -> list[str]:
    """Take a list of text out of ``details``; what is something else stays."""
    value = details.get(name)
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return []
    details.pop(name)
    return value
