"""What a plugin says of a model before anything is imported. No numpy here: every start of the program reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Device = Literal["cpu", "cuda"]
Role = Literal["model", "trivial", "oracle"]


@dataclass(frozen=True)
class ModelSpec:
    """A model on offer. Making one imports nothing: ``factory`` is loaded when a cell of the model runs.

    ``factory`` is ``"package.module:Class"``. ``role``: ``trivial`` baselines stand in every table and set
    the zero of skill; an ``oracle`` is shown the truth and is never ranked. ``deterministic`` models run
    once whatever the number of seeds. ``copies_data``: predictions are copies of training measurements,
    so they stay out of published records where the data may not be redistributed.
    """

    name: str
    factory: str
    devices: tuple[Device, ...] = ("cpu",)
    summary: str = ""
    citation: str = ""
    role: Role = "model"
    deterministic: bool = False
    copies_data: bool = False
