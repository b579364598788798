from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.util.tensor_util import make_tensor_proto

from hpo_nni.metrics.event_message import parse_event


def number(record: bytes) -> float | None:
    [value] = parse_event(record).values
    return value.number


@pytest.mark.parametrize(
    "dtype, numbers",
    [
        ("float32", [0.0, 0.5, -1e-30, math.inf]),
        ("float64", [0.0, 0.1, 1e300]),
        ("float16", [0.0, 0.5, -2.0]),
        ("int8", [0, -3]),
        ("int16", [0, -300]),
        ("int32", [0, 7, -70000]),
        ("int64", [0, 2**40, -(2**40)]),
        ("uint8", [0, 255]),
        ("uint16", [0, 65535]),
        ("uint32", [0, 2**32 - 1]),
        ("uint64", [0, 2**60]),
        ("bool", [False, True]),
    ],
)
def test_a_tensor_of_one_number_is_read_in_both_spellings(event, dtype, numbers):
    for value in numbers:
        typed = make_tensor_proto(value, dtype=np.dtype(dtype))
        array = np.array(value, dtype=dtype)
        raw = TensorProto(
            dtype=typed.dtype, tensor_shape=typed.tensor_shape, tensor_content=array.tobytes()
        )
        assert number(event(3, auc=typed)) == float(array)
        assert number(event(3, auc=raw)) == float(array)


def test_a_bfloat16_is_the_upper_half_of_a_float(event):
    bits = struct.unpack("<I", struct.pack("<f", -1.5))[0] >> 16
    assert number(event(1, auc=TensorProto(dtype=14, half_val=[bits]))) == -1.5
    raw = TensorProto(dtype=14, tensor_content=struct.pack("<H", bits))
    assert number(event(1, auc=raw)) == -1.5


@pytest.mark.parametrize("value", [b"\x38\x05", b"\x3a\x01\x05"], ids=["unpacked", "packed"])
def test_a_number_need_not_be_packed(value):
    tensor = b"\x08\x03" + value  # an int32 tensor without a shape
    body = b"\x0a\x01a\x42" + bytes([len(tensor)]) + tensor
    summary = b"\x0a" + bytes([len(body)]) + body
    assert number(b"\x2a" + bytes([len(summary)]) + summary) == 5.0


def test_a_tensor_with_dimensions_of_one_is_one_number(event):
    assert number(event(1, auc=make_tensor_proto([[0.25]], dtype="float32"))) == 0.25


@pytest.mark.parametrize(
    "tensor",
    [
        make_tensor_proto([0.25, 0.5], dtype="float32"),
        make_tensor_proto("text"),
        TensorProto(dtype=1, tensor_shape=TensorShapeProto(unknown_rank=True), float_val=[1.0]),
        TensorProto(dtype=1, float_val=[1.0, 2.0]),
        TensorProto(dtype=1),
        TensorProto(dtype=99),
    ],
    ids=["two", "text", "unknown rank", "two without a shape", "none", "unknown type"],
)
def test_another_tensor_is_no_number(event, tensor):
    assert number(event(1, auc=tensor)) is None


def test_content_that_does_not_fit_its_type_is_no_message(event):
    with pytest.raises(struct.error):
        parse_event(event(1, auc=TensorProto(dtype=1, tensor_content=b"abc")))


def test_only_what_has_one_value_is_plain(event):
    assert parse_event(event(1, auc=0.5)).is_plain
    assert parse_event(event(0, auc=0.5)).is_plain
    assert not parse_event(event(1, auc=0.5, loss=0.5)).is_plain
    assert not parse_event(event(1, auc=0.5) + b"\x10\x05").is_plain
