"""The two checksums that the services put on data; the standard library has neither."""

from __future__ import annotations


def _table(polynomial: int) -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ polynomial if value & 1 else value >> 1
        rows.append(value)
    return tuple(rows)


_CRC64 = _table(0xC96C5795D7870F42)
_CRC32C = _table(0x82F63B78)


def crc64(data: bytes, start: int = 0) -> int:
    """CRC-64/XZ, which is the one of `x-oss-hash-crc64ecma`; `start` continues a shorter one.

    >>> hex(crc64(b"123456789"))
    '0x995dc9bbdf1939fa'
    >>> crc64(b"6789", crc64(b"12345")) == crc64(b"123456789")
    True
    """
    value, table = start ^ 0xFFFFFFFFFFFFFFFF, _CRC64
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFFFFFFFFFF


def crc32c(data: bytes, start: int = 0) -> int:
    """CRC-32C (Castagnoli), of tunnel records and of TensorBoard's.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value, table = start ^ 0xFFFFFFFF, _CRC32C
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF
