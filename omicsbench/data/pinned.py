"""Pinned data: the arrays of a simulated task in one file, the same bytes for everyone.

A ZIP archive with ``header.json`` and one LZMA-compressed member an array. Numbers keep 37 bits of their mantissa
(4e-12 relative). What is stored are the remaining bits as integers, differenced along time as often as pays, their
bytes regrouped: reading them back is integer arithmetic, which no processor does otherwise.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from omicsbench.errors import DataError
from omicsbench.files import read_bytes
from omicsbench.trajectory import Array

FORMAT = 1
FILE = "strains.zip"
"""The name of such a file in the folder of its task."""

_HEADER = "header.json"
_DROPPED = np.uint64(15)  # bits of 52
_MOST_DIFFERENCES = 8
_LARGEST, _LARGEST_HEADER = 2**25, 2**20  # values of one array, and bytes of a header, that are read at all
_BROKEN = (zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError)  # the last: a ZIP of another kind


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an array lies in the file: its shape, and how often it was differenced along its second axis."""

    shape: tuple[int, ...]
    differences: int


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says of itself.

    ``generator``: the version of the generator that made it, ``code`` the digest of the generator's modules;
    ``settings``: what the task asked of it; ``draws`` of as many training ``strains`` each.
    """

    format: int = FORMAT
    generator: int
    code: str
    settings: dict[str, Any]
    draws: int
    strains: int
    arrays: dict[str, Stored] = {}


class Pin:
    """An open file of pinned data. Arrays are decoded when first asked for, and kept."""

    def __init__(self, path: Path, sha256: str, header: Header, archive: zipfile.ZipFile) -> None:
        self.path, self.sha256, self.header = path, sha256, header
        self._archive = archive
        self._arrays: dict[str, Array] = {}

    def array(self, name: str) -> Array:
        """The array of that name, read-only. Raises ``DataError`` where the file does not hold it."""
        if name not in self._arrays:
            try:
                stored = self.header.arrays[name]
                self._arrays[name] = _decoded(_member(self._archive, name, 8 * _size(stored)), stored)
            except (KeyError, ValueError, *_BROKEN) as error:
                raise DataError(f"{self.path}: array {name!r} cannot be read: {error}; {_remedy(self.path)}") from None
        return self._arrays[name]


def open_pin(path: Path, sha256: str) -> Pin:
    """The pinned data in a file, checked against ``sha256``.

    Raises ``DataError``, one line: where, what is wrong (missing, altered, of another format), what to do.
    """
    try:
        stat = path.stat()
        return _open(path, sha256, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {_remedy(path)}") from None


@lru_cache(maxsize=16)
def _open(path: Path, sha256: str, changed: int, size: int) -> Pin:
    content = read_bytes(path, DataError)
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise DataError(f"{path}: sha256 is {got[:12]}…, but the task wants {sha256[:12]}…; {_remedy(path)}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        raw = _member(archive, _HEADER, _LARGEST_HEADER)
        found = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
        if found != FORMAT:
            raise DataError(
                f"{path}: is of format {found}, this version of omicsbench reads format {FORMAT}; {_remedy(path)}"
            )
        return Pin(path, sha256, msgspec.json.decode(raw, type=Header), archive)
    except (KeyError, ValueError, msgspec.MsgspecError, *_BROKEN) as error:
        raise DataError(f"{path}: no file of pinned strains: {error}; {_remedy(path)}") from None


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    if archive.getinfo(name).file_size > most:
        raise ValueError(f"{name} is larger than the {most} bytes that it should have")
    return archive.read(name)


def _size(stored: Stored) -> int:
    if min(stored.shape, default=0) < 0 or (size := math.prod(stored.shape)) > _LARGEST:
        raise ValueError(f"there is no array of shape {stored.shape}")
    return size


def _remedy(path: Path) -> str:
    return f"take the unaltered file, or make it again by `omicsbench data make {path.parent.name}`"


def packed(header: Header, arrays: Mapping[str, Array]) -> bytes:
    """The bytes of a file: the same for the same header and arrays. Arrays may hold NaN, and no infinity.

    Raises ``DataError`` where one is too large.
    """
    encoded = {name: _encoded(array) for name, array in sorted(arrays.items())}
    header = msgspec.structs.replace(header, arrays={name: stored for name, (stored, _) in encoded.items()})
    members = {_HEADER: msgspec.json.encode(header, order="sorted")} | {n: data for n, (_, data) in encoded.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)  # of 1980: no time of making gets into the bytes
            member.create_system = 3
            archive.writestr(member, data, zipfile.ZIP_LZMA)
    return out.getvalue()


def _encoded(array: Array) -> tuple[Stored, bytes]:
    """The array rounded, differenced as often as makes it smallest, in planes of bytes."""
    if array.size > _LARGEST:
        raise DataError(f"an array of shape {array.shape} is too large to be pinned; name fewer strains in task.toml")
    half = np.uint64(1) << (_DROPPED - np.uint64(1))
    bits = (np.ascontiguousarray(array).view(np.uint64) + half) >> _DROPPED
    bits = np.ascontiguousarray(np.moveaxis(bits, 1, -1)) if bits.ndim == 3 else bits
    found = [_planes(bits)]
    for _ in range(_MOST_DIFFERENCES if bits.ndim == 3 else 0):
        bits = np.diff(bits, axis=-1, prepend=np.zeros_like(bits[..., :1]))
        found.append(_planes(bits))
    sizes = [len(lzma.compress(planes)) for planes in found]
    best = sizes.index(min(sizes))
    return Stored(array.shape, best), found[best]


def _decoded(data: bytes, stored: Stored) -> Array:
    shape, size = stored.shape, _size(stored)
    if len(data) != 8 * size:
        raise ValueError(f"{len(data)} bytes are no array of shape {shape}")
    turned = (shape[0], shape[2], shape[1]) if len(shape) == 3 else shape
    planes = np.frombuffer(data, dtype=np.uint8).reshape(8, size)
    folded = np.ascontiguousarray(planes.T).view("<u8").astype(np.uint64).reshape(turned)
    bits = (folded >> np.uint64(1)) ^ (np.uint64(0) - (folded & np.uint64(1)))
    for _ in range(stored.differences):
        bits = np.cumsum(bits, axis=-1, dtype=np.uint64)
    bits = np.moveaxis(bits, -1, 1) if len(shape) == 3 else bits
    array = np.ascontiguousarray(bits << _DROPPED).view(np.float64)
    array.flags.writeable = False
    return array


def _planes(bits: NDArray[np.uint64]) -> bytes:
    """The first bytes of all numbers, then the second ones and so on; small negative differences are small numbers."""
    folded = (bits << np.uint64(1)) ^ (np.uint64(0) - (bits >> np.uint64(63)))
    return np.ascontiguousarray(folded.astype("<u8").reshape(-1).view(np.uint8).reshape(-1, 8).T).tobytes()
