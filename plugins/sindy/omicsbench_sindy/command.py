"""``omicsbench distill``: equations for a model that has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from omicsbench.cli.common import (
    all_tasks,
    console,
    data_option,
    emit_json,
    exits,
    json_option,
    plugins_option,
    registry_of,
    tasks_option,
)


@click.command("distill")
@click.option("--model", required=True, help="The model whose learned field is turned into equations.")
@click.option("--task", required=True, help="The task it is trained on.")
@click.option("--fold", required=True, help="The fold: its held-out strain is what the equations are tried on.")
@click.option("--protocol", default="measured", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--set", "settings", multiple=True, metavar="[sindy.]NAME=VALUE", help="A parameter of the model, or of sindy."
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=1800.0, show_default=True, metavar="S")
@json_option
@data_option
@tasks_option
@plugins_option
@exits
def command(
    model: str,
    task: str,
    fold: str,
    protocol: str,
    seed: int,
    settings: tuple[str, ...],
    timeout: float,
    as_json: bool,
    data_dir: Path | None,
    tasks_dirs: tuple[Path, ...],
    plugins_dirs: tuple[Path, ...],
) -> int:
    """Turn a trained model's field into equations, and say how far these are from the model. Exit code 1 on failure."""
    # In the order of the code that the published records name.
    from omicsbench.running.planning import Request, plan  # noqa: I001
    from omicsbench.data.tasks import data_dir_of, pick

    registry = registry_of(plugins_dirs)
    found = pick(all_tasks(registry, tasks_dirs), task)
    given: dict[str, Any] = dict(setting.partition("=")[::2] for setting in settings)
    mine = {name.removeprefix("sindy."): value for name, value in given.items() if name.startswith("sindy.")}
    theirs = {name: value for name, value in given.items() if not name.startswith("sindy.")}
    request = Request(
        tasks=[found],
        models=[model],
        protocols=[protocol],
        folds=[fold],
        seeds=seed + 1,
        given={model: theirs},
        data_dir=data_dir_of(data_dir),
    )
    planned = [p for p in plan(request, registry) if p.cell.model == model][-1]
    result = _run(planned, _resolved(mine), timeout)
    report = _report(planned, result)
    if as_json:
        emit_json(report)
    elif "error" not in report:
        _print(report)
    if "error" in report:
        click.echo(f"error: {report['error']}", err=True)
    return 1 if "error" in report else 0


def _resolved(given: dict[str, Any]) -> dict[str, Any]:
    from omicsbench.parameters import resolve

    return resolve("sindy", "omicsbench_sindy.model:Sindy", given)


def _run(planned: Any, settings: dict[str, Any], timeout: float) -> Any:
    from dataclasses import fields

    from rich.progress import Progress

    from omicsbench.running.machine import MACHINE
    from omicsbench.running.supervisor import WorkerProcess
    from omicsbench.running.worker import Work
    from omicsbench_sindy.distill import DistillWork

    job = planned.job(latency_budget=0.0)
    work = DistillWork(**{field.name: getattr(job, field.name) for field in fields(Work)}, settings=settings)
    with (
        Progress(console=console(stderr=True), transient=True) as progress,
        MACHINE.shared() as share,
        WorkerProcess(job.model, job.device, threads=1) as worker,
    ):
        bar = progress.add_task(planned.cell.label, total=None)
        return worker.run(work, timeout, share, lambda step, of, loss: progress.update(bar, completed=step, total=of))


def _report(planned: Any, result: Any) -> dict[str, Any]:
    """What was found, in JSON values; errors are NRMSE on the held-out strain, mean over the states that count."""
    import numpy as np

    from omicsbench.records import Failure
    from omicsbench.scoring.cell import score_prediction

    head = {
        "model": planned.cell.model,
        "task": planned.cell.task,
        "fold": planned.cell.fold,
        "seed": planned.cell.seed,
    }
    if isinstance(result, Failure):
        return {**head, "error": f"{result.type}: {result.message}"}
    split, counted = planned.split, planned.task.counted
    target = split.targets[0]

    def nrmse(prediction: Any, truth: Any) -> float | None:
        return score_prediction(prediction, truth, split.scale, counted).mean["nrmse"]

    model, distilled = result.model[:, target.index], result.distilled[:, target.index]
    masked = np.where(np.isnan(target.truth), np.nan, model)
    return {
        **head,
        "equations": result.description["equations"],
        "where": result.description["where"],
        "derivative_r2": {s: None if np.isnan(v) else v for s, v in result.derivative.items()},
        "nrmse_distilled_to_model": nrmse(distilled, masked),
        "nrmse_model_to_truth": nrmse(model, target.truth),
        "nrmse_distilled_to_truth": nrmse(distilled, target.truth),
    }


def _print(report: dict[str, Any]) -> None:
    out = console()

    def line(text: str) -> None:
        out.print(text, markup=False, soft_wrap=True)

    def shown(value: float | None) -> str:
        return "diverged" if value is None else f"{value:.3g}"

    line(f"{report['model']} on {report['task']}, held out {report['fold']}, as equations:")
    for equation in report["equations"]:
        line(f"  {equation}")
    for condition in report["where"]:
        line(f"  where {condition}")
    r2 = ", ".join(f"{state} {shown(value)}" for state, value in report["derivative_r2"].items())
    line(f"R² of its derivative along the held-out strain: {r2}")
    line("NRMSE on the held-out strain, mean over states:")
    line(f"  equations against the model: {shown(report['nrmse_distilled_to_model'])}")
    line(f"  model against the truth: {shown(report['nrmse_model_to_truth'])}")
    line(f"  equations against the truth: {shown(report['nrmse_distilled_to_truth'])}")
