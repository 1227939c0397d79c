"""What a worker's result must be beyond its types, before anything of it stands in a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from omicsbench.errors import ContractError
from omicsbench.records import Latency, Timing
from omicsbench.records.files import LARGEST_DETAILS
from omicsbench.scoring.probes import Answers, Probes
from omicsbench.texts import plain_values

"""Bytes, as JSON, of what a model says of itself."""


def check_timing(timing: Timing) -> None:
    """Seconds are finite and not negative. Raises ``ContractError``."""
    seconds = {name: getattr(timing, name) for name in ("load", "fit", "first_simulate", "integration_error")}
    check_seconds({name: value for name, value in seconds.items() if value is not None})
    check_latency(timing.latency)
    check_facts(timing.integration_note)


def check_latency(latency: Latency) -> None:
    """Quartiles in order, of at least one repeat. Raises ``ContractError``."""
    check_seconds({"lower": latency.lower, "median": latency.median, "upper": latency.upper})
    if not latency.lower <= latency.median <= latency.upper or latency.repeats < 1:
        raise ContractError(f"no times have the quartiles of {latency}")


def check_seconds(values: Mapping[str, float]) -> None:
    """Numbers that are finite and not negative. Raises ``ContractError`` naming one that is not."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ContractError(f"{name} is {value!r}")


def check_facts(*values: Any) -> None:
    """JSON values with plain text and finite numbers, not too many. Raises ``ContractError``."""
    try:
        size = max(len(msgspec.json.encode(values)), len(msgspec.msgpack.encode(values)))
        finite = msgspec.json.decode(msgspec.json.encode(values)) == plain_values(values)
    except Exception as error:
        raise ContractError(f"no JSON values: {type(error).__name__}: {error}") from None
    if size > LARGEST_DETAILS:
        raise ContractError(f"{size} bytes of details are more than the {LARGEST_DETAILS} that a record holds")
    if not finite:
        raise ContractError("details must be JSON values, of plain text and finite numbers")


def check_answers(answers: Answers, probes: Probes) -> None:
    """Arrays of the shapes that the probes ask for. Raises ``ContractError``."""
    wanted = {"response": (len(probes.x0), len(probes.proteins)), "dx": probes.x.shape}
    for name, shape in wanted.items():
        value = getattr(answers, name)
        if value is None and name == "dx":
            continue
        if value.shape != shape or value.dtype != np.float64:
            raise ContractError(f"{name} must be float64 of shape {shape}, got {value.dtype} of shape {value.shape}")
