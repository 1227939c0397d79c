"""Parameters are read from the source, never by import, and text from --set becomes what the annotation says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omicsbench.errors import ContractError, RequestError
from omicsbench.parameters import Parameter, Value, parameters_of, resolve, split_factory

SOURCE = """
raise ImportError("a model's module may not be imported to read its parameters")

class Fine:
    def __init__(
        self,
        *,
        seed: int,
        device: str,
        width: int = 64,
        rate: float = -1e-3,
        name: str = "tanh",
        smooth: bool = True,
        cap: int | None = None,
        weight: float | None = 0.5,
        label: str | None = None,
        solver: Literal["rk4", "dopri5"] = "rk4",
        order: Literal[1, 2] = 1,
        norm: Literal["l1", "l2"] | None = None,
        free=3,
    ): ...

class NoInit: ...

class Positional:
    def __init__(self, seed: int, device: str): ...

class NoDevice:
    def __init__(self, *, seed: int): ...

class Greedy:
    def __init__(self, *, seed: int, device: str, **rest): ...

class NoDefault:
    def __init__(self, *, seed: int, device: str, width: int): ...

class Computed:
    def __init__(self, *, seed: int, device: str, width: int = 2 ** 5): ...
"""
FINE = "parameter_source:Fine"


@pytest.fixture(autouse=True, scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The module ``parameter_source``, to be found and never to be imported."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "parameter_source.py").write_text(SOURCE)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    assert "parameter_source" not in sys.modules


def fit(name: str, value: Value) -> Value:
    return resolve("m", FINE, {name: value})[name]


def test_defaults_annotations_and_choices_are_read() -> None:
    found = parameters_of(FINE)
    assert " ".join(found) == "width rate name smooth cap weight label solver order norm free"
    assert found["rate"] == Parameter("rate", -1e-3, "float")
    assert found["solver"].choices == ("rk4", "dopri5")
    assert resolve("m", FINE, {}) == {name: parameter.default for name, parameter in found.items()}


@given(st.integers())
def test_integers_go_round_through_text(value: int) -> None:
    assert fit("width", str(value)) == fit("width", value) == fit("cap", str(value)) == value
    assert type(fit("width", str(value))) is int


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_go_round_through_text(value: float) -> None:
    assert fit("rate", repr(value)) == fit("rate", value) == fit("weight", repr(value)) == value
    assert type(fit("rate", repr(value))) is float


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_are_floats_where_a_float_is_wanted(value: int) -> None:
    assert type(fit("rate", str(value))) is type(fit("rate", value)) is float
    assert fit("rate", str(value)) == value


@given(st.text(max_size=20))
def test_text_stays_as_it_is(value: str) -> None:
    assert fit("name", value) == value
    assert fit("label", value) == (None if value in ("None", "none") else value)


@pytest.mark.parametrize("text", ["True", "true", "TRUE", "False", "false"])
def test_booleans_go_round_through_text(text: str) -> None:
    assert fit("smooth", text) is (text.lower() == "true")


@pytest.mark.parametrize("name", ["cap", "weight", "label", "norm"])
@pytest.mark.parametrize("none", ["None", "none", None])
def test_none_where_it_is_allowed(name: str, none: str | None) -> None:
    assert fit(name, none) is None


def test_choices_go_round_through_text() -> None:
    assert fit("solver", "dopri5") == "dopri5"
    assert fit("norm", "l2") == "l2"
    assert fit("order", "2") == fit("order", 2) == 2
    assert type(fit("order", "2")) is int


def test_without_annotation_text_is_read_as_a_literal() -> None:
    assert [fit("free", text) for text in ("2", "0.5", "true", "none", "word")] == [2, 0.5, True, None, "word"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", "3.0"),
        ("width", "many"),
        ("width", ""),
        ("width", "true"),
        ("width", True),
        ("width", 3.5),
        ("width", "None"),
        ("rate", "fast"),
        ("rate", "nan"),
        ("rate", "inf"),
        ("rate", float("-inf")),
        ("rate", False),
        ("name", 5),
        ("smooth", "1"),
        ("smooth", "yes"),
        ("solver", "euler"),
        ("solver", None),
        ("order", "3"),
        ("order", True),
        ("norm", "l3"),
        ("free", "nan"),
    ],
)
def test_unfit_values_are_refused(name: str, value: Value) -> None:
    with pytest.raises(RequestError) as error:
        fit(name, value)
    text = str(error.value)
    assert text.startswith(f"parameter {name!r} of model 'm' takes ")
    assert text.endswith(f"got {value!r}")


def test_an_unknown_parameter_comes_with_the_nearest() -> None:
    with pytest.raises(RequestError, match=r"model 'm' has no parameter 'widht': did you mean 'width'\?"):
        fit("widht", "3")
    with pytest.raises(RequestError, match="has no parameter 'seed'"):
        fit("seed", "3")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Absent", "no class 'Absent'"),
        ("NoInit", "must write out its __init__"),
        ("Positional", "by keyword"),
        ("NoDevice", "by keyword"),
        ("Greedy", r"without \* or \*\*"),
        ("NoDefault", "parameter 'width' needs a literal default"),
        ("Computed", "parameter 'width' needs a literal default"),
    ],
)
def test_a_class_that_breaks_the_rules_is_named(name: str, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint) as error:
        parameters_of(f"parameter_source:{name}")
    assert name in str(error.value)
    assert "parameter_source.py" in str(error.value)


def test_a_module_that_cannot_be_found_is_named() -> None:
    for factory in ("no_such_module:Model", "parameter_source.part:Model", "sys:Model"):
        with pytest.raises(ContractError, match=f"module '{factory.split(':')[0]}' cannot be found"):
            parameters_of(factory)


@pytest.mark.parametrize("factory", ["", "module", "module:", ":Class", "my-module:Class", "a..b:Class", "a:b:c"])
def test_malformed_factories_are_refused(factory: str) -> None:
    with pytest.raises(ContractError, match=r"factory must be 'package\.module:Class'"):
        split_factory(factory)


@pytest.fixture
def params(tmp_path: Path) -> Callable[[str], Path]:
    """A --params file with this text."""

    def write(text: str) -> Path:
        file = tmp_path / "params.toml"
        file.write_text(text)
        return file

    return write


def test_a_params_file_and_settings_go_together(params: Callable[[str], Path]) -> None:
    from omicsbench.cli.run import _given

    file = params("[one]\nwidth = 8\nsmooth = false\n[two]\nrate = 0.5\n")
    assert _given(["one.width=16", "name=x=y", "node-torch.cap="], file) == {
        "one": {"width": "16", "smooth": False},
        "two": {"rate": 0.5},
        "": {"name": "x=y"},
        "node-torch": {"cap": ""},
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("width = 8", "'width' must be a table named after a model"), ("[one", "not valid TOML")],
)
def test_a_malformed_params_file_is_named(params: Callable[[str], Path], text: str, complaint: str) -> None:
    from omicsbench.cli.run import _given

    with pytest.raises(RequestError, match=complaint):
        _given([], params(text))


def test_an_absent_params_file_is_named(tmp_path: Path) -> None:
    from omicsbench.cli.run import _given

    with pytest.raises(RequestError, match=r"absent\.toml: cannot be read: No such file"):
        _given([], tmp_path / "absent.toml")


@pytest.mark.parametrize("setting", ["width", "=3", ""])
def test_a_malformed_setting_is_named(setting: str) -> None:
    from omicsbench.cli.run import _given

    with pytest.raises(RequestError, match=f"--set '{setting}': must be NAME=VALUE"):
        _given([setting], None)
