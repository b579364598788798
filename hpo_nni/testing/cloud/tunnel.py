"""The tunnel's record stream: how rows travel to a client.

Protobuf's wire format: each cell under the number of its column, after each record its checksum, at
the end their number and the checksum of the checksums (read in pyodps' reader and run against it).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.crc import crc32c

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.tables import Cell, Result

_END_RECORD = 33553408
_COUNT = 33554430
_CHECKSUM = 33554431
_VARINT, _FIXED64, _BYTES = 0, 1, 2


def encode(result: Result) -> bytes:
    """The rows as a stream."""
    kinds = [column.kind for column in result.columns]
    stream, over_all = bytearray(), 0
    for row in result.rows:
        checksum = 0
        for number, (kind, cell) in enumerate(zip(kinds, row, strict=True), start=1):
            if cell is None:
                continue
            wire, counted, tag = _cell(kind, cell)
            stream += varint(number << 3 | tag) + wire
            checksum = crc32c(struct.pack("<i", number) + counted, checksum)
        stream += varint(_END_RECORD << 3 | _VARINT) + varint(checksum)
        over_all = crc32c(struct.pack("<I", checksum), over_all)
    stream += varint(_COUNT << 3 | _VARINT) + varint(_zigzag(len(result.rows)))
    stream += varint(_CHECKSUM << 3 | _VARINT) + varint(over_all)
    return bytes(stream)


def _cell(kind: str, value: Cell) -> tuple[bytes, bytes, int]:
    """A cell on the wire, as it is counted in the checksum, and its wire type."""
    if kind == "bigint":
        number = int(value or 0)
        return varint(_zigzag(number)), struct.pack("<q", number), _VARINT
    if kind == "double":
        packed = struct.pack("<d", float(value or 0))
        return packed, packed, _FIXED64
    data = str(value).encode()
    return varint(len(data)) + data, data, _BYTES


def varint(value: int) -> bytes:
    """Seven bits to a byte, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
