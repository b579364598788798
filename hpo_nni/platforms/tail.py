"""The end of a log file, read without reading the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 64 * 1024


def tail(path: Path, lines: int, *, limit: int = LIMIT) -> list[str]:
    """The last lines of a file, as a terminal would show them; none of a file that is missing.

    A progress bar that rewrites its line counts as that line's last state. Of a line that begins
    before the last `limit` bytes, the end is given.
    """
    if lines <= 0:
        return []
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            data = file.read(limit)
    except FileNotFoundError:
        return []
    text = data.decode("utf-8", "replace")
    rows = text.removesuffix("\n").split("\n") if text else []
    return [row.rstrip("\r").rpartition("\r")[2] for row in rows[-lines:]]
