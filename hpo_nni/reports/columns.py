"""Text in columns of a terminal: cells are wrapped, never cut, and wide characters count as two."""

from __future__ import annotations

import shutil
import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 80  # where nobody says how wide the terminal is: a pipe, a file
WIDEST = 120
_WIDE = frozenset("WF")


def terminal_width() -> int:
    """How wide tables may be: as COLUMNS says, else as the terminal is, else 80."""
    return max(40, min(WIDEST, shutil.get_terminal_size((WIDTH, 24)).columns))


def width_of(text: str) -> int:
    """How many places a text takes.

    >>> width_of("学习率"), width_of("rate")
    (6, 4)
    """
    return sum(2 if unicodedata.east_asian_width(sign) in _WIDE else 1 for sign in text)


def padded(text: str, width: int) -> str:
    """The text with spaces behind it, up to a width."""
    return text + " " * (width - width_of(text))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` places; broken at spaces where there are any near.

    >>> wrapped("odps://project/tables/train dt", 12)
    ['odps://proje', 'ct/tables/tr', 'ain dt']
    """
    lines = []
    for line in text.split("\n"):
        lines += _broken(line, width)
    return lines


def columns(cells: Sequence[str], widths: Sequence[int], gap: str = "  ") -> Iterator[str]:
    """One row as lines; each cell keeps to its column.

    >>> list(columns(["key", "one two three", "x"], [4, 7, 3]))
    ['key   one two  x', '      three']
    """
    blocks = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for lines in zip_longest(*blocks, fillvalue=""):
        parts = [padded(line, width) for line, width in zip(lines, widths, strict=True)]
        yield gap.join(parts).rstrip()


def _broken(line: str, width: int) -> list[str]:
    lines = []
    while width_of(line) > width:
        cut = _fitting(line, width)
        space = line.rfind(" ", 0, cut + 1)
        end = space if space > cut // 2 else cut
        lines.append(line[:end].rstrip())
        line = line[end:].lstrip() if space == end else line[end:]
    return [*lines, line]


def _fitting(line: str, width: int) -> int:
    """How many characters fit."""
    taken = 0
    for count, sign in enumerate(line):
        taken += width_of(sign)
        if taken > width:
            return max(count, 1)
    return len(line)
