"""JSON and YAML values that know where they stand in the file.

NNI reads a search space with Python's `json`, and whatever that refuses as YAML 1.1. So does this
module, save that a comma too many at the end of a list or mapping is named and forgiven.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined,unused-ignore]
from typing import TYPE_CHECKING, Any, NoReturn

from hpo_nni.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SPACE = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null|-?Infinity|NaN")
YAML_FAULTS = (ValueError, AttributeError, LookupError, TypeError)  # of a date or tag that is none
_TOO_DEEP = "values are nested too deeply"
_MOST_NODES = 200_000  # of YAML, whose aliases may stand for more than any memory holds


@dataclass(frozen=True)
class Located:
    """A value and its place.

    Attributes:
        value: a scalar; or a tuple of Located; or a tuple of (key, Located) pairs, in which a key
            may appear twice.
        kind: `scalar`, `list` or `mapping`.
        line, column: counted from 1; 0 where they are not known.
    """

    value: Any
    kind: str = "scalar"
    line: int = 0
    column: int = 0

    def plain(self) -> Any:
        """The value as plain data, without places."""
        if self.kind == "list":
            return [item.plain() for item in self.value]
        if self.kind == "mapping":
            return {key: item.plain() for key, item in self.value}
        return self.value


def locate(data: Any) -> Located:
    """Wrap plain data, whose places are not known."""
    if isinstance(data, dict):
        return Located(tuple((key, locate(item)) for key, item in data.items()), "mapping")
    if isinstance(data, list | tuple):
        return Located(tuple(locate(item) for item in data), "list")
    return Located(data)


def read_json(text: str) -> tuple[Located, Sequence[int]]:
    """Read JSON; also return the lines of commas before a closing bracket, which JSON forbids.

    Raises:
        DocumentError: it is not JSON even so.
    """
    reader = _JsonReader(text)
    try:
        return reader.read(), tuple(reader.extra_commas)
    except RecursionError:
        raise DocumentError(_TOO_DEEP) from None


def read_yaml(text: str) -> Located:
    """Read YAML 1.1, as NNI does with what is not JSON.

    Raises:
        DocumentError: it is not YAML.
    """
    import yaml  # noqa: PLC0415  (only files that are not JSON pay for it)

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return Located(None) if node is None else _from_yaml(node, loader, itertools.count(1))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise DocumentError(error.problem or str(error), line=line, column=column) from error
    except (yaml.YAMLError, *YAML_FAULTS) as error:
        raise DocumentError(str(error)) from error
    except RecursionError:
        raise DocumentError(_TOO_DEEP) from None


def _from_yaml(node: Any, loader: Any, numbers: Iterator[int]) -> Located:
    place = (node.start_mark.line + 1, node.start_mark.column + 1)
    if next(numbers) > _MOST_NODES:
        raise DocumentError("it holds too many values, or its aliases stand for too many")
    if node.id == "mapping":
        loader.flatten_mapping(node)  # resolves `<<`
        pairs = ((str(loader.construct_object(key)), item) for key, item in node.value)
        items = tuple((key, _from_yaml(item, loader, numbers)) for key, item in pairs)
        return Located(items, "mapping", *place)
    if node.id == "sequence":
        return Located(
            tuple(_from_yaml(item, loader, numbers) for item in node.value), "list", *place
        )
    return Located(loader.construct_object(node), "scalar", *place)


class _JsonReader:
    """A recursive reader of one text; strings are scanned by Python's own `json`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.extra_commas: list[int] = []

    def read(self) -> Located:
        value = self._value()
        if self._peek():
            self._fail("nothing after the closing bracket")
        return value

    def _value(self) -> Located:
        bracket = self._peek()
        line, column = self._place(self._position)
        if bracket in {"{", "["}:
            kind = "mapping" if bracket == "{" else "list"
            return Located(self._items(bracket), kind, line, column)
        if bracket == '"':
            return Located(self._string(), "scalar", line, column)
        match = _ATOM.match(self._text, self._position)
        if not match:
            self._fail("a value")
        try:
            value = json.loads(match[0])
        except ValueError:  # Python reads no integers of more than 4,300 digits
            self._fail("a number with fewer digits")
        self._position = match.end()
        return Located(value, "scalar", line, column)

    def _items(self, bracket: str) -> tuple[Any, ...]:
        closing = "}" if bracket == "{" else "]"
        items: list[Any] = []
        self._position += 1
        comma = None
        while self._peek() != closing:
            if items and comma is None:
                self._fail(f"',' or {closing!r}")
            items.append(self._pair() if bracket == "{" else self._value())
            comma = self._position if self._peek() == "," else None
            self._position += comma is not None
        if comma is not None:
            self.extra_commas.append(self._place(comma)[0])
        self._position += 1
        return tuple(items)

    def _pair(self) -> tuple[str, Located]:
        if self._peek() != '"':
            self._fail("a key in double quotes")
        key = self._string()
        if self._peek() != ":":
            self._fail("':' after the key")
        self._position += 1
        return key, self._value()

    def _string(self) -> str:
        try:
            text, self._position = scanstring(self._text, self._position + 1, True)
        except json.JSONDecodeError as error:
            line, column = self._place(error.pos)
            raise DocumentError(error.msg, line=line, column=column) from error
        return str(text)

    def _peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        match = _SPACE.match(self._text, self._position)
        self._position = match.end() if match else self._position
        return self._text[self._position : self._position + 1]

    def _place(self, position: int) -> tuple[int, int]:
        line = self._text.count("\n", 0, position) + 1
        return line, position - self._text.rfind("\n", 0, position)

    def _fail(self, expected: str) -> NoReturn:
        line, column = self._place(self._position)
        found = repr(self._peek()) if self._peek() else "the end of the file"
        raise DocumentError(f"expected {expected}, found {found}", line=line, column=column)
