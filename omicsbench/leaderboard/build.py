"""Everything made from records: tables and claims, which are committed, the tables in README, and the site."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from omicsbench.data.tasks import Task
from omicsbench.errors import RequestError
from omicsbench.files import read_text
from omicsbench.files import write as write_file
from omicsbench.leaderboard.board import Board, board, markdown, to_csv
from omicsbench.leaderboard.claims import compare
from omicsbench.leaderboard.claims_text import markdown as claims_markdown
from omicsbench.leaderboard.site import render_site
from omicsbench.leaderboard.speed_page import markdown as speed_markdown
from omicsbench.records import Record
from omicsbench.records.speeds import SpeedRecord
from omicsbench.results.formats import markdown_text
from omicsbench.results.summary import groups
from omicsbench.results.truth import Splits

BASELINE = "derivative-ml"
TITLE = "# Leaderboards"
SPEED_HEAD = """# Speed

Made from the speed records below [records/](records) by `omicsbench leaderboard build`; `make speed` measures
them again. Each model in a fresh process of its own, one at a time. First: the first call, compilation included. ×: how
many times faster than that row, never across hardware. Integration error: the trajectory against the model's own field
at a tight tolerance. How to read it, and what a ratio depends on: [docs/speed.md](../docs/speed.md)."""
BLOCK = re.compile(r"<!-- leaderboard (\S+) (\S+) -->\n.*?<!-- end -->", re.DOTALL)
"""Where README wants a table: ``<!-- leaderboard TASK PROTOCOL -->`` … ``<!-- end -->``."""


def tables(records: Sequence[Record], tasks: Mapping[str, Task], speed: Sequence[SpeedRecord] = ()) -> dict[str, str]:
    """Every table made from ``records`` and from those of ``speed``, by its path below the leaderboards' folder."""
    found = groups(records)
    boards = [board(group, tasks.get(group.task)) for group in found]
    files = {"README.md": _readme(boards, bool(speed))}
    if speed:
        files["speed.md"] = f"{SPEED_HEAD}\n\n{speed_markdown(speed, BASELINE)}"
    for table in boards:
        files[f"tables/{table.name}.md"] = markdown(table)
        files[f"tables/{table.name}.csv"] = to_csv(table)
    comparisons = compare(found, tasks, BASELINE)
    if comparisons:
        files["claims.md"] = claims_markdown(comparisons, BASELINE)
    return files


def pages(
    records: Sequence[Record], tasks: Mapping[str, Task], splits: Splits, speed: Sequence[SpeedRecord] = ()
) -> dict[str, str]:
    """Every page of the site, and every table beside them."""
    return tables(records, tasks, speed) | render_site(records, tasks, splits, speed, BASELINE)


def write(files: Mapping[str, str], out: Path) -> None:
    """Write what was rendered; a table or page that no record asks for any more is removed.

    Raises ``RequestError`` where what is in ``out`` was not made by this: nothing of anybody else is lost.
    """
    readme = out / "README.md"
    if readme.exists() and not read_text(readme).startswith(TITLE):
        raise RequestError(f"{readme}: was not made by `omicsbench leaderboard`; name another folder by --out")
    if not readme.exists() and (foreign := stale(files, out)):
        raise RequestError(f"{foreign[0]}: was not made by `omicsbench leaderboard`; name another folder by --out")
    for path in stale(files, out):
        path.unlink()
    for name, text in files.items():
        write_file(out / name, text)


def stale(files: Mapping[str, str], out: Path) -> list[Path]:
    """Tables and pages below ``out`` that are not among ``files``."""
    made = ("speed.md", "tables/*.md", "tables/*.csv", "speed.html", "tasks/*.html", "models/*.html")
    there = [path for pattern in made for path in sorted(out.glob(pattern))]
    return [path for path in there if path.relative_to(out).as_posix() not in files]


def fill(text: str, files: Mapping[str, str]) -> str:
    """``text`` with every marked table as ``files`` has it; a mark without its table says so."""

    def table(mark: re.Match[str]) -> str:
        task, protocol = mark.groups()
        made = files.get(f"tables/{task}-{protocol}.md", "No record yet.\n")
        return f"<!-- leaderboard {task} {protocol} -->\n{made}<!-- end -->"

    return BLOCK.sub(table, text)


def _readme(boards: Sequence[Board], speed: bool) -> str:
    parts = [
        TITLE,
        "Made from the records in [records/](records/) by `omicsbench leaderboard build`; `omicsbench leaderboard "
        "check` holds them against each other. `omicsbench leaderboard site` makes the same with plots.",
        "Skill is 1 − NRMSE / NRMSE of the best trivial baseline: 1 is perfect, below 0 having no model is better. "
        "Models that a paired bootstrap cannot tell apart share a rank.",
    ]
    if speed:
        parts.append("How fast the models are: [speed.md](speed.md).")
    for table in boards:
        group = table.group
        never = "" if any(row.standing.rank for row in table.rows) else " (not ranked)"
        parts += [f"## {markdown_text(group.task)}, {group.protocol}{never}", markdown(table).rstrip()]
    return "\n\n".join(parts) + "\n"
