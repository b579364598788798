"""The tree of spans that every format parses into, and what a format must be able to do.

A node says where in the text its value stands. An edit replaces spans and nothing else, so what
it does not name (comments, order, quoting, spacing, line endings) cannot change.
"""

from __future__ import annotations

import bisect
import enum
import operator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_DEPTH = 200
"""Configs nested deeper are refused: they would exhaust the stack of whoever walks them."""


class Kind(enum.Enum):
    """What a node's text says it is; the value is the word for messages."""

    MAP = "a group of fields"
    LIST = "a list"
    STRING = "text"
    INTEGER = "an integer"
    FLOAT = "a number"
    BOOLEAN = "a boolean"
    ENUM = "an enum name"
    NULL = "null"
    OTHER = "a value of its own kind"  # YAML's dates and binaries

    __hash__ = object.__hash__  # Enum's own is written in Python, and tables are asked by kind


class Node:
    """A value in the text.

    Attributes:
        kind: what it is.
        start, end: the span of the value itself, braces and quotes included.
        outer_start, outer_end: the span of the whole entry: name, value, separator.
        content: the children by name (MAP) or in order (LIST); the value itself where the
            format knows it at once; None where `ConfigDocument.value` works it out on demand.
    """

    __slots__ = ("content", "end", "entries", "kind", "outer_end", "outer_start", "start")

    def __init__(  # noqa: PLR0913, PLR0917 -- made thousands of times per document: no keywords
        self,
        kind: Kind,
        start: int,
        end: int,
        outer_start: int,
        outer_end: int,
        content: Any = None,
    ) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.outer_start = outer_start
        self.outer_end = outer_end
        self.content = content


class ListNode(Node):
    """A list.

    Attributes:
        entries: the occurrences, where each item is spelled as an entry of its own: repeated
            fields of protobuf text, dashes of YAML. None for a list between brackets.
    """

    __slots__ = ()  # `entries` lies in Node, so that a format's own nodes can be lists as well

    entries: list[Node] | None


class EnumName(str):
    """A bare name where a string would stand in quotes: the value of an enum field."""

    __slots__ = ()


class Splice(NamedTuple):
    """Text that takes the place of a span."""

    start: int
    end: int
    text: str


class ConfigDocument(Protocol):
    """A nested config that can be edited without being reformatted.

    1. `parse(t).dump() == t` for every text that parses; DocumentError for every other.
    2. A document never changes: edits give splices, and splices give a new text.
    3. Spans count characters of `text`, and no two values' spans overlap unless one holds the
       other.
    """

    text: str
    repeats_are_lists: bool
    """Whether a field that stands once may still be a list of one (protobuf text)."""

    @classmethod
    def parse(cls, text: str) -> ConfigDocument:
        """Read a text; raise DocumentError with line and column."""
        ...

    def root(self) -> Node:
        """The outermost node: a MAP, or in YAML and JSON anything."""
        ...

    def dump(self) -> str:
        """The text, byte for byte."""
        ...

    def value(self, node: Node) -> Any:
        """The Python value of a scalar; enum names as EnumName."""
        ...

    def plain_map(self, node: Node, convert: Callable[[Node], Any]) -> dict[Any, Any]:
        """A MAP as a dict, its children converted."""
        ...

    def is_name(self, name: str) -> bool:
        """Whether a field can be called that."""
        ...

    def owner_note(self, node: Node) -> str:
        """What else an edit of `node` changes (YAML anchors); empty for nothing.

        Raises:
            KeyPathError: the value is only referred to here and belongs elsewhere.
        """
        ...

    def parse_fragment(self, text: str, *, is_list: bool) -> Any:
        """The data of a group of fields or a list that was given as text; ValueError if none."""
        ...

    def write(self, data: Any, like: Node | None) -> str:
        """Data as this format spells it, in the style of the value it replaces."""
        ...

    def empty(self, node: ListNode) -> list[Splice]:
        """Take all items out of a list whose items are entries of their own."""
        ...

    def add(self, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
        """Add a field that `parent` does not have; several names make groups inside groups."""
        ...


def splice(text: str, splices: Iterable[Splice]) -> str:
    """Apply splices that do not overlap; those at one place keep their order.

    >>> splice("a: 1 b: 2", [Splice(8, 9, "20"), Splice(3, 4, "10")])
    'a: 10 b: 20'
    """
    pieces: list[str] = []
    position = 0
    for start, end, replacement in sorted(splices, key=_span):
        assert start >= position, "edits overlap"
        pieces += (text[position:start], replacement)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


_span = operator.itemgetter(0, 1)


class Lines:
    r"""Offsets to lines and columns, each counted from 1.

    >>> Lines("a\nbc").position(3)
    (2, 2)
    """

    def __init__(self, text: str) -> None:
        self._starts = [0]
        find = text.find
        at = find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = find("\n", at + 1)

    def line(self, offset: int) -> int:
        """The line that holds `offset`."""
        return bisect.bisect_right(self._starts, offset)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`."""
        line = self.line(offset)
        return line, offset - self._starts[line - 1] + 1


def indent_of(text: str, offset: int) -> str:
    """The white space that the line of `offset` begins with."""
    start = text.rfind("\n", 0, offset) + 1
    end = start
    while end < len(text) and text[end] in " \t":
        end += 1
    return text[start:end]


def is_first_on_line(text: str, offset: int) -> bool:
    """Whether only white space stands before `offset` on its line."""
    return not text[text.rfind("\n", 0, offset) + 1 : offset].strip("\ufeff \t")


def end_of_entry_line(text: str, end: int) -> int:
    """The end of the line if only a comment follows `end` on it, else `end`."""
    stop = text.find("\n", end)
    stop = len(text) if stop < 0 else stop
    if text[stop - 1 : stop] == "\r" and stop > end:
        stop -= 1
    rest = text[end:stop].strip()
    return stop if not rest or rest.startswith("#") else end


def newline_of(text: str) -> str:
    """The line ending that a text uses, judged by its first line."""
    at = text.find("\n")
    return "\r\n" if at > 0 and text[at - 1] == "\r" else "\n"
