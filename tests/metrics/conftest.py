"""Event files made by other people's writers, and a count of what is read."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import google_crc32c
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto

if TYPE_CHECKING:
    from pathlib import Path

FRAME = Callable[[bytes], bytes]


def _masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.fixture(scope="session")
def frame() -> FRAME:
    """Put data into a record with right checksums."""

    def build(data: bytes) -> bytes:
        length = struct.pack("<Q", len(data))
        return length + _masked(length) + data + _masked(data)

    return build


@pytest.fixture(scope="session")
def event() -> Callable[..., bytes]:
    """Serialise an Event by TensorBoard's own classes; a value is a number or a TensorProto."""

    def build(step: int, time: float = 1.5, **values: float | TensorProto) -> bytes:
        summary = Summary()
        for tag, value in values.items():
            if isinstance(value, TensorProto):
                summary.value.add(tag=tag, tensor=value)
            else:
                summary.value.add(tag=tag, simple_value=value)
        return Event(wall_time=time, step=step, summary=summary).SerializeToString()

    return build


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The byte ranges that `pread` has returned, in order."""
    ranges: list[tuple[int, int]] = []
    pread = os.pread

    def counted(handle: int, size: int, offset: int) -> bytes:
        data = pread(handle, size, offset)
        if data:
            ranges.append((offset, offset + len(data)))
        return data

    monkeypatch.setattr(os, "pread", counted)
    return ranges


@pytest.fixture(scope="session")
def append() -> Callable[[Path, bytes], None]:
    def write(path: Path, data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    return write


@pytest.fixture(scope="session")
def pieces() -> Callable[[bytes, Iterable[int]], list[bytes]]:
    """Cut data at some places, given as any numbers."""

    def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
        at = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
        return [data[start:end] for start, end in itertools.pairwise(at)]

    return cut
