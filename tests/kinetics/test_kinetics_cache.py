"""The cache: it may lose time, never a result."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from omicsbench.kinetics import cache, cache_dir, content_key

SHAPE = (3, 4)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMICSBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kinetics"


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.arange(12.0).reshape(SHAPE)


def test_made_once_then_found(folder):
    make = Maker()
    key = content_key(of="test", ks=[1, 2])
    for _ in range(3):
        np.testing.assert_array_equal(cache.cached(key, SHAPE, make), np.arange(12.0).reshape(SHAPE))
    assert make.calls == 1
    assert [entry.name for entry in folder.iterdir()] == [f"{key}.npz"]
    assert cache_dir() == folder


def test_keys_are_of_the_content():
    assert content_key(a=1, b=[0.1]) == content_key(b=[0.1], a=1)
    assert content_key(a=1) != content_key(a=2)
    assert content_key(t=[0.1 + 0.2]) != content_key(t=[0.3])


def test_keys_are_of_the_code_that_answers(tmp_path, monkeypatch):
    """Any module of the package counts, as parsed: an edit changes every key, a comment none."""
    copy = tmp_path / "kinetics"
    shutil.copytree(Path(cache.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = content_key(a=1)

    def key() -> str:
        monkeypatch.setattr(cache, "_HOME", copy)
        cache._code.cache_clear()
        return content_key(a=1)

    assert key() == before
    for name, code, other in (
        ("sbml.py", "_RELATIVE, _ABSOLUTE = 1e-9", "_RELATIVE, _ABSOLUTE = 1e-6"),
        ("sampling.py", "NOISE = 0.05", "NOISE = 0.06"),
        ("world.py", "_between(0.4, 0.8)", "_between(0.4, 0.9)"),
    ):
        text = (copy / name).read_text()
        (copy / name).write_text("# a comment\n" + text)
        assert key() == before
        assert code in text
        (copy / name).write_text(text.replace(code, other))
        assert key() != before
        (copy / name).write_text(text)
    assert key() == before
    cache._code.cache_clear()


def test_another_libroadrunner_is_another_request(monkeypatch):
    from omicsbench.kinetics import MEASURED_TIMES, sbml, sbml_strains

    pytest.importorskip("roadrunner")
    asked = (Path(__file__).with_name("two_step.xml"), {"k1": (0.05, 0.5)}, ["S"], [0], 0, MEASURED_TIMES)
    sbml_strains(*asked)
    sbml_strains(*asked)
    assert len(list(cache_dir().iterdir())) == 1
    monkeypatch.setattr(sbml, "roadrunner_version", lambda: "0.0")
    sbml_strains(*asked)
    assert len(list(cache_dir().iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "flipped"])
def test_a_damaged_entry_is_made_anew(folder, damage):
    make = Maker()
    cache.cached("key", SHAPE, make)
    entry = folder / "key.npz"
    content = bytearray(entry.read_bytes())
    if damage == "flipped":
        at = content.index(np.arange(12.0).tobytes()) + 20
        content[at] ^= 0xFF
    entry.write_bytes({"empty": b"", "truncated": content[:200], "garbage": b"no zip" * 50}.get(damage, content))
    np.testing.assert_array_equal(cache.cached("key", SHAPE, make), np.arange(12.0).reshape(SHAPE))
    assert make.calls == 2
    cache.cached("key", SHAPE, make)
    assert make.calls == 2


def test_an_entry_of_another_shape_is_not_used():
    make = Maker()
    cache.cached("key", (4, 3), lambda: np.ones((4, 3)))
    cache.cached("key", SHAPE, make)
    assert make.calls == 1


def test_writers_may_race(folder):
    big = np.random.default_rng(0).normal(size=(200, 500))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.cached("race", big.shape, lambda: big), range(40)))
    assert all(np.array_equal(x, big) for x in found)
    assert [entry.name for entry in folder.iterdir()] == ["race.npz"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OMICSBENCH_CACHE", str(tmp_path / "file"))
    make = Maker()
    for _ in range(2):
        np.testing.assert_array_equal(cache.cached("key", SHAPE, make), np.arange(12.0).reshape(SHAPE))
    assert make.calls == 2


def test_the_oldest_entries_make_room(folder, monkeypatch):
    monkeypatch.setattr(cache, "_TOTAL", 3 * 1024)
    for i in range(6):
        cache.cached(f"key{i}", (100,), lambda: np.ones(100))
    kept = sorted(entry.stem for entry in folder.iterdir())
    assert "key5" in kept
    assert "key0" not in kept
    assert sum(entry.stat().st_size for entry in folder.iterdir()) <= 3 * 1024


def test_what_is_too_large_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(cache, "_LARGEST", 50)
    cache.cached("key", SHAPE, Maker())
    assert not folder.exists()
