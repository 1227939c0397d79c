"""Files of pinned arrays: what comes back is what went in, to the digits that are kept; a bad file is one line."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from omicsbench.data.pinned import FORMAT, Header, Pin, open_pin, packed
from omicsbench.errors import DataError
from omicsbench.trajectory import Array

HEADER = Header(generator=1, code="c0de", settings={"horizon": 72.0, "vary": [["k", 0.1, 1.0]]}, draws=1, strains=2)
NUMBERS = st.one_of(
    st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-200), st.just(float("nan"))
)
SHAPES = st.one_of(
    st.tuples(st.integers(0, 5)),
    st.tuples(st.integers(0, 4), st.integers(1, 4)),
    st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 3)),
)


def opened(folder: Path, content: bytes) -> Pin:
    path = folder / "strains.zip"
    path.write_bytes(content)
    return open_pin(path, hashlib.sha256(content).hexdigest())


@given(arrays.arrays(np.float64, SHAPES, elements=NUMBERS))
def test_arrays_come_back_to_the_digits_that_are_kept(tmp_path_factory: pytest.TempPathFactory, x: Array) -> None:
    content = packed(HEADER, {"x": x})
    kept = opened(tmp_path_factory.mktemp("pin"), content).array("x")
    assert kept.shape == x.shape
    np.testing.assert_allclose(kept, x, rtol=2.0**-37, atol=0)
    assert packed(HEADER, {"x": kept}) == content, "what was rounded once is not rounded again"
    assert not kept.flags.writeable


def test_smooth_curves_take_little_room_and_lose_nothing(tmp_path: Path) -> None:
    t = np.linspace(0, 72, 200)
    x = np.exp(-t / np.random.default_rng(0).uniform(5, 50, (20, 1, 3)).swapaxes(1, 2)).swapaxes(1, 2)
    content = packed(HEADER, {"x": np.ascontiguousarray(x)})
    found = opened(tmp_path, content)
    np.testing.assert_allclose(found.array("x"), x, rtol=2.0**-37)
    assert found.header.arrays["x"].differences > 2
    assert len(content) < x.nbytes / 3


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    found = opened(tmp_path, packed(HEADER, {"b": np.ones(3), "a": np.zeros((1, 2, 3))}))
    assert msgspec.structs.replace(found.header, arrays={}) == HEADER
    assert {name: stored.shape for name, stored in found.header.arrays.items()} == {"a": (1, 2, 3), "b": (3,)}
    assert zipfile.ZipFile(found.path).testzip() is None


def test_the_same_arrays_make_the_same_bytes() -> None:
    some: Mapping[str, Array] = {"a": np.ones(3), "b": np.linspace(0, 1, 24).reshape(2, 4, 3)}
    assert packed(HEADER, some) == packed(HEADER, dict(reversed(some.items())))
    assert packed(HEADER, some) != packed(HEADER, {**some, "a": np.zeros(3)})


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
        for name, data in members.items():
            file.writestr(name.replace("_json", ".json"), data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no file of pinned strains"),
        (b"PK no zip", "no file of pinned strains"),
        (archive(other=b"1"), "no file of pinned strains: .*header.json"),
        (archive(header_json=b"[1"), "no file of pinned strains"),
        (archive(header_json=b'{"format": %d}' % FORMAT), "no file of pinned strains: .*generator"),
        (archive(header_json=b'{"format": 99}'), rf"is of format 99, this version of omicsbench reads format {FORMAT}"),
    ],
)
def test_what_is_no_such_file_is_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        opened(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'strains.zip'}: ")
    assert "\n" not in str(caught.value)
    assert f"`omicsbench data make {tmp_path.name}`" in str(caught.value)


def test_an_altered_file_is_refused_even_after_it_was_read(tmp_path: Path) -> None:
    content = packed(HEADER, {"x": np.arange(3.0)})
    found = opened(tmp_path, content)
    found.path.write_bytes(content + b" ")
    with pytest.raises(DataError, match="but the task wants"):
        open_pin(found.path, found.sha256)
    found.path.unlink()
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        open_pin(found.path, found.sha256)


def test_an_array_that_is_not_there_or_of_another_size_is_one_line(tmp_path: Path) -> None:
    found = opened(tmp_path, packed(HEADER, {"x": np.arange(3.0)}))
    with pytest.raises(DataError, match=r"array 'y' cannot be read"):
        found.array("y")
    with zipfile.ZipFile(io.BytesIO(packed(HEADER, {"x": np.arange(3.0)}))) as file:
        header, data = file.read("header.json"), file.read("x")
    shorter = opened(tmp_path, archive(header_json=header, x=data[:-8]))
    with pytest.raises(DataError, match=r"array 'x' cannot be read: 16 bytes are no array of shape \(3,\)"):
        shorter.array("x")


def test_what_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    content = packed(HEADER, {"x": np.arange(3.0)})
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        header = file.read("header.json")
    swollen = opened(tmp_path, archive(header_json=header, x=bytes(10**6)))
    with pytest.raises(DataError, match="x is larger than the 24 bytes that it should have"):
        swollen.array("x")
    asking = opened(tmp_path, archive(header_json=header.replace(b"[3]", b"[999999999]"), x=bytes(24)))
    with pytest.raises(DataError, match="there is no array of shape"):
        asking.array("x")
    with pytest.raises(DataError, match=r"header.json is larger than"):
        opened(tmp_path, archive(header_json=bytes(2**20 + 1)))


def test_what_could_not_be_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omicsbench.data.pinned._LARGEST", 10)
    assert packed(HEADER, {"x": np.zeros(10)})
    with pytest.raises(DataError, match=r"of shape \(11,\) is too large to be pinned"):
        packed(HEADER, {"x": np.zeros(11)})
