"""Scalars out of TensorBoard's events, straight from the protobuf wire format.

Only what a scalar needs is known here (field numbers from TensorFlow's `event.proto`,
`summary.proto`, `tensor.proto`, `tensor_shape.proto`): neither TensorFlow nor TensorBoard is
imported, whose start-up would be paid by every trial.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Span,
    WireError,
    fields,
    varint,
    varint_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hpo_nni.metrics.damage import Damage

MAX_SEEN = 1000

_EVENT_TIME = 1 << 3 | FIXED64
_EVENT_STEP = 2 << 3 | VARINT
_EVENT_SUMMARY = 5 << 3 | BYTES
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

_AFTER_TIME = frozenset({_EVENT_STEP, _EVENT_SUMMARY})
_HEAD_BYTES = 11  # a key, the time, a key, the step's first byte

_double = struct.Struct("<d").unpack_from
_head = struct.Struct("<BdBB").unpack_from
_float = struct.Struct("<f").unpack_from


class ScalarDecoder:
    """Turns the data of records into points of the wanted tags.

    A scalar is a `simple_value` (TensorFlow 1, tensorboardX, PyTorch) or a tensor of exactly one
    number (TensorFlow 2, PyTorch's new style), whatever plugin it was written for.

    Attributes:
        seen: the tags of all scalars, wanted or not; the first thousand.
    """

    def __init__(self, wanted: Collection[str], damage: Damage) -> None:
        self._wanted = frozenset(wanted)
        self._damage = damage
        self._tags: dict[bytes, str | None] = {}  # None: a scalar that nobody wants
        self._usual: dict[bytes, str | None] = {}  # the same, by what `_usual_bytes` gives
        self.seen: dict[str, None] = {}

    def points(self, records: Iterable[bytes]) -> list[MetricPoint]:
        """Decode records in their order; what cannot be decoded is reported and left out.

        Nearly all records are laid out alike: time, step, and a summary of one simple value, whose
        bytes up to the value depend on the tag only. These are looked up, which is four times as
        fast as taking them apart; all others are taken apart.
        """
        found = []
        usual = self._usual
        for record in records:
            if len(record) >= _HEAD_BYTES + 4:
                first, time, second, step = _head(record)
                place, bits = _HEAD_BYTES, 7
                if second == _EVENT_SUMMARY:  # step 0 is not written
                    step, place = 0, place - 2
                while step >> bits and place < _HEAD_BYTES + 3:
                    step = step ^ 1 << bits | record[place] << bits
                    bits += 7
                    place += 1
                if first == _EVENT_TIME and second in _AFTER_TIME and not step >> bits:
                    name = usual.get(record[place:-4], "")
                    if name:
                        value = _float(record, len(record) - 4)[0]
                        found.append(MetricPoint(step, {name: value}, time))
                    if name != "":
                        continue
            point = self._take_apart(record)
            if point is not None:
                found.append(point)
        return found

    def _take_apart(self, record: bytes) -> MetricPoint | None:
        try:
            return self._point(record)
        except (WireError, IndexError, struct.error, UnicodeDecodeError) as error:
            self._damage.report(
                f"a record of {len(record)} bytes with a right checksum is no event ({error});"
                " it is skipped"
            )
            return None

    def _point(self, record: bytes) -> MetricPoint | None:
        time = None
        step = 0
        values: dict[str, float] = {}
        for key, start, end in fields(record, 0, len(record)):
            if key == _EVENT_SUMMARY:
                for inner, first, last in fields(record, start, end):
                    if inner == _SUMMARY_VALUE:
                        self._value(record, first, last, values)
            elif key == _EVENT_TIME:
                time = _double(record, start)[0]
            elif key == _EVENT_STEP:
                step = start if start < 1 << 63 else start - (1 << 64)
        return MetricPoint(step, values, time) if values else None

    def _value(self, record: bytes, start: int, end: int, values: dict[str, float]) -> None:
        """Put one `Summary.Value` into `values`, if somebody wants it."""
        tag = b""
        kind = place = stop = 0
        for key, first, last in fields(record, start, end):
            if key == _VALUE_TAG:
                tag = record[first:last]
            elif key in (_VALUE_SIMPLE, _VALUE_TENSOR):
                kind, place, stop = key, first, last
        name = self._tags.get(tag, "")
        if name is None:
            return
        if kind == _VALUE_SIMPLE:
            number: float | None = _float(record, place)[0]
        else:
            number = _tensor_number(record, place, stop) if kind else None
        if not name:
            name = self._meet(tag, number)
        if name and number is not None:
            values[name] = number

    def _meet(self, tag: bytes, number: float | None) -> str | None:
        """Remember a tag at its first scalar; return it if it is wanted."""
        name = tag.decode()
        is_wanted = name in self._wanted
        if number is None:
            if is_wanted:
                self._damage.report(f"a record of {name!r} holds something else than one number")
            return None
        if is_wanted or len(self.seen) < MAX_SEEN:
            self._tags[tag] = name if is_wanted else None
            self._usual[_usual_summary(tag)] = self._tags[tag]
            self.seen[name] = None
        return name if is_wanted else None


def _usual_summary(tag: bytes) -> bytes:
    """How every known writer lays out a summary of one simple value, up to the value's bytes."""
    value = b"\x0a" + varint_bytes(len(tag)) + tag + b"\x15"
    summary = b"\x0a" + varint_bytes(len(value) + 4) + value
    return b"\x2a" + varint_bytes(len(summary) + 4) + summary


def _tensor_number(record: bytes, start: int, end: int) -> float | None:
    """The one number in a TensorProto; None where it holds something else."""
    spans = fields(record, start, end)
    dtype = next((first for key, first, _ in spans if key == _TENSOR_DTYPE), 0)
    if dtype not in _NUMBERS:
        return None
    layout, field = _NUMBERS[dtype]
    raw: list[float] = []
    for key, first, last in spans:
        if key == _TENSOR_SHAPE and not _is_one_element(record, first, last):
            return None
        if key == _TENSOR_CONTENT and last > first:
            raw += (number for (number,) in struct.iter_unpack(layout, record[first:last]))
        elif key >> 3 == field:
            raw += _typed_values(record, (key, first, last), layout)
    if len(raw) != 1:
        return None
    return _widened(int(raw[0])) if dtype == _BFLOAT16 else float(raw[0])


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
