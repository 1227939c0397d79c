"""``omicsbench bench``: how fast trained models are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from omicsbench.cli.common import (
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
    tasks_option,
    warn,
)
from omicsbench.cli.run import _given, _numbers

if TYPE_CHECKING:
    from omicsbench.data.tasks import Task
    from omicsbench.records.speeds import SpeedRecord
    from omicsbench.running.planning import Planned
    from omicsbench.running.speed import Variant

DEFAULT_TASK, WITHOUT_DATA = "limonene", "limonene-sim"
DEFAULT_BASELINE = "derivative-ml"


@click.command("bench")
@click.option("--model", "models", multiple=True, help="A model, or 'all'. May be repeated.")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="MODEL:NAME=VALUE[,...]",
    help="A model beside itself with other parameters, as in derivative-ml:path=published. May be repeated.",
)
@click.option("--task", help=f"The task. [default: {DEFAULT_TASK}, or {WITHOUT_DATA} where its data cannot be had]")
@click.option("--fold", help="The fold, of which the first held-out strain is simulated. [default: the published one]")
@click.option("--baseline", help=f"The model that others are held against. [default: {DEFAULT_BASELINE}, if measured]")
@click.option("--device", type=click.Choice(["cpu", "cuda", "all"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1, 1000), default=1, show_default=True, help="Threads of a worker.")
@click.option("--batches", callback=_numbers, default="1,10,100,1000,10000", show_default=True, help="Virtual strains.")
@click.option(
    "--limit",
    type=Seconds(),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Seconds that repeats of one measurement, or one call, may take.",
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Rounds through all models.")
@click.option("--set", "settings", multiple=True, metavar="[MODEL.]NAME=VALUE", help="A parameter. May be repeated.")
@click.option("--params", type=PathType(path_type=Path), help="A TOML file with one table of parameters a model.")
@click.option("--out", type=PathType(path_type=Path), default=Path("results"), show_default=True)
@json_option
@data_option
@tasks_option
@plugins_option
@exits
def command(
    models: tuple[str, ...],
    variants: tuple[str, ...],
    task: str | None,
    fold: str | None,
    baseline: str | None,
    device: Any,
    threads: int,
    batches: tuple[int, ...],
    limit: float,
    rounds: int,
    settings: tuple[str, ...],
    params: Path | None,
    out: Path,
    as_json: bool,
    data_dir: Path | None,
    tasks_dirs: tuple[Path, ...],
    plugins_dirs: tuple[Path, ...],
) -> int:
    """Measure the speed of trained models: load, fit, latency, throughput, memory, integration error."""
    from omicsbench.data.tasks import data_dir_of
    from omicsbench.errors import RequestError
    from omicsbench.files import require_writable
    from omicsbench.leaderboard.speed_page import write_page
    from omicsbench.records.speeds import FOLDER
    from omicsbench.running.planning import Request
    from omicsbench.running.speed import Settings, plan_bench, run

    if not models and not variants:
        raise RequestError("nothing to measure: name a --model or a --variant")
    beside, given = [_variant(text) for text in variants], _given(settings, params)
    registry = registry_of(plugins_dirs)
    folder = data_dir_of(data_dir)
    picked = _task(all_tasks(registry, tasks_dirs), task, folder)
    chosen = fold or next((f.name for f in picked.folds if f.published), picked.folds[0].name)
    named = {*models, *(variant.model for variant in beside)}
    request = Request(
        tasks=[picked],
        models=(*models, baseline) if baseline is not None and baseline not in named else models,
        folds=[chosen],
        device="cpu" if device == "all" else device,
        given=given,
        data_dir=folder,
    )
    planned = plan_bench(request, beside, registry, every_device=device == "all")
    if device == "all" and all(one.cell.device == "cpu" for one in planned):
        warn("--device all: no NVIDIA GPU is to be seen here, so only the CPU is measured")
    require_writable(out)
    wanted = Settings(threads=threads, batches=tuple(sorted(set(batches))), limit=limit, rounds=rounds)
    with console(stderr=True).status("") as status:

        def watch(one: Planned, number: int) -> Any:
            name = f"{one.cell.model} on {one.cell.device}" + (f", round {number + 1}" if rounds > 1 else "")
            status.update(name)
            return lambda step, of, loss: status.update(f"{name}: fit {step}/{of}")

        records = list(run(planned, out, wanted, watch))
    page = write_page(records, baseline or DEFAULT_BASELINE, out / FOLDER / "speed.html")
    _show(records, baseline or DEFAULT_BASELINE, out, as_json)
    say(f"plot: {page}", err=as_json)
    return 0 if all(record.status == "ok" for record in records) else 1


def _task(known: dict[str, Task], name: str | None, data_dir: Path | None) -> Task:
    from omicsbench.data.measured import locate
    from omicsbench.data.tasks import pick
    from omicsbench.errors import DataUnavailable

    if name is not None:
        return pick(known, name)
    try:
        locate(known[DEFAULT_TASK], data_dir)
    except DataUnavailable as reason:
        warn(f"{WITHOUT_DATA} is measured instead of {DEFAULT_TASK}: {reason}")
        return known[WITHOUT_DATA]
    return known[DEFAULT_TASK]


def _variant(text: str) -> Variant:
    from omicsbench.errors import RequestError
    from omicsbench.running.speed import Variant

    model, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    if not (model and colon) or not all(name and equals for name, equals, _ in pairs):
        raise RequestError(f"--variant {text!r}: must be MODEL:NAME=VALUE, further ones after a comma")
    return Variant(model, {name: value for name, _, value in pairs})


def _show(records: list[SpeedRecord], baseline: str, out: Path, as_json: bool) -> None:
    import msgspec

    from omicsbench.records.speeds import path_of

    if as_json:
        emit_json([{**msgspec.to_builtins(r), "path": str(path_of(r, out))} for r in records])
    else:
        print_boards(records, baseline)


def print_boards(records: Sequence[SpeedRecord], baseline: str) -> None:
    """The tables of speed records on stdout, with ratios to the baseline; what they leave out on stderr."""
    from rich.table import Table

    from omicsbench.results.speed import boards, notes, one_strain, throughput

    screen = console()
    for board in boards(records):
        screen.print(board.title)
        for head, rows in (one_strain(board, baseline), throughput(board)):
            table = Table(show_edge=False, pad_edge=False)
            for n, name in enumerate(head):
                table.add_column(name, justify="right" if n else "left")
            for row in rows:
                table.add_row(*row)
            screen.print(table)
            screen.print()
        for note in notes(board):
            say(note, err=True)
