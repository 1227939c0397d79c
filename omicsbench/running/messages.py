"""What a runner and a worker process say to each other, as frames on a socket: four bytes of length, then msgpack.

What a worker says is hostile: it is decoded into these types or not at all, and nothing in it is ever run.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import msgspec

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_FRAME = 2**29
"""Bytes of a frame: some thousand draws of a hundred strains."""
MOST_AXES = 8
KINDS = {"<f8", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8"}
"""Types of number that an array may hold."""
Decoded = TypeVar("Decoded")


class Surprise(Exception):
    """A worker did what no worker does. Says what, in one line."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True, tag_field="says"):
    """Whatever is said belongs to a job, by its number."""

    job: int


class Start(Message, frozen=True):
    """To a worker: do this pickled work."""

    work: bytes


class Go(Message, frozen=True):
    """To a worker: what you asked for is so."""


class Said(Message, frozen=True):
    """From a worker. ``number`` counts what it says of a job, from 1."""

    number: int


class Progress(Said, frozen=True):
    """How far a fit has come."""

    step: int
    of: int
    loss: float | None


class AskAlone(Said, frozen=True):
    """A timing begins; ``Go`` when nothing else runs."""


class EndAlone(Said, frozen=True):
    """The timing is over; ``Go`` when that is known."""


class Failed(Said, frozen=True):
    """The work raised."""

    type: str
    message: str
    traceback: str


class Done(Said, frozen=True):
    """The result. ``clean``: the process is as it was before, so it may do more work."""

    result: msgspec.Raw
    clean: bool


FromRunner = Start | Go
FromWorker = Progress | AskAlone | EndAlone | Failed | Done
_from_runner: msgspec.msgpack.Decoder[FromRunner] = msgspec.msgpack.Decoder(FromRunner)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def frame(message: Message) -> bytes:
    """A message as it goes down the socket. Raises ``ValueError`` where it is larger than a frame may be."""
    body = msgspec.msgpack.encode(message)
    if len(body) > LARGEST_FRAME:
        raise ValueError(f"{len(body) >> 20} MiB are more than the {LARGEST_FRAME >> 20} MiB that can be sent")
    return len(body).to_bytes(4, "big") + body


def from_runner(body: bytes) -> FromRunner:
    """What the runner said."""
    return _from_runner.decode(body)


def from_worker(body: bytes) -> FromWorker:
    """What a worker said. Raises ``Surprise`` where it is none of the messages."""
    try:
        return _from_worker.decode(body)
    except Exception as error:
        raise Surprise(f"the worker sent what is no message: {error}") from None


class Frames:
    """Cuts what comes down a socket into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._bytes += data

    def take(self) -> bytes | None:
        """The next whole frame, or None while there is none. Raises ``Surprise`` at one larger than it may be."""
        if len(self._bytes) < 4:
            return None
        size = int.from_bytes(self._bytes[:4], "big")
        if size > LARGEST_FRAME:
            raise Surprise(f"the worker announced a message of {size} bytes; at most {LARGEST_FRAME} are taken")
        if len(self._bytes) < 4 + size:
            return None
        body = bytes(memoryview(self._bytes)[4 : 4 + size])
        del self._bytes[: 4 + size]
        return body

    def __bool__(self) -> bool:
        return bool(self._bytes)


def pack(result: object) -> msgspec.Raw:
    """A result (dataclasses, structs, arrays, JSON values) encoded. Raises ``TypeError`` for anything else."""
    return msgspec.Raw(msgspec.msgpack.encode(result, enc_hook=_encode))


def unpack(result: msgspec.Raw, kind: type[Decoded]) -> Decoded:
    """The result of that type. Raises ``Surprise`` where it is another."""
    try:
        return msgspec.msgpack.decode(result, type=kind, dec_hook=_decode)
    except Exception as error:
        raise Surprise(f"the worker sent what is no result: {type(error).__name__}: {error}") from None


def _encode(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        little = numpy.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return {"kind": little.dtype.str, "shape": list(value.shape), "data": little.tobytes()}
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    raise TypeError(f"a {type(value).__module__}.{type(value).__name__} cannot be sent")


class _Numbers(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    shape: tuple[int, ...]
    data: bytes


def _decode(kind: Any, value: Any) -> NDArray[Any]:
    import numpy

    if get_origin(kind) is not numpy.ndarray:
        raise TypeError(f"nothing of type {kind} can be sent")
    given = msgspec.convert(value, _Numbers)
    if given.kind not in KINDS or len(given.shape) > MOST_AXES or min(given.shape, default=0) < 0:
        raise ValueError(f"no array has type {given.kind!r} and shape {given.shape}")
    if math.prod(given.shape) * numpy.dtype(given.kind).itemsize != len(given.data):
        raise ValueError(f"{len(given.data)} bytes are no array of {given.kind} of shape {given.shape}")
    return numpy.frombuffer(given.data, given.kind).reshape(given.shape).copy()
