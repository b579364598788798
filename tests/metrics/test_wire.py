from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event

from hpo_nni.metrics.wire import WireError, fields, varint


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_read_to_its_end(number):
    key, *data = Event(step=number - 2**63).SerializeToString() or b"\x10\x00"
    assert varint(bytes([key, *data, 7]), 1) == ((number - 2**63) % 2**64, len(data) + 1)


def test_fields_come_in_the_order_of_the_bytes():
    data = Event(wall_time=1.0, step=300, file_version="v").SerializeToString()
    assert [(key >> 3, key & 7) for key, _, _ in fields(data, 0, len(data))] == [
        (1, 1),
        (2, 0),
        (3, 2),
    ]


@pytest.mark.parametrize(
    "data",
    [
        bytes([0x0A, 5, 1]),  # a string that is longer than its message
        bytes([0x09, 1, 2]),  # half a double
        bytes([0x0B]),  # a group
        bytes([0x10]),  # a key without a value
        bytes([0x10] + [0xFF] * 11),  # a number that does not end
        bytes([0x8A]),  # half a key
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises((WireError, IndexError)):
        fields(data, 0, len(data))


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_garbage_raises_nothing_else(data):
    with contextlib.suppress(WireError, IndexError):
        fields(data, 0, len(data))
