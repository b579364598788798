r"""Protobuf text format, read without a schema and without losing anything.

One regular expression takes a whole field head (name, colon, scalar or opening bracket) at a
time; the loop keeps its own stack. What is accepted follows protobuf's own Python reader and the
format's specification (protobuf.dev, "Text Format Language"): comments, `;` and `,`, `<>`,
`a: 1 a: 2` beside `a: [1, 2]`, adjacent strings, `[type.url/name] {}`, hex and octal integers,
`f` suffixes, `-inf`.
"""

from __future__ import annotations

import re

from hpo_nni.documents.base import MAX_DEPTH, Kind, Lines, ListNode, Node
from hpo_nni.documents.prototext_literals import parse_float, parse_integer
from hpo_nni.errors import DocumentError

_SPACE = r"\s*(?:#[^\n]*(?:\n\s*|\Z))*"  # a comment must end, or the repetition could backtrack
_STRING = r'(?:"[^"\\\n]*(?:\\.[^"\\\n]*)*"' + r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')"
_SCALARS = (
    rf"({_STRING}(?:{_SPACE}{_STRING})*)"
    r"|(-?(?:0|[1-9][0-9]{0,40})(?![\w.+-]))"
    r"|([+-]?\.?[0-9][\w.+-]*|-\s*[A-Za-z0-9.][\w.+-]*)"
    r"|([A-Za-z_][A-Za-z0-9_]*)(?![\w+-])"
)
_NAME = r"([A-Za-z_][A-Za-z0-9_]*|\[[^\[\]{}<>\"'#\n:;,]*\])"
_FIELD = re.compile(
    rf"{_SPACE}(?:{_NAME}{_SPACE}(?::{_SPACE}(?:{_SCALARS}|([{{<])|(\[))|([{{<])|(\[))"
    r"|([}>])|([;,])|(\Z))"
)
_ITEM = re.compile(rf"{_SPACE}(?:(?:{_SCALARS}){_SPACE}(?=[,\]])|([{{<])|(\]))")
_PLAIN_FLOAT = re.compile(r"-?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?\Z")
_SCALAR = re.compile(_SCALARS)
_SKIP = re.compile(_SPACE)
WHOLE_NAME = re.compile(rf"{_NAME}\Z")
_CLOSERS = {"{": "}", "<": ">"}

# the groups of _FIELD
_STRINGS, _PLAIN_INTEGER, _NUMBER, _WORD = 2, 3, 4, 5
_OPEN, _LIST, _OPEN_BARE, _LIST_BARE, _CLOSE, _SEPARATOR, _END = 6, 7, 8, 9, 10, 11, 12
# the groups of _ITEM are those of _FIELD less one, up to the closing bracket
_ITEM_OPEN, _ITEM_CLOSE = 5, 6

_WORDS = {
    "true": Kind.BOOLEAN,
    "false": Kind.BOOLEAN,
    "True": Kind.BOOLEAN,
    "False": Kind.BOOLEAN,
    "inf": Kind.FLOAT,
    "infinity": Kind.FLOAT,
    "nan": Kind.FLOAT,
}


def read_fields(text: str) -> Node:
    """The outermost group of a text; DocumentError with line and column."""
    return _Reader(text).document()


class _Reader:
    """Reads one text into nodes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def document(self) -> Node:
        start = 1 if self.text.startswith("\ufeff") else 0
        root = Node(Kind.MAP, start, len(self.text), start, len(self.text), {})
        self.fields(root, start, "", 0)
        return root

    def fields(  # noqa: C901, PLR0912, PLR0915 -- the hot loop: every call saved is a tenth of its time
        self, group: Node, at: int, closer: str, depth: int
    ) -> int:
        """Read fields into `group` up to its closer; return the offset behind the closer."""
        text, match_at, words = self.text, _FIELD.match, _WORDS
        string, integer, enum = Kind.STRING, Kind.INTEGER, Kind.ENUM
        stack: list[tuple[Node, str]] = []
        content = group.content
        last: Node | None = None  # the entry that a separator would belong to
        while True:
            match = match_at(text, at)
            if match is None:
                raise self.fault(at)
            what = match.lastindex
            at = match.end()
            if what <= _WORD:  # type: ignore[operator]
                start, end = match.span(what)  # type: ignore[arg-type]
                if what == _STRINGS:
                    kind = string
                elif what == _PLAIN_INTEGER:
                    kind = integer
                elif what == _WORD:
                    kind = words.get(match[_WORD], enum)
                else:
                    kind = self.kind_of(match[_NUMBER], _NUMBER, start)
                last = Node(kind, start, end, match.start(1), end)
                name = match[1]
                if name in content or name[0] == "[":
                    _put(content, name, last)
                else:
                    content[name] = last
            elif what in {_OPEN, _OPEN_BARE}:
                start = at - 1
                node = Node(Kind.MAP, start, at, match.start(1), at, {})
                if len(stack) + depth >= MAX_DEPTH:
                    raise self.fault(start, f"nested deeper than {MAX_DEPTH} levels")
                stack.append((group, closer))
                _put(content, match[1], node)
                group, content, closer, last = node, node.content, _CLOSERS[text[start]], None
            elif what == _CLOSE:
                if match[_CLOSE] != closer:
                    raise self.fault(at - 1, self.unexpected(at - 1, closer))
                if not stack:
                    return at
                group.end = group.outer_end = at
                last = group
                group, closer = stack.pop()
                content = group.content
            elif what == _SEPARATOR:
                if last is None:
                    raise self.fault(at - 1)
                last.outer_end = at
                last = None
            elif what == _END:
                if closer:
                    raise self.fault(group.start, f"this '{text[group.start]}' is never closed")
                return at
            else:
                last = self.list_of_items(match.start(1), at, len(stack) + depth)
                at = last.end
                _put(content, match[1], last)

    def list_of_items(self, outer_start: int, at: int, depth: int) -> ListNode:
        """Read the items behind a `[`."""
        text, start, match_at = self.text, at - 1, _ITEM.match
        items: list[Node] = []
        if depth >= MAX_DEPTH:
            raise self.fault(start, f"nested deeper than {MAX_DEPTH} levels")
        while True:
            match = match_at(text, at)
            if match is None:
                raise self.bad_item(at)
            what = match.lastindex or 0
            at = match.end()
            if what < _ITEM_OPEN:
                first, end = match.span(what)
                kind = _KINDS[what + 1]
                if what + 1 >= _NUMBER:
                    kind = self.kind_of(match[what], what + 1, first)
                items.append(Node(kind, first, end, first, end))
            elif what == _ITEM_OPEN:
                item = Node(Kind.MAP, at - 1, at, at - 1, at, {})
                at = self.fields(item, at, _CLOSERS[text[at - 1]], depth + 1)
                item.end = item.outer_end = at
                items.append(item)
                at = _skip(text, at)
                if text[at : at + 1] not in {",", "]"}:
                    raise self.fault(at, self.unexpected(at, "]"))
            elif items:
                raise self.fault(at - 1, "a value must follow the comma")
            else:
                break
            at += 1
            if text[at - 1] == "]":
                break
        node = ListNode(Kind.LIST, start, at, outer_start, at, items)
        node.entries = None
        return node

    def kind_of(self, raw: str, what: int, at: int) -> Kind:
        """What a scalar is; numbers of unusual spelling are tried."""
        if what == _WORD:
            return _WORDS.get(raw, Kind.ENUM)
        if what != _NUMBER:
            return _KINDS[what]
        if _PLAIN_FLOAT.match(raw):
            return Kind.FLOAT
        for kind, parse in ((Kind.INTEGER, parse_integer), (Kind.FLOAT, parse_float)):
            try:
                parse(raw)
            except ValueError:
                continue
            return kind
        raise self.fault(at, f"{raw[:60]!r} is not a number")

    def bad_item(self, at: int) -> DocumentError:
        """What stands in a list where an item and a comma should."""
        at = _skip(self.text, at)
        scalar = _SCALAR.match(self.text, at)
        if scalar is not None:
            at = _skip(self.text, scalar.end())
        return self.fault(at, self.unexpected(at, "]"))

    def unexpected(self, at: int, closer: str) -> str:
        found = repr(self.text[at]) if at < len(self.text) else "the end of the text"
        return f"{found} where {closer!r} was expected" if closer else f"{found} closes nothing"

    def fault(self, at: int, message: str = "") -> DocumentError:
        text = self.text
        at = _skip(text, at)
        hint = ""
        if not message:
            at, message, hint = _explain(text, at)
        line, column = Lines(text).position(at)
        return DocumentError(
            f"line {line}, column {column}: {message}", line=line, column=column, hint=hint
        )


_KINDS = {
    _STRINGS: Kind.STRING,
    _PLAIN_INTEGER: Kind.INTEGER,
    _NUMBER: Kind.FLOAT,
    _WORD: Kind.ENUM,
}


def _put(content: dict[str, Node], name: str, node: Node) -> None:
    """File an entry under its name; the second of a name makes it a list of entries."""
    if name[0] == "[":
        name = f"[{name[1:-1].strip()}]"
    first = content.get(name)
    if first is None:
        content[name] = node
        return
    if isinstance(first, ListNode) and first.entries is not None:
        group = first
    else:
        items = list(first.content) if first.kind is Kind.LIST else [first]
        group = ListNode(Kind.LIST, first.start, first.end, first.outer_start, 0, items)
        group.entries = [first]
        content[name] = group
    group.entries.append(node)  # type: ignore[union-attr]
    if node.kind is Kind.LIST:
        group.content.extend(node.content)
    else:
        group.content.append(node)


def _skip(text: str, at: int) -> int:
    match = _SKIP.match(text, at)
    return match.end() if match else at


def _explain(text: str, at: int) -> tuple[int, str, str]:
    """Where exactly a field went wrong, how, and what to do."""
    name = re.compile(_NAME).match(text, at)
    if name is None:
        found = repr(text[at]) if at < len(text) else "the end of the text"
        return at, f"{found} where the name of a field was expected", ""
    label = repr(name[0] if len(name[0]) <= 60 else f"{name[0][:57]}...")
    at = _skip(text, name.end())
    if text[at : at + 1] != ":":
        found = repr(text[at]) if at < len(text) else "the end of the text"
        return at, f"{found} after {label}", "a field is `name: value` or `name { ... }`"
    at = _skip(text, at + 1)
    if text[at : at + 1] in {'"', "'"}:
        return at, f"the text of {label} has no closing quote on its line", ""
    found = repr(text[at]) if at < len(text) else "the end of the text"
    return at, f"{found} where the value of {label} was expected", ""
