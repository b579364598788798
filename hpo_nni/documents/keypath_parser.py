"""Parses the language of keys; `keypath` says what it means."""

from __future__ import annotations

import re
from typing import NoReturn

from hpo_nni.documents.keypath import (
    Every,
    Field,
    Index,
    JsonPath,
    Key,
    KeyPath,
    Part,
    Predicate,
    Selector,
    Slice,
)
from hpo_nni.errors import KeyPathSyntaxError

_OPERATORS = ("==", "!=", ">=", "<=", "=", ">", "<")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_SPACE = re.compile(r"\s*")


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
        operator = next((o for o in _OPERATORS if self.text.startswith(o, self.at)), "")
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
