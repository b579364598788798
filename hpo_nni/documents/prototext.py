"""Protobuf text format as a document: read without a schema, edited in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import EnumName, Kind, ListNode, Node, Splice
from hpo_nni.documents.lists import remove_entry
from hpo_nni.documents.prototext_literals import parse_float, parse_integer, unquote
from hpo_nni.documents.prototext_reading import WHOLE_NAME, read_fields
from hpo_nni.documents.prototext_writing import add_field, write_value
from hpo_nni.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class PrototextDocument:
    """A config in protobuf text format."""

    repeats_are_lists = True

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self._root = root

    @classmethod
    def parse(cls, text: str) -> PrototextDocument:
        r"""Read a text.

        >>> PrototextDocument.parse("a: 1 # one\nb { c: [2, 3] }").root().content["b"].kind
        <Kind.MAP: 'a group of fields'>
        """
        return cls(text, read_fields(text))

    def root(self) -> Node:
        """The outermost group, which has no braces."""
        return self._root

    def dump(self) -> str:
        """The text, byte for byte."""
        return self.text

    def value(self, node: Node) -> Any:
        """The Python value of a scalar."""
        raw = self.text[node.start : node.end]
        return _VALUES[node.kind](raw)

    def plain_map(self, node: Node, convert: Callable[[Node], Any]) -> dict[Any, Any]:
        """The fields of a group."""
        return {name: convert(child) for name, child in node.content.items()}

    def is_name(self, name: str) -> bool:
        """Identifiers, and extensions in brackets."""
        return bool(WHOLE_NAME.match(name))

    def owner_note(self, node: Node) -> str:  # noqa: ARG002 -- the seam's signature
        """Nothing is shared in this format."""
        return ""

    def parse_fragment(self, text: str, *, is_list: bool) -> Any:
        """The data of `{a: 1 b: 2}`, `a: 1 b: 2` or `[1, 2]`; braces are optional."""
        text = text.strip()
        if is_list:
            source = f"items: {text}"
        elif text.startswith("{") and text.endswith("}"):
            source = f"items {text}"
        else:
            source = f"items {{ {text}\n}}"
        document = PrototextDocument.parse(source)
        node = document.root().content.get("items")
        if len(document.root().content) != 1 or node is None:
            raise DocumentError(f"{text!r} goes on behind its closing bracket")
        return _data(document, node)

    def write(self, data: Any, like: Node | None) -> str:
        """Data in the style of the value it replaces."""
        return write_value(self.text, data, like)

    def empty(self, node: ListNode) -> list[Splice]:
        """Take all entries out."""
        return [remove_entry(self.text, entry) for entry in node.entries or ()]

    def add(self, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
        """Add a field behind the last one of `parent`."""
        return add_field(self.text, parent, names, data)


def _data(document: PrototextDocument, node: Node) -> Any:
    """Data that can be written again: enum names are EnumName."""
    if node.kind is Kind.MAP:
        return {name: _data(document, child) for name, child in node.content.items()}
    if node.kind is Kind.LIST:
        return [_data(document, child) for child in node.content]
    return document.value(node)


_VALUES: dict[Kind, Callable[[str], Any]] = {
    Kind.STRING: unquote,
    Kind.INTEGER: parse_integer,
    Kind.FLOAT: parse_float,
    Kind.BOOLEAN: lambda raw: raw[0] in "tT",
    Kind.ENUM: EnumName,
}
