"""Whatever bytes a worker sends, the runner has a message, a result of the promised type, or a surprise."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from omicsbench.model import Simulation
from omicsbench.running import messages
from omicsbench.running.messages import Frames, Surprise
from omicsbench.trajectory import Array


@dataclass(frozen=True, eq=False)
class Result:
    x: Array
    samples: Array | None
    details: dict[str, Any]


def test_what_is_packed_comes_back_bit_by_bit() -> None:
    x = np.array([[0.1, np.nan], [np.inf, -0.0]])
    sent = Result(x[:, ::-1], None, {"text": "é", "list": [1, 2.5, None, True]})
    got = messages.unpack(messages.pack(sent), Result)
    assert got.x.tobytes() == x[:, ::-1].tobytes()
    assert got.x.flags.writeable
    assert got.samples is None
    assert got.details == sent.details


@given(
    arrays.arrays(some.sampled_from([">f8", "<i4", "|u1", ">i8", "<i8"]), arrays.array_shapes(min_dims=0, min_side=0))
)
def test_arrays_of_any_shape_and_byte_order_come_back(status: Any) -> None:
    sent = Simulation(np.zeros((1, 1, 1)), status)
    got = messages.unpack(messages.pack(sent), Simulation)
    assert got.status.shape == status.shape
    assert got.status.dtype == status.dtype.newbyteorder("<")
    np.testing.assert_array_equal(got.status, status)


@pytest.mark.parametrize(
    "array",
    [
        {"kind": "<f8", "shape": [2], "data": b"12345678"},
        {"kind": "<f8", "shape": [-1], "data": b"12345678"},
        {"kind": "<f8", "shape": [2**62, 2**62], "data": b""},
        {"kind": "<f8", "shape": [0] * 9, "data": b""},
        {"kind": "|O", "shape": [1], "data": b"12345678"},
        {"kind": "<U2", "shape": [1], "data": b"12345678"},
        {"kind": "<f8", "shape": [1], "data": b"12345678", "more": 1},
        {"kind": "<f8", "shape": 1, "data": b"12345678"},
        {"kind": "<f8", "shape": [1]},
        [1.0],
        "text",
        None,
    ],
    ids=str,
)
def test_what_is_no_array_is_a_surprise(array: Any) -> None:
    sent = msgspec.Raw(msgspec.msgpack.encode({"x": array, "samples": None, "details": {}}))
    with pytest.raises(Surprise, match="the worker sent what is no result"):
        messages.unpack(sent, Result)


@given(some.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_surprise(body: bytes) -> None:
    for read in (messages.from_worker, lambda body: messages.unpack(msgspec.Raw(body), Result)):
        with contextlib.suppress(Surprise):
            read(body)


@given(some.lists(some.binary(max_size=50), max_size=5), some.integers(1, 7))
def test_frames_are_cut_wherever_the_bytes_are(bodies: list[bytes], step: int) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    frames, found = Frames(), []
    for start in range(0, len(stream), step):
        frames.feed(stream[start : start + step])
        while (body := frames.take()) is not None:
            found.append(body)
    assert found == bodies
    assert not frames


def test_a_frame_too_large_is_a_surprise_before_it_has_come() -> None:
    frames = Frames()
    frames.feed((messages.LARGEST_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(Surprise, match="announced a message of 536870913 bytes"):
        frames.take()


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(TypeError, match=r"a builtins\.object cannot be sent"):
        messages.pack({"x": object()})
