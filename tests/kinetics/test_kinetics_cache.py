"""The cache: it may lose time, never a result."""

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
