"""Digests of code: another one where behaviour may be another, and the same where it cannot."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omicsbench.digest import _is_installed, _tokens, code_of, package_digest, source_digest
from omicsbench.errors import RequestError

SOURCE = '''
"""A module."""
from __future__ import annotations

import numpy as np
from omicsbench.model import Model, Simulation

RATE: float = 0.5
NAMES = ["a", 'b', """c""", b"d", 0x10, 1_000, 1e3, 1j, ..., None, True, -0.0]


def decorate(function):
    return function


@decorate
class Net(Model):
    """A net."""

    width: int = 8

    def __init__(self, *, seed: int, device: str = "cpu", **rest: object) -> None:
        """Make it."""
        self.seed = seed

    async def wait(self, of, /, *more):
        async with of as held:
            async for item in held:
                yield await item

    def simulate(self, x0, t, controls):
        def inner(value):
            return value if (n := len(value)) > 1 else f"{n!r:>{n}} of {x0=} {'nested'}" "joined"

        match t:
            case [first, *others] if first > 0:
                x = first
            case {"a": 1, **kept} | {"b": kept}:
                x = kept
            case Net(width=8) | None | "text":
                x = lambda y, z=1: y[1:2, ::3] @ z
            case _:
                x = {k: v for k, v in zip(x0, t, strict=True) if k not in v}
        try:
            with open("x") as one, open("y"):
                del one
        except (OSError, ValueError) as error:
            raise RuntimeError("no") from error
        finally:
            assert x, "nothing"
        while True:
            break
        else:
            pass
        global RATE
        RATE += 1
        return inner(x)
'''
GOLDEN = "fcf45832f1cfab2edca1b3f15e49dc983d99a3cd90ad438449ffe2c72379e51a"


def test_it_is_the_same_on_every_version_of_python() -> None:
    """A literal: records made on one version are held against code on another."""
    assert source_digest(SOURCE) == GOLDEN


SAME = {
    "a comment": lambda text: text.replace("RATE +=", "# a note\n        RATE +="),
    "a comment at the end of a line": lambda text: text.replace("return inner(x)", "return inner(x)  # done"),
    "the docstring of the module": lambda text: text.replace('"""A module."""', '"""Another text.\n\nLonger."""'),
    "no docstring of the module": lambda text: text.replace('"""A module."""\n', ""),
    "the docstring of a class": lambda text: text.replace('"""A net."""', '"""Something else."""'),
    "no docstring of a class": lambda text: text.replace('    """A net."""\n', ""),
    "the docstring of a function": lambda text: text.replace('"""Make it."""', "'''Made.'''"),
    "blank lines": lambda text: text.replace("\n\n", "\n\n\n\n"),
    "line endings": lambda text: text.replace("\n", "\r\n"),
    "quotes": lambda text: text.replace("'b'", '"b"').replace('"cpu"', "'cpu'"),
    "brackets": lambda text: text.replace("return inner(x)", "return (inner(x))"),
    "a broken line": lambda text: text.replace("zip(x0, t, strict=True)", "zip(\n  x0, t, strict=True\n)"),
    "indentation": lambda text: text.replace("    return function", "  return function"),
    "how a number is written": lambda text: text.replace("0x10, 1_000", "16, 1000"),
    "where the core keeps a name": lambda text: text.replace("from omicsbench.model import", "from omicsbench import"),
}
OTHER = {
    "a constant": lambda text: text.replace("RATE: float = 0.5", "RATE: float = 0.6"),
    "a whole number for a float": lambda text: text.replace("1e3", "1000"),
    "the sign of a zero": lambda text: text.replace("-0.0", "0.0"),
    "bytes for text": lambda text: text.replace('b"d"', '"d"'),
    "truth for a number": lambda text: text.replace("None, True,", "None, 1,"),
    "a string": lambda text: text.replace('"nothing"', '"something"'),
    "a string in an f-string": lambda text: text.replace("} of {", "} off {"),
    "a conversion": lambda text: text.replace("{n!r:", "{n!s:"),
    "a name": lambda text: text.replace("del one", "del two"),
    "an attribute": lambda text: text.replace("self.seed = seed", "self.seeds = seed"),
    "an argument": lambda text: text.replace("*, seed: int", "*, seeds: int"),
    "keyword only": lambda text: text.replace("self, *, seed", "self, seed"),
    "positional only": lambda text: text.replace("of, /, *more", "of, *more"),
    "a default": lambda text: text.replace('device: str = "cpu"', 'device: str = "cuda"'),
    "no default": lambda text: text.replace('device: str = "cpu"', "device: str"),
    "a type": lambda text: text.replace("width: int", "width: float"),
    "a decorator": lambda text: text.replace("@decorate\n", ""),
    "a base": lambda text: text.replace("class Net(Model)", "class Net"),
    "an operator": lambda text: text.replace("RATE += 1", "RATE -= 1"),
    "an order": lambda text: text.replace("x0, t, strict", "t, x0, strict"),
    "a case": lambda text: text.replace("case Net(width=8) | None", "case Net(width=8)"),
    "a slice": lambda text: text.replace("y[1:2, ::3]", "y[1:2, :3]"),
    "an import": lambda text: text.replace("import numpy as np", "import scipy as np"),
    "which name of the core": lambda text: text.replace("Model, Simulation\n", "Model, Status\n"),
    "a text that is no docstring": lambda text: text.replace("        self.seed = seed", '        self.seed = "seed"'),
    "an await": lambda text: text.replace("yield await item", "yield item"),
    "a raised cause": lambda text: text.replace(" from error", ""),
}


def test_pieces_of_an_f_string_are_one_text() -> None:
    """Python 3.12 ends a nested format with an empty piece."""
    digests = {source_digest(text) for text in ('f"a{x}bc"', '"a" f"{x}b" "c"', '"" f"a{x}" "" f"bc" f""')}
    assert len(digests) == 1
    tree = ast.parse('f"{x:>{n}}"')
    spec = tree.body[0].value.values[0].format_spec  # type: ignore[attr-defined]
    plain = list(_tokens(tree))
    spec.values = [ast.Constant(""), *spec.values, ast.Constant("")]
    assert list(_tokens(tree)) == plain


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_behaviour_does_not_change_it(name: str) -> None:
    changed = SAME[name](SOURCE)
    assert changed != SOURCE
    assert source_digest(changed) == source_digest(SOURCE)


@pytest.mark.parametrize("name", OTHER)
def test_what_may_change_behaviour_changes_it(name: str) -> None:
    changed = OTHER[name](SOURCE)
    assert changed != SOURCE
    assert source_digest(changed) != source_digest(SOURCE)


def test_a_docstring_is_no_substitute_for_a_body() -> None:
    assert source_digest('def f():\n    "a"') == source_digest('def f():\n    "b"')
    assert source_digest('def f():\n    "a"') != source_digest('def f():\n    return "a"')
    assert source_digest("if x:\n    a\nb") != source_digest("if x:\n    a\n    b")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    (folder / "below").mkdir(parents=True)
    for name, text in {"__init__.py": "x = 1\n", "below/deep.py": "y = 2\n", "weights.csv": "1,2\n"}.items():
        (folder / name).write_text(text)
    return folder


def test_every_file_of_a_package_is_in_its_digest(package: Path) -> None:
    before = package_digest(package)
    for name, text in {
        "weights.csv": "1,3\n",
        "below/deep.py": "y = 3\n",
        "more.py": "",
        "below/data.bin": "",
    }.items():
        old = (package / name).read_text() if (package / name).exists() else None
        (package / name).write_text(text)
        assert package_digest(package) != before, name
        if old is None:
            (package / name).unlink()
        else:
            (package / name).write_text(old)
    assert package_digest(package) == before
    (package / "weights.csv").rename(package / "weights2.csv")
    assert package_digest(package) != before


def test_what_is_made_on_the_way_is_not_in_it(package: Path) -> None:
    before = package_digest(package)
    for name in ("__pycache__/x.cpython-311.pyc", "below/__pycache__/y.pyc", ".git/head", ".hidden", "p.egg-info/x"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text("made")
    assert package_digest(package) == before


def test_where_a_package_stands_is_not_in_it(package: Path, tmp_path: Path) -> None:
    before = package_digest(package)
    (tmp_path / "elsewhere").mkdir()
    assert package_digest(package.rename(tmp_path / "elsewhere" / "pack")) == before


def test_what_is_no_python_counts_by_its_bytes(package: Path) -> None:
    (package / "template.py").write_text("class {{ name }}:\n")
    before = package_digest(package)
    (package / "template.py").write_text("class {{ name }}:  # more\n")
    assert package_digest(package) != before
    (package / "latin.py").write_bytes(b"# \xe9\n")
    package_digest(package)


def test_a_file_that_cannot_be_read_is_named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs this may be allowed to read everything, so the refusal is made up."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "weights.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(RequestError) as error:
        package_digest(package)
    assert str(error.value).startswith(f"{package / 'weights.csv'}: cannot be read (Permission denied)")
    assert "\n" not in str(error.value)


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """``importable(files)``: a folder on ``sys.path`` with these files by name."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__init", "/__init__").replace("__in", "/")
            path = path.with_suffix(path.suffix or ".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_code_of_a_checkout_holds_what_it_imports_from_there(importable: Callable[..., Path]) -> None:
    importable(digest_a="import digest_b, numpy\n", digest_b="x = 1\n", digest_c="y = 1\n")
    before = code_of("digest_a", "digest_a").digest
    importable(digest_c="y = 2\n")
    assert code_of("digest_a", "digest_a").digest == before
    importable(digest_b="x = 2\n")
    assert code_of("digest_a", "digest_a").digest != before


def test_what_pip_installed_is_told_by_its_version(importable: Callable[..., Path]) -> None:
    """Wherever its folder is: an environment may lend its packages to another."""
    folder = importable(digest_f="import lent_one\n", lent_one="x = 1\n")
    local = code_of("digest_f", "digest_f").digest
    (folder / "lent_one-1.0.dist-info").mkdir()
    _is_installed.cache_clear()
    (folder / "lent_one.py").write_text("x = 2\n")
    installed = code_of("digest_f", "digest_f").digest
    (folder / "lent_one.py").write_text("x = 3\n")
    assert code_of("digest_f", "digest_f").digest == installed != local


def test_imports_may_go_round(importable: Callable[..., Path]) -> None:
    importable(digest_d="import digest_e\n", digest_e="import digest_d\n")
    assert code_of("digest_d", "digest_d").digest == code_of("digest_d", "digest_d").digest


def test_a_factory_in_another_package_counts(importable: Callable[..., Path]) -> None:
    folder = importable(digest_f="x = 1\n", digest_g="x = 1\n")
    code = code_of("digest_f", "digest_g")
    assert code.home == folder / "digest_g.py"
    importable(digest_g="x = 2\n")
    assert code_of("digest_f", "digest_g").digest != code.digest


def test_a_helper_beside_a_one_file_plugin_counts(tmp_path: Path) -> None:
    plugin = tmp_path / "one_file.py"
    plugin.write_text("import helper_beside\nfrom pathlib import Path\n")
    (tmp_path / "helper_beside.py").write_text("x = 1\n")
    before = code_of("one_file", "one_file", plugin)
    assert before.home == plugin
    (tmp_path / "helper_beside.py").write_text("x = 1  # one\n")
    assert code_of("one_file", "one_file", plugin) == before
    (tmp_path / "helper_beside.py").write_text("x = 2\n")
    assert code_of("one_file", "one_file", plugin) != before


def test_code_of_the_core_s_own_models_is_their_package() -> None:
    code = code_of("omicsbench.baselines", "omicsbench.baselines.model")
    assert code.home.name == "baselines"
    assert code.digest == package_digest_of_baselines(code.home)


def package_digest_of_baselines(home: Path) -> str:
    from omicsbench.digest import _files, digest_of

    return digest_of(_files("omicsbench.baselines", home))


def test_code_that_cannot_be_found_is_named() -> None:
    with pytest.raises(RequestError, match="module 'no_such_module' cannot be found as source"):
        code_of("no_such_module", "no_such_module")
