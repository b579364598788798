"""Key paths: which values of a config a key of the search space means.

    train_config.num_steps            names, from the outside in
    feature_configs[0], [-1], [0,2]   by position
    feature_configs[2:5], [:], [*]    by slice, end exclusive
    features[input_names[0]=user_id]  by condition: =, !=, >=, <=, >, <
    features[embedding_dim]           those that have the field
    boundaries[>=5]                   elements that meet the condition themselves
    a.b;c.d                           several paths that are set together
    +a.b                              adds the field if it is not there
    $.a[?(@.b > 1)].c                 JSONPath

A path is a tuple of small values; `str` writes it back, and what it writes parses to the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BARE = re.compile(r"[^.\[\];\"'=<>!,:\s+$*0-9-](?:[^.\[\];=<>!,:]*[^.\[\];=<>!,:\s])?\Z")


@dataclass(frozen=True)
class Field:
    """The child of that name."""

    name: str

    def __str__(self) -> str:
        return self.name if _BARE.match(self.name) else quote(self.name)


@dataclass(frozen=True)
class Index:
    """The items at these positions; negative ones count from the end."""

    positions: tuple[int, ...]

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.positions))}]"


@dataclass(frozen=True)
class Slice:
    """A range of items, as Python slices lists."""

    start: int | None = None
    stop: int | None = None
    step: int | None = None

    def __str__(self) -> str:
        ends = [("" if end is None else str(end)) for end in (self.start, self.stop)]
        return f"[{':'.join(ends)}{'' if self.step is None else f':{self.step}'}]"


@dataclass(frozen=True)
class Every:
    """All items of a list, all fields of a group."""

    def __str__(self) -> str:
        return "[*]"


@dataclass(frozen=True)
class Predicate:
    """The items for which a condition holds.

    Attributes:
        path: what is compared, from the item inwards; empty for the item itself.
        operator: one of `=`, `!=`, `>=`, `<=`, `>`, `<`; empty to ask whether `path` exists.
        value: as written, without its quotes.
    """

    path: tuple[Field | Index, ...]
    operator: str = ""
    value: str = ""

    def __str__(self) -> str:
        value = quote(self.value) if self.operator and not _is_plain(self.value) else self.value
        return f"[{join(self.path)}{self.operator}{value}]"


Selector = Index | Slice | Every | Predicate
Part = Field | Selector


@dataclass(frozen=True)
class KeyPath:
    """A path; `adds` where the user wrote `+`."""

    parts: tuple[Part, ...]
    adds: bool = False

    def __str__(self) -> str:
        return ("+" if self.adds else "") + join(self.parts)


@dataclass(frozen=True)
class JsonPath:
    """A JSONPath, as written."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Key:
    """One key of a search space: one path, or several that are set together."""

    paths: tuple[KeyPath | JsonPath, ...]

    def __str__(self) -> str:
        return ";".join(map(str, self.paths))


def join(parts: tuple[Part, ...]) -> str:
    """Parts as a person would write them.

    >>> join((Field("a"), Index((0,)), Field("b.c")))
    'a[0]."b.c"'
    """
    text = ""
    for part in parts:
        text += f".{part}" if isinstance(part, Field) and text else str(part)
    return text


def quote(text: str) -> str:
    r"""Text in quotes that `parse_key` reads back.

    >>> quote('say "hi"')
    '"say \\"hi\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_plain(value: str) -> bool:
    """Whether a condition's value needs no quotes."""
    return bool(re.fullmatch(r"[^\s\[\]\"'=<>!](?:[^\[\]\"'=<>!]*[^\s\[\]\"'=<>!])?", value))
