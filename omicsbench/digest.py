"""Digests of code: equal for equal behaviour, whatever its comments, docstrings, positions and Python version."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omicsbench.errors import RequestError

_CORE = "omicsbench"
_NOT_CODE = ("__pycache__", ".pyc", ".pyo", ".egg-info", ".dist-info")


@dataclass(frozen=True)
class Code:
    """The code of a plugin: its ``digest``, the folder or file it stands in (``home``), and all its ``files``."""

    digest: str
    home: Path
    files: tuple[Path, ...] = ()


def code_of(module: str, factory: str, file: Path | None = None) -> Code:
    """The code that a model's answers come from: the packages of its plugin ``module`` and of its ``factory`` module.

    Whatever these import from outside of the installed packages (a helper beside a one-file plugin ``file``, a
    checkout that is installed to be edited) belongs to them. Of the core's own models it is the package they stand in.
    Raises ``RequestError`` where a file cannot be read.
    """
    beside = None if file is None else file.parent
    found: dict[str, Path] = {}
    roots = [_root(factory), _root(module)]
    queue = list(roots)
    while queue:
        name = queue.pop()
        place = _locate(name, beside)
        if name in found or place is None or not (name in roots or _is_local(place)):
            continue
        found[name] = place
        queue += [] if name.startswith(f"{_CORE}.") else _imports(_files(name, place).values())
    if roots[0] not in found:
        raise RequestError(f"module {factory!r} cannot be found as source; its code cannot be told from other code")
    files: dict[str, Path] = {}
    for name, place in found.items():
        files |= _files(name, place)
    return Code(digest_of(files), found[roots[0]], tuple(files.values()))


def package_digest(folder: Path) -> str:
    """The digest of all files of a package. Raises ``RequestError`` where one cannot be read."""
    return digest_of(_files(folder.name, folder))


def digest_of(files: Mapping[str, Path]) -> str:
    """sha256 over files by name: Python modules as parsed, others by their bytes.

    Raises ``RequestError`` where one cannot be read.
    """
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{_content(path)}\0".encode())
    return digest.hexdigest()


def source_digest(text: str) -> str:
    """sha256 of a module as parsed. Raises ``SyntaxError`` or ``ValueError`` where it is no Python."""
    digest = hashlib.sha256()
    for token in _tokens(ast.parse(text)):
        digest.update(token.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _root(module: str) -> str:
    """The package that a module's code is told by: its top level, or the second level within the core."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == _CORE else parts[0]


def _locate(name: str, beside: Path | None) -> Path | None:
    """Where a top-level module stands: its folder, or its one file."""
    top, _, below = name.partition(".")
    if beside is not None and not below:
        for place in (beside / name, beside / f"{name}.py"):
            if place.exists():
                return place
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if below:
        home = Path(spec.origin or "").parent / below
        return home if home.is_dir() else home.with_suffix(".py")
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return None if spec.origin is None else Path(spec.origin)


@cache
def _is_installed(folder: Path) -> bool:
    """Whether a folder holds installed packages, told apart by their versions: pip leaves a ``.dist-info`` of each."""
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return folder.is_relative_to(standard) or any(folder.glob("*.dist-info"))


def _is_local(place: Path) -> bool:
    return not _is_installed(place.resolve().parent)


def _files(name: str, place: Path) -> dict[str, Path]:
    """The files of a package or module by a name that does not depend on where it is installed."""
    if place.is_file():
        return {name: place}
    found = {}
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(one for one in folders if not _is_left_out(one))
        for file in files:
            path = Path(folder, file)
            if not _is_left_out(file) and path.is_file():
                found[f"{name}/{path.relative_to(place).as_posix()}"] = path
    return found


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name.endswith(_NOT_CODE)


def _content(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror}), so this code has no digest") from None
    if path.suffix == ".py":
        try:
            return source_digest(data.decode())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # not a module of this Python: its bytes tell it apart
    return hashlib.sha256(data).hexdigest()


def _imports(files: Iterable[Path]) -> list[str]:
    """Top-level names that modules import absolutely, but for the core's."""
    names: set[str] = set()
    for path in files:
        if path.suffix != ".py":
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # ``digest_of`` says what is wrong with it, if anything is
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.split(".")[0])
    return sorted(names - {_CORE})


def _tokens(node: ast.AST) -> Iterator[str]:
    """A syntax tree as text. ``ast.dump`` differs between versions of Python; this names only what is there."""
    yield type(node).__name__
    # Where the core keeps a name is no difference in what a plugin does.
    moved = isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _CORE
    for field, value in ast.iter_fields(node):
        if isinstance(node, ast.JoinedStr):
            value = _joined(value)
        if value is None or value == [] or field in ("ctx", "kind", "type_comment") or (moved and field == "module"):
            continue
        yield f".{field}"
        if field == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            value = value[1:] if _is_docstring(value[0]) else value
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                yield from _tokens(item)
            else:
                yield hex(item) if type(item) is int else f"{type(item).__name__} {item!a}"
    yield "."


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, its text in one piece: versions of Python cut it differently, down to empty pieces."""
    found: list[ast.expr] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            found[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not isinstance(part, ast.Constant) or part.value:
            found.append(part)
    return found


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
