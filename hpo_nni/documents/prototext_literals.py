r"""Literals of protobuf text: what they mean and how values are written."""

from __future__ import annotations

import math
import re
from typing import Any

from hpo_nni.documents.base import EnumName

_STRING_PARTS = re.compile(r'"((?:[^"\\\n]|\\.)*)"' + r"|'((?:[^'\\\n]|\\.)*)'|#[^\n]*")
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"
)
_SIMPLE = {
    "a": b"\a",
    "b": b"\b",
    "f": b"\f",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "v": b"\v",
    "?": b"?",
    "\\": b"\\",
    "'": b"'",
    '"': b'"',
}
_OCTAL = re.compile(r"([+-]?)0([0-7]+)\Z")
_WORD_FLOAT = re.compile(r"([+-]?)(inf(?:inity)?f?|nanf?)\Z", re.IGNORECASE)
_PLAIN_INTEGER = re.compile(r"-?[0-9]+\Z")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+\Z")


def unquote(raw: str) -> str:
    r"""The text of one or several adjacent string literals.

    Bytes that are no UTF-8 become surrogates, as in file names, so that nothing is lost.

    >>> unquote("'a' \"\\n\\345\\256\\236\"")
    'a\n实'
    """
    bodies = [match[1] or match[2] or "" for match in _STRING_PARTS.finditer(raw)]
    text = "".join(bodies)
    if "\\" not in text:
        return text
    # escapes name bytes, and only all bytes together are text
    parts: list[bytes] = []
    for body in bodies:
        at = 0
        for match in _ESCAPE.finditer(body):
            parts += (body[at : match.start()].encode("utf-8", "surrogatepass"), _byte(match))
            at = match.end()
        parts.append(body[at:].encode("utf-8", "surrogatepass"))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _byte(match: re.Match[str]) -> bytes:
    octal, hexadecimal, short, long, simple = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if short or long:
        code = int(short or long, 16)
        return chr(code).encode("utf-8", "surrogatepass") if code <= 0x10FFFF else match[0].encode()
    return _SIMPLE.get(simple) or match[0].encode("utf-8", "surrogatepass")


def quoted(text: str, quote: str = '"') -> str:
    r"""A string literal that reads back as `text`.

    >>> quoted('实 "x"\n')
    '"实 \\"x\\"\\n"'
    """
    out = []
    for char in text:
        code = ord(char)
        if char in {"\\", quote}:
            out.append("\\" + char)
        elif char in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char])
        elif 0xDC80 <= code <= 0xDCFF:
            out.append(f"\\{code - 0xDC00:03o}")
        elif code < 0x20 or code == 0x7F or 0xD800 <= code <= 0xDFFF:
            data = char.encode("utf-8", "surrogatepass")
            out.append("".join(f"\\{byte:03o}" for byte in data))
        else:
            out.append(char)
    return quote + "".join(out) + quote


def parse_integer(raw: str) -> int:
    """An integer literal; ValueError if it is none.

    >>> parse_integer("0x1F"), parse_integer("017"), parse_integer("- 5")
    (31, 15, -5)
    """
    raw = "".join(raw.split())
    octal = _OCTAL.match(raw)
    if octal:
        return int(octal[1] + octal[2], 8)
    return int(raw, 0)


def parse_float(raw: str) -> float:
    """A number, `1.5f`, `-inf` and `nan` among them; ValueError if it is none.

    >>> parse_float("1.5f"), parse_float("-inf")
    (1.5, -inf)
    """
    raw = "".join(raw.split())
    word = _WORD_FLOAT.match(raw)
    if word:
        value = math.nan if word[2][:1] in "nN" else math.inf
        return -value if word[1] == "-" else value
    if _LEADING_ZERO.match(raw):
        raise ValueError(raw)
    return float(raw[:-1] if raw[-1:] in {"f", "F"} else raw)


def spell(data: Any, old: str) -> str:
    r"""A scalar as text, in the spelling of the literal it replaces.

    >>> spell(False, old="True"), spell("b", old="'a'"), spell(1.0, old="0.5")
    ('False', "'b'", '1.0')
    """
    if isinstance(data, bool):
        return _BOOLEANS.get(old, ("false", "true"))[data]
    if isinstance(data, EnumName):
        return str(data)
    if isinstance(data, int):
        return str(data)
    if isinstance(data, float):
        is_whole = data.is_integer() and _PLAIN_INTEGER.match(old)
        return str(int(data)) if is_whole else repr(data)
    return quoted(data, "'" if old[:1] == "'" else '"')


_BOOLEANS = {
    "True": ("False", "True"),
    "False": ("False", "True"),
    "t": ("f", "t"),
    "f": ("f", "t"),
    "1": ("0", "1"),
    "0": ("0", "1"),
}
