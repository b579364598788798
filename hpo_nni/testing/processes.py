"""Watching real processes from tests: waiting for facts, and finding what still runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

PAUSE = 0.1


def eventually(ask: Callable[[], Answer], *, seconds: float = 60.0) -> Answer:
    """Ask until the answer is true, and return it; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds:g} s"
        time.sleep(PAUSE)


def processes_with(text: str) -> list[str]:
    """The living processes, other than this one, that have `text` in arguments or environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:  # it has ended, or is not ours
            continue
        if text.encode() in arguments + environment:
            words = arguments.replace(b"\0", b" ").decode(errors="replace").strip()
            found.append(f"{folder.name}: {words[:200]}")
    return found
