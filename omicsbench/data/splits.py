"""The split of a fold, shared by all that ask for it."""

from __future__ import annotations

import functools
from pathlib import Path

from omicsbench.data.measured import fold_data
from omicsbench.data.protocols import prepare
from omicsbench.data.tasks import Fold, Task
from omicsbench.split import Split


@functools.lru_cache(maxsize=32)
def split_of(task: Task, fold: Fold, protocol: str, data_dir: Path | None) -> Split:
    """The split of a fold. Raises ``DataError`` where its data cannot be had."""
    return prepare(task, protocol, fold_data(task, fold, data_dir))
