"""A model's parameters, read from its source without importing it.

The keyword arguments of ``__init__`` beyond seed and device are the parameters. Reading the source keeps
``list models`` and the cell key free of torch and jax.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from omicsbench.errors import ContractError, RequestError, suggest

Value = int | float | str | bool | None
HARNESS_ARGUMENTS = ("seed", "device")
NONE = ("None", "none")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a model: its literal default, its annotation as written, and the values it may take."""

    name: str
    default: Value
    annotation: str
    choices: tuple[Value, ...] = ()


def split_factory(factory: str) -> tuple[str, str]:
    """``"package.module:Class"`` as module and class. Raises ``ContractError`` where it is not of that form."""
    module, colon, name = factory.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise ContractError(f"factory must be 'package.module:Class', got {factory!r}")
    return module, name


def source_file(module: str) -> Path:
    """The source file of a module that may not be imported. Raises ``ContractError`` where there is none."""
    import sys

    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None:
        found = _find(module)
        origin = None if found is None else found.origin
    if origin is None or not origin.endswith(".py"):
        raise ContractError(f"module {module!r} cannot be found as a source file")
    return Path(origin)


def _find(module: str) -> ModuleSpec | None:
    """``importlib.util.find_spec`` imports the packages above a module; this does not."""
    name, *parts = module.split(".")
    try:
        found = find_spec(name)
    except ValueError:
        return None
    for part in parts:
        name = f"{name}.{part}"
        found = found and PathFinder.find_spec(name, found.submodule_search_locations or [])
    return found


@cache
def parameters_of(factory: str) -> Mapping[str, Parameter]:
    """The parameters of the class that ``factory`` names, in the order they are written.

    Raises ``ContractError`` where the class or its ``__init__`` does not stand in that module's source, or a
    default is not a literal.
    """
    module, name = split_factory(factory)
    path = source_file(module)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    found = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if found is None:
        raise ContractError(f"no class {name!r} in {path}")
    init = next((node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    if init is None:
        raise ContractError(f"class {name!r} in {path} must write out its __init__ with its parameters")
    given = {arg.arg for arg in init.args.kwonlyargs}
    missing = [arg for arg in HARNESS_ARGUMENTS if arg not in given]
    if missing or init.args.kwarg or init.args.vararg or len(init.args.args) != 1:
        raise ContractError(
            f"{name}.__init__ in {path} must take (self, *, seed: int, device: str, ...) by keyword, without * or **"
        )
    result = {}
    for arg, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if arg.arg in HARNESS_ARGUMENTS:
            continue
        try:
            value = ast.literal_eval(default) if default is not None else ...
        except ValueError:
            value = ...
        if not isinstance(value, int | float | str | bool | None):
            raise ContractError(f"{name}.__init__ in {path}: parameter {arg.arg!r} needs a literal default")
        if not (value.isprintable() if isinstance(value, str) else value is None or math.isfinite(value)):
            raise ContractError(f"{name}.__init__ in {path}: default of {arg.arg!r} must be one that a record can hold")
        annotation = ast.unparse(arg.annotation) if arg.annotation else ""
        choices = () if arg.annotation is None else tuple(_literals(arg.annotation))
        result[arg.arg] = Parameter(arg.arg, value, annotation, choices)
    return result


def _literals(annotation: ast.expr) -> list[Value]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            values = [ast.literal_eval(element) for element in inner]
            return [*values, None] if ast.unparse(annotation).endswith("| None") else values
    return []


def resolve(model: str, factory: str, given: Mapping[str, Value | str]) -> dict[str, Value]:
    """All parameters of a model: the defaults, replaced by what is ``given`` (text is read as the type wants).

    Raises ``RequestError`` for an unknown name or an unfit value.
    """
    known = parameters_of(factory)
    for name in given:
        if name not in known:
            raise RequestError(f"model {model!r} has no parameter {name!r}: {suggest(name, known)}")
    return {name: _fit(model, known[name], given[name]) if name in given else known[name].default for name in known}


def _fit(model: str, parameter: Parameter, value: Value | str) -> Value:
    kinds = {part.strip() for part in parameter.annotation.split("|")}
    complaint = RequestError(
        f"parameter {parameter.name!r} of model {model!r} takes {parameter.annotation or 'a literal'}, got {value!r}"
    )
    if parameter.choices:
        for choice in parameter.choices:
            if (type(value), value) == (type(choice), choice) or value == str(choice):
                return choice
        if None in parameter.choices and value in NONE:
            return None
        raise complaint
    if isinstance(value, str) and "str" not in kinds:
        value = _read(value)
    # JSON has neither NaN nor infinity, so a record could not tell them apart.
    if isinstance(value, float) and not math.isfinite(value):
        raise complaint
    if value is None and "None" in kinds:
        return None
    if isinstance(value, bool):
        if "bool" in kinds or not parameter.annotation:
            return value
        raise complaint
    if isinstance(value, int) and "int" in kinds:
        return value
    if isinstance(value, int | float) and "float" in kinds:
        return float(value)
    if isinstance(value, str) and "str" in kinds:
        return None if value in NONE and "None" in kinds else value
    if not parameter.annotation:
        return value
    raise complaint


def _read(text: str) -> Value:
    words: dict[str, Value] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
