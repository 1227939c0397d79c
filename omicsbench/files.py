"""Files read and written with care: a reader meets nothing endless, and nobody ever sees half of a file."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from omicsbench.errors import RequestError

LARGEST = 200_000_000
"""Bytes of a file that is read at all."""


def read_bytes(path: Path, kind: type[RequestError] = RequestError) -> bytes:
    """All bytes of a regular file of bounded size. Raises ``kind`` naming the file and what is wrong."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise kind(f"{path}: cannot be read: not a regular file")
        if found.st_size > LARGEST:
            raise kind(f"{path}: {found.st_size / 1e6:.0f} MB, more than the {LARGEST / 1e6:.0f} MB that are read")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_text(path: Path, kind: type[RequestError] = RequestError) -> str:
    """The text of a regular UTF-8 file of bounded size. Raises ``kind`` naming the file and what is wrong."""
    try:
        return read_bytes(path, kind).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise kind(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def write(path: Path, content: bytes | str, kind: type[RequestError] = RequestError) -> None:
    """Write under a temporary name, then rename: a reader never sees half of a file.

    Raises ``kind`` where the folder or the file cannot be written, or what is there is no regular file.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise kind(f"{path}: cannot be written: what is there is no regular file")
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def require_writable(folder: Path) -> None:
    """Make a folder, and see that files can be written into it, before anything is done that would be lost.

    Raises ``RequestError`` where they cannot.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise RequestError(f"{folder}: cannot be written into: not a folder; name another one by --out")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp") as trial:
            trial.write(b"0" * 4096)
            trial.flush()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"{folder}: cannot be written into: {reason}; name another folder by --out") from None
