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
from typing import NoReturn

from hpo_nni.errors import KeyPathSyntaxError

OPERATORS = ("==", "!=", ">=", "<=", "=", ">", "<")
_BARE = re.compile(r"[^.\[\];\"'=<>!,:\s](?:[^.\[\];=<>!,:]*[^.\[\];=<>!,:\s])?\Z")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_SPACE = re.compile(r"\s*")


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


def parse_key(text: str) -> Key:
    """Parse a key.

    Raises:
        KeyPathSyntaxError: with the column of the fault.

    >>> parse_key("features[input_names[0]=a.b].dim;+top_k").paths[1]
    KeyPath(parts=(Field(name='top_k'),), adds=True)
    >>> str(parse_key(' a . b[ 1 : ] '))
    'a.b[1:]'
    """
    return _Parser(text).key()


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


def split_outside(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside of brackets, braces and quotes.

    >>> split_outside("[8,4];'a;b';x", ";")
    ['[8,4]', "'a;b'", 'x']
    """
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        char = text[at]
        if char in "\"'":
            at = _end_of_quote(text, at)
            continue
        depth += (char in "[{(") - (char in "]})")
        if char == separator and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _end_of_quote(text: str, start: int) -> int:
    """The offset behind the closing quote; behind the opening one if nothing closes it."""
    at = start + 1
    while at < len(text) and text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    return at + 1 if at < len(text) else start + 1


def _is_plain(value: str) -> bool:
    """Whether a condition's value needs no quotes."""
    return bool(re.fullmatch(r"[^\s\[\]\"'=<>!](?:[^\[\]\"'=<>!]*[^\s\[\]\"'=<>!])?", value))


class _Parser:
    """Recursive descent; `at` is the offset of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def key(self) -> Key:
        paths = [self.path()]
        while self.peek() == ";":
            self.at += 1
            paths.append(self.path())
        if self.at < len(self.text):
            self.fail("'.', '[' or the end of the key")
        return Key(tuple(paths))

    def path(self) -> KeyPath | JsonPath:
        self.space()
        if re.match(r"\$(?:[.\[]|\s*(?:;|\Z))", self.text[self.at :]):
            return self.json_path()
        adds = self.peek() == "+"
        self.at += adds
        parts: list[Part] = []
        while True:
            self.space()
            char = self.peek()
            if char in {"", ";"}:
                break
            if char == ".":  # doubled and outer dots are what EasyRec's own editor passes over
                self.at += 1
            elif char == "[":
                parts.append(self.selector())
                if self.peek() not in {"", ".", "[", ";"} and not self.peek().isspace():
                    self.fail("'.' or '[' after the selector")
            elif parts and self.text[: self.at].rstrip()[-1:] not in {".", "+"}:
                self.fail("'.' or '['")
            else:
                parts.append(Field(self.name(".[];")))
        if not parts:
            self.fail("the name of a field")
        return KeyPath(tuple(parts), adds=adds)

    def json_path(self) -> JsonPath:
        text = split_outside(self.text[self.at :], ";")[0]
        self.at += len(text)
        return JsonPath(text.strip())

    def name(self, stops: str) -> str:
        if self.peek() in {'"', "'"}:
            return self.quoted()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in stops:
            self.at += 1
        name = self.text[start : self.at].strip()
        if not name:
            self.fail("the name of a field")
        return name

    def quoted(self) -> str:
        start = self.at
        end = _end_of_quote(self.text, start)
        if end == start + 1:
            self.fail(f"a closing {self.text[start]}", column=len(self.text))
        self.at = end
        return re.sub(r"\\(.)", r"\1", self.text[start + 1 : end - 1], flags=re.DOTALL)

    def selector(self) -> Selector:
        self.at += 1
        self.space()
        char = self.peek()
        if char == "*":
            self.at += 1
            self.close("']' after '*'")
            return Every()
        if char == ":" or _INTEGER.match(self.text, self.at):
            return self.positions()
        return self.predicate()

    def positions(self) -> Selector:
        ends = [self.integer()]
        if self.peek() == ",":
            while self.peek() == ",":
                self.at += 1
                ends.append(self.integer())
            if None in ends:
                self.fail("an index")
        elif self.peek() == ":":
            while self.peek() == ":" and len(ends) < 3:
                self.at += 1
                ends.append(self.integer())
            if ends[2:] == [0]:
                self.fail("a step other than 0")
            self.close("an integer or ']' in the slice")
            return Slice(*ends)
        example = f"{self.text[: self.at].rstrip()}]"
        self.close("']' after the index", hint=f"close the selector, as in {example}")
        return Index(tuple(end for end in ends if end is not None))

    def integer(self) -> int | None:
        self.space()
        match = _INTEGER.match(self.text, self.at)
        if match is None:
            return None
        if len(match[0]) > 18:
            self.fail("an index of at most 18 digits")
        self.at = match.end()
        self.space()
        return int(match[0])

    def predicate(self) -> Predicate:
        path = self.inner_path()
        operator = next((o for o in OPERATORS if self.text.startswith(o, self.at)), "")
        if not operator:
            if not path:
                self.fail("an index, a slice such as 2:5, '*' or a condition such as name=value")
            self.close("an operator (=, !=, >=, <=, >, <) or ']'")
            return Predicate(path)
        self.at += len(operator)
        self.space()
        return Predicate(path, operator.replace("==", "="), self.operand())

    def inner_path(self) -> tuple[Field | Index, ...]:
        path: list[Field | Index] = []
        while True:
            self.space()
            char = self.peek()
            if char in {"", "]", "=", "!", "<", ">"}:
                return tuple(path)
            if char == ".":
                self.at += 1
            elif char == "[":
                self.at += 1
                if not _INTEGER.match(self.text, _SPACE.match(self.text, self.at).end()):  # type: ignore[union-attr]
                    self.fail("an index", hint="inside a condition only single items are compared")
                selector = self.positions()
                if not isinstance(selector, Index) or len(selector.positions) > 1:
                    self.fail("a single index", hint="inside a condition [0] or [-1] can stand")
                path.append(selector)
            else:
                start = self.at
                name = self.name(".[]=!<>")
                if ":" in name and self.text[start] not in "\"'":
                    self.at = start
                    self.fail("integers around the ':' of a slice")
                path.append(Field(name))

    def operand(self) -> str:
        if self.peek() in {'"', "'"}:
            value = self.quoted()
            self.close("']' after the value")
            return value
        start, depth = self.at, 0
        while self.at < len(self.text) and (depth or self.text[self.at] != "]"):
            char = self.text[self.at]
            if char in "=<>":
                self.fail(
                    "one condition in the brackets",
                    hint="write several conditions as [a>=4][b=1], and a value that has "
                    'operators in it in quotes: [name="a=b"]',
                )
            depth += (char == "[") - (char == "]")
            self.at += 1
        value = self.text[start : self.at].strip()
        if not value:
            self.at = start
            self.fail("a value after the operator", hint='an empty text is written [name=""]')
        self.close("']' after the value")
        return value

    def close(self, expected: str, *, hint: str = "") -> None:
        self.space()
        if self.peek() != "]":
            self.fail(expected, hint=hint)
        self.at += 1

    def space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def fail(self, expected: str, *, column: int | None = None, hint: str = "") -> NoReturn:
        at = self.at if column is None else column
        raise KeyPathSyntaxError(self.text, column=at, expected=expected, hint=hint)
