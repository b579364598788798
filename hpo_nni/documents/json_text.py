"""JSON, read as strictly as Python's `json` reads it, and edited in place."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import MAX_DEPTH, Kind, Lines, ListNode, Node, Splice
from hpo_nni.documents.flow import add_to_flow
from hpo_nni.errors import DocumentError, ValueMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {
    "null": (Kind.NULL, None),
    "true": (Kind.BOOLEAN, True),
    "false": (Kind.BOOLEAN, False),
    "NaN": (Kind.FLOAT, float("nan")),
    "Infinity": (Kind.FLOAT, float("inf")),
    "-Infinity": (Kind.FLOAT, float("-inf")),
}


class JsonDocument:
    """A config in JSON."""

    repeats_are_lists = False

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self._root = root

    @classmethod
    def parse(cls, text: str) -> JsonDocument:
        """Read a text.

        >>> JsonDocument.parse('{"a": [1, 2.5]}').root().content["a"].content[1].content
        2.5
        """
        return cls(text, _Reader(text).document())

    def root(self) -> Node:
        """The outermost value."""
        return self._root

    def dump(self) -> str:
        """The text, byte for byte."""
        return self.text

    def value(self, node: Node) -> Any:
        """The Python value of a scalar."""
        return node.content

    def plain_map(self, node: Node, convert: Callable[[Node], Any]) -> dict[Any, Any]:
        """An object as a dict."""
        return {name: convert(child) for name, child in node.content.items()}

    def is_name(self, name: str) -> bool:  # noqa: ARG002
        """Any text is one."""
        return True

    def owner_note(self, node: Node) -> str:  # noqa: ARG002
        """Nothing is shared in this format."""
        return ""

    def parse_fragment(self, text: str, *, is_list: bool) -> Any:
        """The data of an object or array given as text."""
        node = JsonDocument.parse(text).root()
        if node.kind is not (Kind.LIST if is_list else Kind.MAP):
            raise DocumentError("it is another kind of value")
        return json.loads(text)

    def write(self, data: Any, like: Node | None) -> str:
        """Data as JSON; over several lines where the old value went over several."""
        if like is not None and isinstance(data, (dict, list)):
            old = self.text[like.start : like.end]
            if "\n" in old:
                return _write_tall(self.text, data, like)
        return write_json(data)

    def empty(self, node: Node) -> list[Splice]:
        """Take all items out."""
        return [Splice(node.start + 1, node.end - 1, "")]

    def add(self, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
        """Add a member behind the last one."""
        for name in reversed(names[1:]):
            data = {name: data}
        key = json.dumps(names[0], ensure_ascii=_has_surrogate(names[0]))
        return [add_to_flow(self.text, parent, key, write_json(data))]


def write_json(data: Any) -> str:
    r"""Data as compact JSON; non-ASCII text stays readable.

    >>> write_json({"a": [1.0, "实"]})
    '{"a": [1.0, "实"]}'
    """
    try:
        written = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueMismatchError(f"{data!r} cannot be written: JSON has no such number") from None
    return json.dumps(data) if _has_surrogate(written) else written


def _has_surrogate(text: str) -> bool:
    """Whether a text has halves of characters, which no file can hold unescaped."""
    return any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def _write_tall(text: str, data: Any, like: Node) -> str:
    line = text[text.rfind("\n", 0, like.outer_start) + 1 : like.outer_start]
    indent = line[: len(line) - len(line.lstrip())]
    inner = re.search(r"\n([ \t]*)\S", text[like.start : like.end])
    unit = inner[1].removeprefix(indent) if inner else "  "
    written = json.dumps(data, ensure_ascii=_has_surrogate(repr(data)), indent=unit or "  ")
    return written.replace("\n", ("\r\n" if "\r\n" in text else "\n") + indent)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def document(self) -> Node:
        at = self.skip(1 if self.text.startswith("\ufeff") else 0)
        node = self.value(at, at, 0)
        at = self.skip(node.end)
        if at < len(self.text):
            raise self.fault(at, f"{self.text[at]!r} behind the end of the document")
        return node

    def value(self, at: int, outer: int, depth: int) -> Node:
        """Read the value at `at`, whose entry begins at `outer`."""
        text = self.text
        char = text[at : at + 1]
        if char == '"':
            value, end = self.string(at)
            return Node(Kind.STRING, at, end, outer, end, value)
        if char and char in "{[":
            if depth >= MAX_DEPTH:
                raise self.fault(at, f"nested deeper than {MAX_DEPTH} levels")
            return (self.map if char == "{" else self.list)(at, outer, depth + 1)
        match = _NUMBER.match(text, at)
        if match is not None:
            kind = Kind.FLOAT if match[1] or match[2] else Kind.INTEGER
            try:
                number = float(match[0]) if kind is Kind.FLOAT else int(match[0])
            except ValueError:
                raise self.fault(at, "an integer of more digits than can be read") from None
            return Node(kind, at, match.end(), outer, match.end(), number)
        for word, (kind, known) in _WORDS.items():
            if text.startswith(word, at):
                return Node(kind, at, at + len(word), outer, at + len(word), known)
        found = repr(char) if char else "the end of the text"
        raise self.fault(at, f"{found} where a value was expected")

    def map(self, start: int, outer: int, depth: int) -> Node:
        text = self.text
        content: dict[str, Node] = {}
        at = self.skip(start + 1)
        while text[at : at + 1] != "}" or content:
            if text[at : at + 1] != '"':
                hint = "a comma before the closing brace is not JSON" if content else ""
                raise self.fault(at, self.expected(at, "a name in double quotes"), hint)
            name, end = self.string(at)
            colon = self.skip(end)
            if text[colon : colon + 1] != ":":
                raise self.fault(colon, self.expected(colon, "':'"))
            child = self.value(self.skip(colon + 1), at, depth)
            content.pop(name, None)  # the last of several counts, as for every reader
            content[name] = child
            at = self.skip(child.end)
            if text[at : at + 1] != ",":
                break
            at = self.skip(at + 1)
        if text[at : at + 1] != "}":
            raise self.fault(at, self.expected(at, "',' or '}'"))
        return Node(Kind.MAP, start, at + 1, outer, at + 1, content)

    def list(self, start: int, outer: int, depth: int) -> Node:
        text = self.text
        items: list[Node] = []
        at = self.skip(start + 1)
        while text[at : at + 1] != "]" or items:
            item = self.value(at, at, depth)
            items.append(item)
            at = self.skip(item.end)
            if text[at : at + 1] != ",":
                break
            at = self.skip(at + 1)
        if text[at : at + 1] != "]":
            raise self.fault(at, self.expected(at, "',' or ']'"))
        node = ListNode(Kind.LIST, start, at + 1, outer, at + 1, items)
        node.entries = None
        return node

    def string(self, at: int) -> tuple[str, int]:
        try:
            return scanstring(self.text, at + 1, True)  # type: ignore[no-any-return]
        except json.JSONDecodeError as error:
            raise self.fault(error.pos, error.msg[0].lower() + error.msg[1:]) from None

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def expected(self, at: int, what: str) -> str:
        found = repr(self.text[at]) if at < len(self.text) else "the end of the text"
        return f"{found} where {what} was expected"

    def fault(self, at: int, message: str, hint: str = "") -> DocumentError:
        line, column = Lines(self.text).position(min(at, len(self.text)))
        return DocumentError(
            f"line {line}, column {column}: {message}", line=line, column=column, hint=hint
        )
