"""The tables that an SQL statement reads, writes and makes, as far as its words show.

No parser of MaxCompute's dialect: names behind `from`, `join` and `insert`, without those that the
statement gives itself. What this does not see, it does not ask for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" |"""
    r"""(?P<name>(?:`[^`]+`|\w+)(?:\s*\.\s*(?:`[^`]+`|\w+))*) | (?P<mark>[^\s])""",
    re.VERBOSE | re.DOTALL,
)
_PARTS = re.compile(r"`([^`]+)`|(\w+)")
_TAKES_FROM = {"extract", "trim", "substring", "position", "overlay"}  # `from` in their brackets
_AFTER_INSERT = {"into", "overwrite", "table"}
_LONGEST_NAME = 2  # project and table; with a schema between them it is not looked for


class Named(NamedTuple):
    """A table; `project` is empty for that of the account."""

    project: str
    name: str


class Tables(NamedTuple):
    """What a statement names.

    Attributes:
        needed: what must be there before.
        made: what `create table` makes.
    """

    needed: tuple[Named, ...]
    made: tuple[Named, ...]


def tables_of(statement: str) -> Tables:
    """Read a statement, or several behind one another.

    >>> tables_of("with w as (select * from p.a) select * from w join `b` on w.x = b.x").needed
    (Named(project='p', name='a'), Named(project='', name='b'))
    >>> tables_of("create table if not exists t as select 1; insert into table t select 2")
    Tables(needed=(), made=(Named(project='', name='t'),))
    """
    tokens = [
        found["name"] or found["mark"] or "''"
        for found in _TOKEN.finditer(statement)
        if not found[0].startswith(("--", "/*"))
    ]
    words = [token.lower() for token in tokens]
    own = {
        words[at].strip("`") for at in range(len(words)) if words[at + 1 : at + 3] == ["as", "("]
    }
    needed: dict[Named, None] = {}
    made: dict[Named, None] = {}
    for at, is_made in _places(words):
        parts = [quoted or plain for quoted, plain in _PARTS.findall(tokens[at])]
        if not 1 <= len(parts) <= _LONGEST_NAME:
            continue
        table = Named("" if len(parts) == 1 else parts[0], parts[-1])
        if is_made:
            made[table] = None
        elif table not in made and not (len(parts) == 1 and parts[0].lower() in own):
            needed[table] = None
    return Tables(tuple(needed), tuple(made))


def _places(words: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Where names of tables stand, and whether the table is made there."""
    opened: list[str] = []  # what stands before each open bracket
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        if word == "(":
            opened.append(before)
        elif word == ")" and opened:
            opened.pop()
        elif word == "join" or (
            word == "from" and before != "distinct" and not (opened and opened[-1] in _TAKES_FROM)
        ):
            yield from ((place, False) for place in _listed(words, at + 1))
        elif word == "insert":
            place = _behind(words, at + 1, _AFTER_INSERT)
            yield from [(place, False)] if place < len(words) else []
        elif word == "table" and before == "create":
            place = _behind(words, at + 1, {"if", "not", "exists"})
            yield from [(place, True)] if place < len(words) else []


def _listed(words: Sequence[str], at: int) -> Iterator[int]:
    """The names in `a, b as x, c y`; none that a bracket follows, which are functions."""
    while at < len(words) and words[at] != "(" and words[at + 1 : at + 2] != ["("]:
        yield at
        at = _behind(words, at + 1, {"as"})
        if words[at : at + 1] != [","]:
            at += 1
        if words[at : at + 1] != [","]:
            return
        at += 1


def _behind(words: Sequence[str], at: int, skipped: set[str]) -> int:
    while at < len(words) and words[at] in skipped:
        at += 1
    return at
