"""YAML, read through libyaml's events so that every value's span is known.

What a scalar means is decided by PyYAML's own resolver and constructors, so that our data is what
`yaml.safe_load` gives. Anchors: an alias is a place of its own whose text is `*name`; a scalar
that stands for it can be replaced there. What lies inside of an aliased group belongs to the
anchor, and is only edited there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.documents.base import Kind, ListNode, Node, Splice
from hpo_nni.documents.yaml_reading import MERGE, YamlNode, compose
from hpo_nni.documents.yaml_writing import add_field, empty_list, write_value
from hpo_nni.errors import DocumentError, KeyPathError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class YamlDocument:
    """A config in YAML."""

    repeats_are_lists = False

    def __init__(self, text: str, root: Node, referred: set[str]) -> None:
        self.text = text
        self._root = root
        self._referred = referred

    @classmethod
    def parse(cls, text: str) -> YamlDocument:
        """Read a text.

        >>> YamlDocument.parse("a: [1, yes]").root().content["a"].content[1].content
        True
        """
        return cls(text, *compose(text))

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
        """A mapping as a dict with its real keys, merged mappings included."""
        assert isinstance(node, YamlNode)
        data: dict[Any, Any] = {}
        merged = node.content.get("<<") if node.keys.get("<<") is MERGE else None
        if merged is not None:
            sources = merged.content if merged.kind is Kind.LIST else [merged]
            for source in reversed(sources):
                data.update(self.plain_map(source, convert))
        for name, child in node.content.items():
            if child is not merged:
                data[node.keys.get(name, name)] = convert(child)
        return data

    def is_name(self, name: str) -> bool:  # noqa: ARG002
        """Any text is one."""
        return True

    def owner_note(self, node: Node) -> str:
        """Who else uses an anchored value."""
        if not isinstance(node, YamlNode):
            return ""
        if node.is_reference:
            return ""
        if node.alias:
            raise KeyPathError(
                f"this value is only referred to here, by '*{node.alias}'",
                hint=f"name it where '&{node.alias}' stands, which changes every use of it",
            )
        shared = [name for name in node.anchors if name in self._referred]
        return f"everything that says '*{shared[-1]}' changes with it" if shared else ""

    def parse_fragment(self, text: str, *, is_list: bool) -> Any:
        """The data of a mapping or list in flow style."""
        document = YamlDocument.parse(text)
        node = document.root()
        if node.kind is not (Kind.LIST if is_list else Kind.MAP):
            raise DocumentError("it is another kind of value")
        return _data(document, node)

    def write(self, data: Any, like: Node | None) -> str:
        """Data in the style of the value it replaces."""
        return write_value(self.text, data, like)

    def empty(self, node: ListNode) -> list[Splice]:
        """Take all items out of a list with dashes."""
        return empty_list(self.text, node)

    def add(self, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
        """Add a field behind the last one of `parent`."""
        return add_field(self.text, parent, names, data)


def _data(document: YamlDocument, node: Node) -> Any:
    if node.kind is Kind.MAP:
        return document.plain_map(node, lambda child: _data(document, child))
    if node.kind is Kind.LIST:
        return [_data(document, child) for child in node.content]
    return node.content
