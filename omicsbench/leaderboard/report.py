"""The report a run leaves behind: one HTML file, and plotly beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from omicsbench.data.tasks import Task
from omicsbench.leaderboard.pages import Plots, environment, section, write_with_plotly
from omicsbench.records import Environment, Record
from omicsbench.records.speeds import SpeedRecord
from omicsbench.results.summary import groups
from omicsbench.results.truth import Splits, no_truth


def write_report(records: Iterable[Record], tasks: Mapping[str, Task], out: Path, splits: Splits = no_truth) -> Path:
    """Write the report of ``records`` to the file ``out`` and return it. Nothing in it needs a network.

    ``splits`` gives the split of (task, protocol, fold), or None where its data cannot be had: without it there
    are no measured points and no verdicts. Raises ``ValueError`` where there is no record, ``RequestError`` where the
    file cannot be written.
    """
    found = list(records)
    if not found:
        raise ValueError("a report needs at least one record")
    html = render_report(found, tasks, splits)
    write_with_plotly(out, html)
    return out


def render_report(records: Sequence[Record], tasks: Mapping[str, Task], splits: Splits) -> str:
    """The report as HTML."""
    sections = [section(group, tasks.get(group.task), splits) for group in groups(records)]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=f"omicsbench run: {', '.join(_models(records))}",
            sections=sections,
            plots=Plots(),
            models=_models(records),
            counts=_counts(records),
            started=(min(r.started for r in records), max(r.started for r in records)),
            environments=environments(records),
            versions=sorted({(r.cell.model, r.cell.distribution, r.cell.version) for r in records}),
            harness=sorted({r.environment.packages.get("omicsbench", "") for r in records if r.environment}),
        )
    )


def _models(records: Sequence[Record]) -> list[str]:
    """The models asked for, or the baselines where nothing else was run."""
    named = dict.fromkeys(r.cell.model for r in records if r.role == "model")
    return list(named or dict.fromkeys(r.cell.model for r in records))


def _counts(records: Sequence[Record]) -> dict[str, int]:
    order = ("ok", "diverged", "timeout", "failed")
    return {status: n for status in order if (n := sum(r.status == status for r in records))}


def environments(records: Sequence[Record] | Sequence[SpeedRecord]) -> list[tuple[Environment, int]]:
    """Each environment with the number of cells that ran in it; packages of all its cells together."""
    found: dict[tuple[object, ...], list[Environment]] = {}
    for record in records:
        if (place := record.environment) is not None:
            # Each model loads its own packages: what tells machines apart is the rest.
            key = (place.cpu, place.gpu, place.threads, place.python, place.git_commit, place.git_dirty)
            found.setdefault(key, []).append(place)
    return [(_merged(places), len(places)) for places in found.values()]


def _merged(places: Sequence[Environment]) -> Environment:
    from msgspec.structs import replace

    packages = {name: version for place in places for name, version in place.packages.items()}
    return replace(places[0], packages=dict(sorted(packages.items())))
