"""TensorBoard's event files, written from the wire format (TensorFlow's event.proto)."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.crc import crc32c
from hpo_nni.testing.cloud.tunnel import varint

if TYPE_CHECKING:
    from collections.abc import Mapping


def header() -> bytes:
    """The record that every event file begins with."""
    return _record(_time() + _bytes(3, b"brain.Event:2"))


def scalars(step: int, values: Mapping[str, float]) -> bytes:
    """One event with all the values of one step."""
    summary = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
        for tag, value in values.items()
    )
    return _record(_time() + b"\x10" + varint(step) + _bytes(5, summary))


def _time() -> bytes:
    return b"\x09" + struct.pack("<d", time.time())


def _bytes(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)
