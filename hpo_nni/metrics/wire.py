"""The protobuf wire format: a message's fields as spans, without its schema.

Source: "Encoding" in Protocol Buffers' documentation. Groups (wire types 3 and 4) are not read.
"""

from __future__ import annotations

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Span = tuple[int, int, int]  # key, and where the value begins and ends; a varint is (key, value, 0)


class WireError(ValueError):
    """Bytes that are no message; the checksum was right, so the writer is at fault."""


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a base-128 number; return it and the position behind it.

    >>> varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise WireError("a number of more than ten bytes")


def fields(data: bytes, position: int, end: int) -> list[Span]:
    """The fields of the message in `data[position:end]`, in their order.

    Raises:
        WireError: these bytes are no message.
        IndexError: it is cut off.
    """
    found = []
    while position < end:
        key = data[position]
        position += 1
        if key >= 0x80:
            key, position = varint(data, position - 1)
        kind = key & 7
        if kind == BYTES:
            size = data[position]
            position += 1
            if size >= 0x80:
                size, position = varint(data, position - 1)
            found.append((key, position, position + size))
            position += size
        elif kind == VARINT:
            number = data[position]
            position += 1
            if number >= 0x80:
                number, position = varint(data, position - 1)
            found.append((key, number, 0))
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
            found.append((key, position, position + size))
            position += size
        else:
            raise WireError(f"wire type {kind}")
    if position != end:
        raise WireError("a field reaches beyond its message")
    return found
