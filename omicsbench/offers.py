"""What plugins offer, checked field by field: they are not type-checked, and what they say goes into records."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from omicsbench.errors import ContractError
from omicsbench.parameters import split_factory
from omicsbench.spec import Device, ModelSpec, Role
from omicsbench.texts import say

if TYPE_CHECKING:
    from omicsbench.scoring.metrics import Metric


def fault_of_model(spec: ModelSpec) -> str:
    """What is wrong with a model on offer; nothing if all is well."""
    try:
        return _fault_of_model(spec)
    except Exception as error:  # a class of the plugin's own may raise anywhere
        return f"a model on offer cannot be read: {say(error)}"


def _fault_of_model(spec: ModelSpec) -> str:
    for name in ("name", "factory", "summary", "citation"):
        if reason := _fault_of_text(getattr(spec, name)):
            return f"model {spec.name!r}: {name} {reason}"
    for name in ("deterministic", "copies_data"):
        if not isinstance(value := getattr(spec, name), bool):
            return f"model {spec.name!r}: {name} must be True or False, got {value!r}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,59}", spec.name):
        return f"model name {spec.name!r} must be lower-case letters, digits, dots and dashes, 60 at most"
    devices: Any = spec.devices
    if not (isinstance(devices, list | tuple) and devices and all(_is_one_of(device, Device) for device in devices)):
        return f"model {spec.name!r}: devices must be out of {', '.join(get_args(Device))}, got {devices!r}"
    if not _is_one_of(spec.role, Role):
        return f"model {spec.name!r}: role must be out of {', '.join(get_args(Role))}, got {spec.role!r}"
    try:
        split_factory(spec.factory)
    except ContractError as error:
        return f"model {spec.name!r}: {error}"
    return ""


def fault_of_metric(metric: Metric) -> str:
    """What is wrong with a metric on offer; nothing if all is well."""
    for name in ("name", "summary"):
        if reason := _fault_of_text(getattr(metric, name)):
            return f"metric {metric.name!r}: {name} {reason}"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", metric.name):
        return f"metric name {metric.name!r} must be letters, digits, dots, dashes and underscores, 60 at most"
    for name, choices in (("unit", ("native", "1")), ("better", ("lower", "higher", "none"))):
        if (value := getattr(metric, name)) not in choices:
            return f"metric {metric.name!r}: {name} must be out of {', '.join(choices)}, got {value!r}"
    return "" if callable(metric.function) else f"metric {metric.name!r}: function must be one"


def _fault_of_text(value: object) -> str:
    if not isinstance(value, str):
        return f"must be text, got {value!r}"
    odd = [character for character in value if not character.isprintable() and character != "\n"]
    return f"has a character that cannot be printed: {odd[0]!r}" if odd else ""


def _is_one_of(value: object, kind: Any) -> bool:
    return isinstance(value, str) and value in get_args(kind)
