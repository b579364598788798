"""What an inspection found, and how it is shown: one aligned line each, what to do below it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Level(enum.Enum):
    """How bad it is; the value is the word that is shown."""

    OK = "ok"
    WARN = "warn"  # works, but not as one might expect
    FAIL = "fail"  # an experiment would not run


_COLOURS = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31"}


@dataclass(frozen=True)
class Finding:
    """One fact.

    Attributes:
        subject: what was looked at, in a word or two.
        message: the fact.
        hint: what to do next; empty where there is nothing to do.
    """

    level: Level
    subject: str
    message: str
    hint: str = ""


def ok(subject: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, message)


def warn(subject: str, message: str, hint: str = "") -> Finding:
    """Something to know."""
    return Finding(Level.WARN, subject, message, hint)


def fail(subject: str, message: str, hint: str = "") -> Finding:
    """Something to put right first."""
    return Finding(Level.FAIL, subject, message, hint)


def render(findings: Iterable[Finding], *, colour: bool) -> Iterator[str]:
    """Lines for a terminal.

    >>> print(*render([ok("Python", "3.11"), fail("NNI", "is missing", "get it")], colour=False),
    ...       sep=chr(10))
    ok    Python  3.11
    fail  NNI     is missing
                  -> get it
    """
    found = list(findings)
    width = max((len(one.subject) for one in found), default=0)
    indent = " " * (width + 8)
    for one in found:
        word = f"{one.level.value:<4}"
        if colour:
            word = f"\x1b[{_COLOURS[one.level]}m{word}\x1b[0m"
        message = one.message.replace("\n", f"\n{indent}")
        yield f"{word}  {one.subject:<{width}}  {message}"
        if one.hint:
            yield f"{indent}-> {one.hint}".replace("\n", f"\n{indent}   ")
