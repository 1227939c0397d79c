"""``omicsbench run``: the command the suite exists for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omicsbench.cli.common import (
    MOST_SEEDS,
    PathType,
    Seconds,
    all_tasks,
    console,
    data_option,
    emit_json,
    exits,
    json_option,
    plugins_option,
    registry_of,
    say,
    settings_of,
    tasks_option,
    warn,
    warn_of,
)

if TYPE_CHECKING:
    from omicsbench.data.tasks import Task
    from omicsbench.records import Cell, Record
    from omicsbench.running.planning import Planned


EMBEDDED = "limonene-sim"
"""The simulated task that runs where no task was named: it needs neither data nor a network."""


def _numbers(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Comma-separated positive numbers; none where the option is not given."""
    if value is None:
        return ()
    parts = [part.strip() for part in value.split(",")]
    # Of at most seven digits: beyond, nothing that they count could be held.
    if not all(re.fullmatch(r"[1-9]\d{0,6}", part, re.ASCII) for part in parts):
        raise click.BadParameter(f"{value!r}: give numbers from 1 to 9999999, as in 2,10,100")
    return tuple(int(part) for part in parts)


@click.command("run")
@click.option("--model", "models", multiple=True, required=True, help="A model, or 'all'. May be repeated.")
@click.option(
    "--task", "tasks", multiple=True, help="A task. May be repeated. Default: the measured ones and limonene-sim."
)
@click.option("--fold", "folds", multiple=True, help="A fold (its held-out strain). May be repeated. Default: all.")
@click.option("--strains", callback=_numbers, help="Training strains of simulated tasks, as in 2,10,100.")
@click.option("--draws", type=click.IntRange(1, 1000), help="Draws of training strains of simulated tasks.")
@click.option("--protocol", "protocols", multiple=True, default=("measured",), show_default=True)
@click.option(
    "--seeds", type=click.IntRange(1, MOST_SEEDS), default=1, show_default=True, help="Seeds a model is run with."
)
@click.option("--set", "settings", multiple=True, metavar="[MODEL.]NAME=VALUE", help="A parameter. May be repeated.")
@click.option("--params", type=PathType(path_type=Path), help="A TOML file with one table of parameters a model.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), default="auto", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Cells that run at a time.")
@click.option("--timeout", type=Seconds(), default=1800.0, show_default=True, metavar="S")
@click.option("--out", type=PathType(path_type=Path), default=Path("results"), show_default=True)
@click.option("--force", is_flag=True, help="Run finished cells again.")
@click.option("--retry-failed", is_flag=True, help="Run failed and timed-out cells again.")
@click.option("--dry-run", is_flag=True, help="List the cells and stop.")
@json_option
@data_option
@tasks_option
@plugins_option
@exits
def command(
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    folds: tuple[str, ...],
    strains: tuple[int, ...],
    draws: int | None,
    protocols: tuple[str, ...],
    seeds: int,
    settings: tuple[str, ...],
    params: Path | None,
    device: Any,
    jobs: int,
    timeout: float,
    out: Path,
    force: bool,
    retry_failed: bool,
    dry_run: bool,
    as_json: bool,
    data_dir: Path | None,
    tasks_dirs: tuple[Path, ...],
    plugins_dirs: tuple[Path, ...],
) -> int:
    """Fit models, predict held-out strains, score them."""
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.files import require_writable
    from omicsbench.records import renew
    from omicsbench.running.planning import Request, plan
    from omicsbench.running.runner import Settings, run

    registry = registry_of(plugins_dirs)
    folder = data_dir_of(data_dir)
    known = all_tasks(registry, tasks_dirs)
    picked = _pick(known, tasks, folds, folder)
    if strains or draws:
        picked = [task.sized(strains, draws) for task in picked]
    request = Request(
        tasks=picked,
        models=models,
        protocols=protocols,
        folds=folds,
        seeds=seeds,
        device=device,
        given=_given(settings, params),
        data_dir=folder,
    )
    planned = plan(request, registry)
    if not dry_run:
        require_writable(out)
        renew(out)
    done, again = _resumed(planned, out, force, retry_failed)
    todo = [p for p in planned if p.cell.key not in done]
    for line in _reasons(again):
        say(line, err=True)
    if dry_run:
        return _dry_run(planned, done, as_json)
    records = list(done.values())
    before = len(registry.problems)
    with ThreadPoolExecutor(jobs) as executor, _Display(len(todo), len(done)) as display:
        for record in run(todo, out, executor, jobs, Settings(timeout=timeout), registry, display.watch):
            records.append(record)
            display.finished(record)
    warn_of(registry.problems[before:])
    report = _report(records, {**known, **{task.name: task for task in picked}}, out, folder)
    _show(records, known, out, as_json)
    say(f"report: {report}", err=as_json)
    return 0 if all(record.status == "ok" for record in records) else 1


def _resumed(
    planned: Sequence[Planned], out: Path, force: bool, retry_failed: bool
) -> tuple[dict[str, Record], dict[str, list[Cell]]]:
    """What is finished, by key; and which cells have a record of other content, by what is not as it was."""
    from omicsbench.running.planning import finished

    done: dict[str, Record] = {}
    again: dict[str, list[Cell]] = {}
    for one in () if force else planned:
        record, changes = finished(one, out, retry_failed)
        if record is not None:
            done[one.cell.key] = record
        elif changes:
            again.setdefault("; ".join(changes), []).append(one.cell)
    return done, again


def _reasons(again: dict[str, list[Cell]]) -> list[str]:
    """One line a reason: how many finished cells run again, of which models."""
    return [
        f"{len(cells)} finished cell{'s' if len(cells) > 1 else ''} ({', '.join(sorted({c.model for c in cells}))}) "
        f"run again: {reason}"
        for reason, cells in again.items()
    ]


def _pick(known: dict[str, Task], names: Sequence[str], folds: Sequence[str], data_dir: Path | None) -> list[Task]:
    """The named tasks, or the default: every measured one whose data can be had, and one draw of ``EMBEDDED``."""
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import pick
    from omicsbench.errors import DataUnavailable

    if names:
        return [pick(known, name) for name in dict.fromkeys(names)]
    if folds:
        return [task for task in known.values() if {fold.name for fold in task.folds} & {*folds}] or [*known.values()]
    found = []
    for task in known.values():
        if task.source is None:
            continue
        try:
            locate(task, data_dir)
        except DataUnavailable as reason:
            warn(f"task {task.name!r} is skipped: {reason}")
        else:
            found.append(task)
    return [*found, known[EMBEDDED].sized((), draws=1)]


def _given(settings: Sequence[str], params: Path | None) -> dict[str, dict[str, Any]]:
    """Parameters by model, those for every model under ``""``. Raises ``RequestError`` where one is malformed."""
    import tomllib

    from omicsbench.errors import RequestError
    from omicsbench.files import read_text

    given: dict[str, dict[str, Any]] = {}
    if params is not None:
        try:
            tables = tomllib.loads(read_text(params))
        except RequestError as error:
            raise RequestError(f"--params {error}") from None
        except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
            raise RequestError(f"--params {params}: not valid TOML: {error}") from None
        for model, table in tables.items():
            if not isinstance(table, dict):
                raise RequestError(
                    f"--params {params}: {model!r} must be a table named after a model, as in [node-torch]"
                )
            for parameter, value in table.items():
                if not isinstance(value, str | int | float | bool):
                    raise RequestError(
                        f"--params {params}: {model}.{parameter} must be a text, a number, true or false"
                    )
            given[model] = dict(table)
    for name, value in settings_of(settings):
        model, _, parameter = name.rpartition(".")
        given.setdefault(model, {})[parameter] = value
    return given


def _dry_run(planned: Sequence[Planned], done: dict[str, Record], as_json: bool) -> int:
    import msgspec

    if as_json:
        rows = [{**msgspec.to_builtins(p.cell), "key": p.cell.key, "finished": p.cell.key in done} for p in planned]
        emit_json(rows)
        return 0
    for p in planned:
        say(f"{'finished' if p.cell.key in done else 'to run  '}  {p.cell.label}  {p.cell.device}  {p.cell.key[:10]}")
    say(f"{len(planned)} cells, {len(done)} finished, {len(planned) - len(done)} to run")
    return 0


def _report(records: Sequence[Record], tasks: dict[str, Task], out: Path, data_dir: Path | None) -> Path:
    from omicsbench.cli.report import write

    return write(records, tasks, out / "report.html", data_dir)


def _show(records: Sequence[Record], tasks: dict[str, Task], out: Path, as_json: bool) -> None:
    from omicsbench.leaderboard.terminal import run_table
    from omicsbench.records import builtins, path_of
    from omicsbench.results.summary import groups

    for record in records:
        if record.error is not None:
            warn(f"{record.cell.label}: {record.status}: {record.error.type}: {record.error.message}")
        elif record.status == "diverged":
            warn(f"{record.cell.label}: diverged in {record.diverged_strains} of {record.strains} strains")
    if as_json:
        emit_json([{**builtins(r), "path": str(path_of(r.cell, out))} for r in records])
        return
    screen = console()
    for group in groups(records):
        screen.print(run_table(group, tasks.get(group.task)))
        screen.print()
    screen.print(f"records: {out}", soft_wrap=True)


class _Display:
    """Progress on stderr: the sweep, and the cells that are fitting now with loss and time left."""

    def __init__(self, todo: int, done: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.failed = 0
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=(screen := console(stderr=True)),
            transient=True,
            disable=not screen.is_terminal,
        )
        note = f"{done} finished before" if done else ""
        self.sweep = self.progress.add_task("cells", total=todo, note=note)
        self.bars: dict[str, Any] = {}

    def __enter__(self) -> _Display:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def watch(self, cell: Any) -> Any:
        """A progress callback for a cell that starts now."""
        bar = self.progress.add_task(cell.label, total=None, note="")
        self.bars[cell.key] = bar

        def report(step: int, of: int, loss: float | None) -> None:
            note = "" if loss is None else f"loss {loss:.3g}"
            self.progress.update(bar, completed=step, total=of, note=note)

        return report

    def finished(self, record: Record) -> None:
        """A cell is done: its bar goes, the sweep moves on."""
        self.progress.remove_task(self.bars.pop(record.key))
        self.failed += record.status != "ok"
        self.progress.update(self.sweep, advance=1, note=f"{self.failed} failed" if self.failed else "")
