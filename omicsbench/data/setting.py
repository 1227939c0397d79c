"""What a number stands on besides the model: the setting of a fold under a protocol, part by part."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from omicsbench import preprocessing
from omicsbench.data.fold import FoldData
from omicsbench.data.protocols import protocol_of
from omicsbench.data.tasks import Task
from omicsbench.records import Setting
from omicsbench.scoring import metrics


def setting_of(task: Task, protocol: str, data: FoldData) -> Setting:
    """The setting in which a fold with these ``data`` is run. Raises ``RequestError`` for an unknown protocol."""
    source = task.source
    columns = [quantity.column for quantity in (*task.states, *task.controls)]
    reading = None if source is None else (source.strain_column, source.time_column, columns)
    return Setting(
        data=data.sha256,
        strains=_digest(([s.strain for s in data.held_out], [s.strain for s in data.train])),
        states=_digest([(state.name, state.unit) for state in task.states]),
        controls=_digest([(control.name, control.unit) for control in task.controls]),
        reading=_digest(reading),
        means=_digest(task.counted),
        horizon=f"{task.horizon:g} h",
        product=task.final_product,
        protocol=f"{protocol} {protocol_of(protocol).version}",
        preprocessing=str(preprocessing.VERSION),
        scoring=str(metrics.VERSION),
    )


def _digest(content: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
