"""Arrays kept on disk by the content of the request that made them. Losing the cache costs time, never a result."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from omicsbench.digest import digest_of, package_digest
from omicsbench.trajectory import Array

_HOME = Path(__file__).parent
_PATHWAY = ("generator", "integrate", "rates", "sampling", "strains", "virtual", "world")
_SBML = ("generator", "sampling", "sbml")
_LARGEST, _TOTAL = 2**28, 2**30  # bytes of one entry, and of all


def cache_dir() -> Path:
    """``OMICSBENCH_CACHE``, or the user's cache folder; simulated strains are in its ``kinetics``."""
    named = os.environ.get("OMICSBENCH_CACHE")
    return Path(named or platformdirs.user_cache_dir("omicsbench", appauthor=False)) / "kinetics"


def content_key(**request: Any) -> str:
    """sha256 of a request (JSON values) and of the code that answers it: equal keys mean equal arrays.

    The code is all of ``omicsbench.kinetics`` as parsed: a comment changes no key.
    """
    text = json.dumps(request, sort_keys=True)
    return hashlib.sha256(f"{_code(_HOME)} {text}".encode()).hexdigest()


_code = cache(package_digest)


@cache
def generator_digest(sbml: bool = False) -> str:
    """Tells the code that makes strains from other code: sha256 over its modules as parsed.

    ``sbml``: strains of an SBML model; else those of the suite's own pathway.
    """
    return digest_of({name: _HOME / f"{name}.py" for name in (_SBML if sbml else _PATHWAY)})


def cached(key: str, shape: tuple[int, ...], make: Callable[[], Array]) -> Array:
    """The array of ``shape`` kept under ``key``, or what ``make`` returns, which is then kept.

    A damaged entry is made anew. Entries appear whole or not at all, so writers may race. A folder that cannot be
    written to, or an array above 256 MiB, only means that nothing is kept.
    """
    path = cache_dir() / f"{key}.npz"
    found = _load(path, shape)
    if found is not None:
        return found
    made = make()
    if made.nbytes <= _LARGEST:
        with contextlib.suppress(OSError):
            _save(path, made)
    return made


def _load(path: Path, shape: tuple[int, ...]) -> Array | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # checks the CRC
            x = archive["x"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return x if x.shape == shape and x.dtype == np.float64 else None


def _save(path: Path, x: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, x=x)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _prune(path.parent)


def _prune(folder: Path) -> None:
    """Remove the oldest entries until the rest is within bounds."""
    entries = sorted(((entry.stat(), entry) for entry in folder.glob("*.npz")), key=lambda pair: pair[0].st_mtime)
    excess = sum(stat.st_size for stat, _ in entries) - _TOTAL
    for stat, entry in entries:
        if excess <= 0:
            return
        entry.unlink(missing_ok=True)
        excess -= stat.st_size
