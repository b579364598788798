"""TensorBoard's Event message as far as scalars need it, straight from the wire format.

Only field numbers are known here (from TensorFlow's `event.proto`, `summary.proto`, `tensor.proto`,
`tensor_shape.proto`): neither TensorFlow nor TensorBoard is imported, whose start-up would be paid
by every trial.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.metrics.wire import BYTES, FIXED32, FIXED64, VARINT, Span, fields, varint

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_TIME = 1 << 3 | FIXED64
EVENT_STEP = 2 << 3 | VARINT
EVENT_SUMMARY = 5 << 3 | BYTES
_SUMMARY_VALUE = 1 << 3 | BYTES
_VALUE_TAG = 1 << 3 | BYTES
_VALUE_SIMPLE = 2 << 3 | FIXED32
_VALUE_TENSOR = 8 << 3 | BYTES
_TENSOR_DTYPE = 1 << 3 | VARINT
_TENSOR_SHAPE = 2 << 3 | BYTES
_TENSOR_CONTENT = 4 << 3 | BYTES
_SHAPE_DIM = 2 << 3 | BYTES
_SHAPE_UNKNOWN = 3 << 3 | VARINT
_DIM_SIZE = 1 << 3 | VARINT

_FLOAT = 1
_BFLOAT16 = 14
_HALF_BITS = 13  # the field that holds 16-bit floats as integers
_NUMBERS = {  # dtype -> how one number lies in tensor_content, the field for single numbers
    1: ("<f", 5),
    2: ("<d", 6),
    3: ("<i", 7),
    4: ("<B", 7),
    5: ("<h", 7),
    6: ("<b", 7),
    9: ("<q", 10),
    10: ("<?", 11),
    _BFLOAT16: ("<H", _HALF_BITS),
    17: ("<H", 7),
    19: ("<e", _HALF_BITS),
    22: ("<I", 16),
    23: ("<Q", 17),
}

_double = struct.Struct("<d").unpack_from
_float = struct.Struct("<f").unpack_from


class Value(NamedTuple):
    """One `Summary.Value`.

    Attributes:
        tag: as it was written.
        number: None where it holds something else than one number.
        place: where in the record the number lies as a float of four bytes; 0 if it does not.
    """

    tag: bytes
    number: float | None
    place: int


class EventMessage(NamedTuple):
    """One event.

    Attributes:
        time: seconds since the epoch; None if it is not written.
        step: 0 if it is not written.
        values: of all its summaries.
        is_plain: whether it is one time, at most one step, and one summary of one value, in this
            order: then nothing but the bytes of these can differ between records laid out alike.
    """

    time: float | None
    step: int
    values: list[Value]
    is_plain: bool


def parse_event(record: bytes) -> EventMessage:
    """Take an Event apart.

    Raises:
        WireError: it is no message.
        IndexError, struct.error: it is cut off.
    """
    time = None
    step = 0
    values = []
    keys = []
    inside = []
    for key, start, end in fields(record, 0, len(record)):
        keys.append(key)
        if key == EVENT_SUMMARY:
            for inner, first, last in fields(record, start, end):
                inside.append(inner)
                if inner == _SUMMARY_VALUE:
                    values.append(_value(record, first, last))
        elif key == EVENT_TIME:
            time = _double(record, start)[0]
        elif key == EVENT_STEP:
            step = start if start < 1 << 63 else start - (1 << 64)
    is_plain = keys in _PLAIN and inside == [_SUMMARY_VALUE]
    return EventMessage(time, step, values, is_plain)


_PLAIN = ([EVENT_TIME, EVENT_STEP, EVENT_SUMMARY], [EVENT_TIME, EVENT_SUMMARY])


def _value(record: bytes, start: int, end: int) -> Value:
    value = Value(b"", None, 0)
    for key, first, last in fields(record, start, end):
        if key == _VALUE_TAG:
            value = value._replace(tag=record[first:last])
        elif key == _VALUE_SIMPLE:
            value = Value(value.tag, _float(record, first)[0], first)
        elif key == _VALUE_TENSOR:
            value = Value(value.tag, *_tensor(record, first, last))
    return value


def _tensor(record: bytes, start: int, end: int) -> tuple[float | None, int]:
    """The one number in a TensorProto and its place; (None, 0) where it holds something else."""
    spans = fields(record, start, end)
    dtype = next((first for key, first, _ in spans if key == _TENSOR_DTYPE), 0)
    if dtype not in _NUMBERS:
        return None, 0
    layout, field = _NUMBERS[dtype]
    raw: list[float] = []
    place = 0
    for key, first, last in spans:
        if key == _TENSOR_SHAPE and not _is_one_element(record, first, last):
            return None, 0
        if key == _TENSOR_CONTENT and last > first:
            raw += (number for (number,) in struct.iter_unpack(layout, record[first:last]))
            place = first
        elif key >> 3 == field:
            raw += _typed_values(record, (key, first, last), layout)
            place = first
    if len(raw) != 1:
        return None, 0
    number = _widened(int(raw[0])) if dtype == _BFLOAT16 else float(raw[0])
    return number, place if dtype == _FLOAT else 0


def _is_one_element(record: bytes, start: int, end: int) -> bool:
    for key, first, last in fields(record, start, end):
        if key == _SHAPE_UNKNOWN and first:
            return False
        if key == _SHAPE_DIM:
            sizes = [size for inner, size, _ in fields(record, first, last) if inner == _DIM_SIZE]
            if sizes[-1:] != [1]:
                return False
    return True


def _typed_values(record: bytes, span: Span, layout: str) -> Iterator[float]:
    """The numbers in a `*_val` field, packed or not."""
    key, first, last = span
    kind = key & 7
    if layout in {"<f", "<d"}:
        yield from (number for (number,) in struct.iter_unpack(layout, record[first:last]))
    elif kind == VARINT:
        yield _from_bits(first, key >> 3, layout)
    else:
        while first < last:
            bits, first = varint(record, first)
            yield _from_bits(bits, key >> 3, layout)


def _from_bits(bits: int, field: int, layout: str) -> float:
    """What a varint stands for: bits of a 16-bit float, or an integer in two's complement."""
    if field == _HALF_BITS:
        number: float = struct.unpack(layout, struct.pack("<H", bits & 0xFFFF))[0]
        return number
    is_signed = layout[1].islower() and layout != "<?"
    return bits - (1 << 64) if is_signed and bits >= 1 << 63 else bits


def _widened(bits: int) -> float:
    """A bfloat16 is the upper half of a float32."""
    number: float = struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    return number
