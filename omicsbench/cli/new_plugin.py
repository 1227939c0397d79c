"""``omicsbench new-plugin``: a model of one's own, working from the first minute."""

from __future__ import annotations

import re
from pathlib import Path

import click

from omicsbench.cli.common import PathType, plugins_option, registry_of, say


@click.command("new-plugin")
@click.argument("name")
@click.option("--single-file", is_flag=True, help="Write one file for --plugins-dir, not a distribution.")
@click.option(
    "--dir",
    "folder",
    type=PathType(path_type=Path),
    default=Path(),
    help="Where to write it (default: here).",
)
@plugins_option
def command(name: str, single_file: bool, folder: Path, plugins_dirs: tuple[Path, ...]) -> None:
    """Write a model plugin NAME that works as it stands, to change into your own.

    It fits a small real model, passes `omicsbench check`, and runs on every task.
    """
    package = _package(name, single_file)
    _refuse_taken(name, package, plugins_dirs)
    target = folder / (f"{package}.py" if single_file else name)
    written = _write_file(name, package, target) if single_file else _write_distribution(name, package, target)
    for path in written:
        say(path)
    if single_file:
        say(f"next: omicsbench check {name} --plugins-dir {folder}", err=True)
    else:
        say(f"next: pip install -e {target} && omicsbench check {name}", err=True)


def _package(name: str, single_file: bool) -> str:
    """The module of a plugin. Raises ``RequestError`` where the name is no good."""
    from keyword import iskeyword

    from omicsbench.errors import RequestError

    stem = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or (single_file and iskeyword(stem)):
        raise RequestError(
            f"plugin name {name!r}: use lower-case letters, digits and single dashes, a letter first, as in my-model"
        )
    return stem if single_file else f"omicsbench_{stem}"


def _refuse_taken(name: str, package: str, plugins_dirs: tuple[Path, ...]) -> None:
    from importlib.util import find_spec

    from omicsbench.errors import RequestError

    registry = registry_of(plugins_dirs)
    taken = registry.models.get(name)
    if taken is not None:
        raise RequestError(
            f"plugin name {name!r}: a model of that name is offered by {taken.distribution}; choose another"
        )
    if find_spec(package) is not None:
        raise RequestError(f"plugin name {name!r}: a module {package!r} is installed already; choose another")


def _values(name: str, package: str, module: str) -> dict[str, str]:
    kind = "".join(part.capitalize() for part in name.split("-"))
    return {"name": name, "package": package, "module": module, "kind": kind, "distribution": f"omicsbench-{name}"}


def _write_file(name: str, package: str, target: Path) -> list[Path]:
    from omicsbench.errors import RequestError
    from omicsbench.templates import render

    text = render("plugin/single.py.j2", **_values(name, package, package))
    try:
        if target.exists():
            raise RequestError(f"{target} exists already; choose another name or --dir")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise RequestError(f"{target} cannot be written: {error.strerror}") from None
    return [target]


def _write_distribution(name: str, package: str, target: Path) -> list[Path]:
    from omicsbench.errors import RequestError
    from omicsbench.templates import render

    values = _values(name, package, f"{package}.model")
    texts = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{package}/__init__.py": "init.py",
        f"{package}/model.py": "model.py",
        f"tests/test_{name.replace('-', '_')}.py": "test.py",
    }
    try:
        target.mkdir(parents=True)
        for file, template in texts.items():
            path = target / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(render(f"plugin/{template}.j2", **values), encoding="utf-8")
    except FileExistsError:
        raise RequestError(f"{target} exists already; choose another name or --dir") from None
    except OSError as error:
        raise RequestError(f"{target} cannot be written: {error.strerror}") from None
    return [target / file for file in texts]
