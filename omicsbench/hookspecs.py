"""The hooks. They discover and notify; what a model is says ``omicsbench.model``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from omicsbench.records import Record
    from omicsbench.scoring.metrics import Metric
    from omicsbench.spec import ModelSpec

hookspec = pluggy.HookspecMarker("omicsbench")
hookimpl = pluggy.HookimplMarker("omicsbench")


@hookspec
def omicsbench_models() -> Sequence[ModelSpec]:  # type: ignore[empty-body]
    """The models this plugin brings."""


@hookspec
def omicsbench_tasks() -> Sequence[Path]:  # type: ignore[empty-body]
    """Folders that hold task folders (each with a task.toml)."""


@hookspec
def omicsbench_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]
    """Further metrics, computed for every cell from its predictions and truth."""


@hookspec
def omicsbench_commands(cli: click.Group) -> None:
    """Add commands to the command line."""


@hookspec
def omicsbench_cell_finished(record: Record) -> None:
    """A cell has finished, whatever its status; its record is on disk."""
