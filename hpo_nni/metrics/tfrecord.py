"""The framing of TensorBoard event files, one file at a time.

A record is its length (8 bytes, little-endian), the masked crc32c of those 8, the data, and the
masked crc32c of the data; the mask is a rotation by 15 bits and an added constant (TensorFlow,
`core/lib/io/record_writer.h`).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import google_crc32c

if TYPE_CHECKING:
    from hpo_nni.metrics.damage import Damage

HEADER_BYTES = 12
FOOTER_BYTES = 4
MAX_RECORD_BYTES = 1 << 26  # merged summaries carry images beside scalars, but not this many
_KNOWN_LENGTHS = 4096
_MASK = 0xA282EAD8

_uint = struct.Struct("<I").unpack_from


def masked(crc: int) -> int:
    """The form in which a checksum stands in a record.

    >>> hex(masked(0xE3069283))
    '0xc78ab0e5'
    """
    return (crc >> 15 | (crc & 0x7FFF) << 17) + _MASK & 0xFFFFFFFF


class RecordReader:
    """Turns the bytes of one file, in pieces of any size, into the data of its records.

    A record whose data does not match its checksum is reported and skipped. Where a length does
    not match its own, nothing tells where the next record begins: the rest of the file is given
    up, also what is appended later.
    """

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._pieces: list[bytes] = []
        self._held = 0
        self._needed = 0
        self._skip = 0
        self._offset = 0  # of what comes next in the file, for messages
        self._lengths: dict[bytes, int] = {}
        self.is_lost = False

    @property
    def half_written(self) -> int:
        """How many bytes of an unfinished record are held."""
        return self._held

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes of the file and return the data of the records that they complete."""
        if self.is_lost:
            return []
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held < self._needed:
            return []
        data = b"".join(self._pieces) if len(self._pieces) > 1 else piece
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        found: list[bytes] = []
        position, end = min(self._skip, len(data)), len(data)
        self._skip -= position
        needed = HEADER_BYTES
        checksum, lengths = google_crc32c.value, self._lengths
        while end - position >= HEADER_BYTES:
            header = data[position : position + HEADER_BYTES]
            length = lengths.get(header)
            if length is None:
                length = self._length(header, self._offset + position)
                if length is None:
                    return found
            after = position + HEADER_BYTES + length
            if length > MAX_RECORD_BYTES:
                self._skip = max(0, after + FOOTER_BYTES - end)
                position = min(after + FOOTER_BYTES, end)
                continue
            if end - FOOTER_BYTES < after:
                needed = after + FOOTER_BYTES - position
                break
            payload = data[position + HEADER_BYTES : after]
            crc = checksum(payload)  # `masked`, without a call: half of the time goes here
            if (crc >> 15 | (crc & 0x7FFF) << 17) + _MASK & 0xFFFFFFFF == _uint(data, after)[0]:
                found.append(payload)
            else:
                self._damage.report(
                    f"the record at byte {self._offset + position} does not match its checksum;"
                    " it is skipped"
                )
            position = after + FOOTER_BYTES
        self._keep(data[position:], needed)
        self._offset += position
        return found

    def _keep(self, rest: bytes, needed: int) -> None:
        self._pieces = [rest] if rest else []
        self._held = len(rest)
        self._needed = needed

    def _length(self, header: bytes, at: int) -> int | None:
        """The length in a header that has not been met before; None ends the file."""
        length, crc = struct.unpack("<QI", header)
        if crc != masked(google_crc32c.value(header[:8])):
            self.is_lost = True
            self._keep(b"", 0)
            self._damage.report(
                f"the length of the record at byte {at} does not match its checksum;"
                " the rest of this file is given up, also what is appended to it later"
            )
            return None
        if length > MAX_RECORD_BYTES:
            self._damage.report(
                f"the record at byte {at} has {length} bytes, more than a record of scalars has;"
                " it is skipped unread"
            )
        elif len(self._lengths) < _KNOWN_LENGTHS:
            self._lengths[header] = length
        return int(length)
