"""Records of schema 1 as records of schema 2: what they did not say is marked as unknown, not made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import msgspec

from omicsbench.errors import RecordError
from omicsbench.records.cells import Cell, Setting

OLD_NAME = r"-s\d+-(cpu|cuda)-[0-9a-f]{10}\.json$"
"""The names that files of schema 1 have."""


def is_old(raw: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether JSON values say that they are a record of schema 1."""
    return isinstance(raw, Mapping) and type(raw.get("schema")) is int and raw["schema"] == 1


def migrated(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """JSON values of a record of schema 1 in schema 2. Of its setting only the data are known, and its code is not.

    Raises ``RecordError`` where it is no record of schema 1.
    """
    try:
        cell = _cell(raw["cell"])
        new = {name: value for name, value in raw.items() if name not in ("inputs_sha256", "truth_sha256")}
        scores = {name: dict(one) for name, one in raw.get("scores", {}).items()}
        stored = [one.pop("prediction", None) for one in scores.values()]
        omitted = [one.pop("omitted", "") for one in scores.values()]
        new |= {"schema": 2, "key": cell.key, "cell": msgspec.to_builtins(cell), "scores": scores}
        # A prediction of many values was left out at one target and kept at another: what is there stays.
        kept = [one for one in stored if one is not None]
        new["prediction"] = kept[0] if kept else None
        new["omitted"] = "licence" if "licence" in omitted else ""
        return new
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RecordError(f"{where}: not a record of schema 1 ({type(error).__name__}: {error})") from None


def migrated_speed(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """JSON values of a speed record of schema 1 in schema 2. Raises ``RecordError`` where they are none."""
    from omicsbench.records.speeds import SpeedRecord, keyed

    try:
        new = {**raw, "schema": 2, "cell": msgspec.to_builtins(_cell(raw["cell"]))}
        return {**new, "key": keyed(msgspec.convert(new, SpeedRecord)).key}
    except (KeyError, TypeError, AttributeError, ValueError, msgspec.MsgspecError) as error:
        raise RecordError(f"{where}: not a speed record of schema 1 ({type(error).__name__}: {error})") from None


def _cell(raw: Mapping[str, Any]) -> Cell:
    old = dict(raw)
    del old["harness"]
    data = old.pop("data_sha256")
    return Cell(**old, setting=Setting(data=data if _is_hex(data) else ""), code="")


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
