"""Builds the nodes of YAML out of libyaml's events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.documents.base import MAX_DEPTH, Kind, ListNode, Node
from hpo_nni.documents.values import as_number
from hpo_nni.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIX = "tag:yaml.org,2002:"
_KINDS = {
    f"{_PREFIX}int": Kind.INTEGER,
    f"{_PREFIX}float": Kind.FLOAT,
    f"{_PREFIX}bool": Kind.BOOLEAN,
    f"{_PREFIX}null": Kind.NULL,
    f"{_PREFIX}str": Kind.STRING,
    f"{_PREFIX}timestamp": Kind.OTHER,
    f"{_PREFIX}binary": Kind.OTHER,
}
_SPACE = re.compile(r"\s*(?:#[^\n]*(?:\n\s*|\Z))*")
_MOST_VALUES = 1_000_000
MERGE = f"{_PREFIX}merge"


class YamlNode(Node):
    """A node of YAML.

    Attributes:
        style: of a scalar: None for a plain one, `'`, `"`, `|` or `>`.
        is_flow: whether a group or list stands between brackets.
        in_flow: whether it stands inside of one that does.
        anchors: the names of the anchors that this value is part of, outermost first.
        alias: the name in `*name`, for a value that is only referred to here, and for what lies
            inside of it.
        is_reference: whether this is `*name` itself.
        keys: of a group: the real keys by their text, where they are no text, and `<<`.
        size: how many values it holds, itself and what aliases repeat included.
    """

    __slots__ = ("alias", "anchors", "in_flow", "is_flow", "is_reference", "keys", "size", "style")

    style: str | None
    is_flow: bool
    in_flow: bool
    anchors: tuple[str, ...]
    alias: str
    is_reference: bool
    size: int
    keys: dict[str, Any]


class YamlList(YamlNode, ListNode):
    """A list of YAML."""

    __slots__ = ()


class _Borrowed(YamlNode):
    """An aliased group or list: its children are made when they are looked at."""

    __slots__ = ("_children", "target")

    target: YamlNode
    _children: Any

    @property
    def content(self) -> Any:
        """The children, each marked as belonging elsewhere."""
        if self._children is None:
            children, name = self.target.content, self.alias
            if self.kind is Kind.MAP:
                self._children = {key: _borrow(child, name) for key, child in children.items()}
            else:
                self._children = [_borrow(child, name) for child in children]
        return self._children

    @content.setter
    def content(self, value: Any) -> None:
        self._children = value


def compose(text: str) -> tuple[Node, set[str]]:
    """The outermost node, and the anchors that aliases refer to; DocumentError with its place."""
    composer = _Composer(text)
    return composer.document(), composer.referred


class _Composer:
    """Builds nodes out of events."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.shift = 1 if text.startswith("\ufeff") else 0  # libyaml does not count the mark
        self.constructor: Any = yaml.SafeLoader("")
        self.events: Iterator[Any] = iter(())
        self.anchors: dict[str, YamlNode] = {}
        self.inside: list[str] = []
        self.flow_depth = 0
        self.referred: set[str] = set()

    def document(self) -> Node:
        try:
            self.events = yaml.parse(self.text, Loader=_LOADER)
            return self.stream()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            message = " ".join(filter(None, (error.context, error.problem)))
            raise self.fault_at(message, mark) from None
        except (yaml.YAMLError, UnicodeEncodeError) as error:
            raise DocumentError(f"not YAML: {error}") from None

    def stream(self) -> Node:
        next(self.events)
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            end = len(self.text)
            return self.finish(YamlNode(Kind.NULL, end, end, end, end))
        node = self.node(next(self.events), 0)
        next(self.events)
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.fault_at(
                "a second document begins here, and a config is one", event.start_mark
            )
        return node

    def node(self, event: Any, depth: int) -> YamlNode:
        if depth > MAX_DEPTH:
            raise self.fault_at(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        anchor = event.anchor
        if anchor in self.anchors:
            raise self.fault_at(f"'&{anchor}' stands for something else already", event.start_mark)
        if anchor is not None:
            self.inside.append(anchor)
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        node.anchors = tuple(self.inside)
        if anchor is not None:
            self.inside.pop()
            self.anchors[anchor] = node
        return node

    def alias(self, event: Any) -> YamlNode:
        start, end = self.span(event)
        target = self.anchors.get(event.anchor)
        if target is None:
            raise self.fault_at(f"'*{event.anchor}' refers to nothing above it", event.start_mark)
        self.referred.add(event.anchor)
        node = _borrow(target, event.anchor)
        node.is_reference, node.in_flow = True, self.flow_depth > 0
        node.anchors = tuple(self.inside)
        node.start, node.end, node.outer_start, node.outer_end = start, end, start, end
        return node

    def scalar(self, event: Any) -> YamlNode:
        start, end = self.span(event)
        start = self.behind_properties(start, end)
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.constructor.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = _KINDS.get(tag, Kind.STRING)
        value = event.value
        if kind is Kind.STRING and not event.style and as_number(value) is not None:
            # `1e-3` is text for PyYAML and a number for everyone who writes or else reads it
            node = self.finish(YamlNode(Kind.FLOAT, start, end, start, end, value))
            if event.tag is None:
                return node
        if kind is not Kind.STRING:
            try:
                plain = yaml.ScalarNode(tag, value, event.start_mark, event.end_mark)
                value = self.constructor.construct_object(plain)
            except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
                raise self.fault_at(
                    f"{value!r} cannot be read: {error}", event.start_mark
                ) from None
        node = self.finish(YamlNode(kind, start, end, start, end, value))
        node.style = event.style or None
        if node.style in {"|", ">"}:
            node.end = node.outer_end = self.end_of_block(start, end)
        return node

    def end_of_block(self, start: int, end: int) -> int:
        """Without the blank lines that follow, unless the header says that they count."""
        text = self.text[start:end]
        if "+" in text.partition("\n")[0]:
            return end
        body = text.rstrip()
        line_end = text.find("\n", len(body))
        return end if line_end < 0 else start + line_end + 1

    def sequence(self, event: Any, depth: int) -> YamlNode:
        start, _ = self.span(event)
        items: list[YamlNode] = []
        node = YamlList(Kind.LIST, start, start, start, start, items)
        self.finish(node).is_flow = bool(event.flow_style)
        node.entries = None if node.is_flow else items  # type: ignore[assignment]
        at = self.behind_properties(start, len(self.text))
        node.start = at
        self.flow_depth += node.is_flow
        while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
            item = self.node(inner, depth + 1)
            if not node.is_flow:
                at = self.text.index("-", _behind_space(self.text, at))
                item.outer_start = at
                at = item.end
            item.outer_end = item.end
            items.append(item)
            self.grow(node, item, inner)
        self.close(node, inner, items[-1].end if items else at)
        return node

    def mapping(self, event: Any, depth: int) -> YamlNode:
        start, _ = self.span(event)
        content: dict[str, YamlNode] = {}
        node = self.finish(YamlNode(Kind.MAP, start, start, start, start, content))
        node.is_flow = bool(event.flow_style)
        node.start = self.behind_properties(start, len(self.text))
        end = node.start
        self.flow_depth += node.is_flow
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent):
            name = self.key(inner, node)
            outer, _ = self.span(inner)
            child = self.node(next(self.events), depth + 1)
            child.outer_start, child.outer_end = outer, child.end
            end = child.end
            if name == "<<" and node.keys.get(name) is MERGE and not _can_be_merged(child):
                raise self.fault_at("'<<' takes a mapping or a list of them", inner.start_mark)
            content.pop(name, None)  # the last of several counts, as for PyYAML
            content[name] = child
            self.grow(node, child, inner)
        self.close(node, inner, end)
        return node

    def key(self, event: Any, parent: YamlNode) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self.fault_at("a key must be a scalar", event.start_mark)
        node = self.scalar(event)
        tag = event.tag or self.constructor.resolve(yaml.ScalarNode, event.value, event.implicit)
        name = str(event.value)
        if tag == MERGE:
            parent.keys["<<"] = MERGE
        elif node.kind is not Kind.STRING:
            name = name or "null"
            parent.keys[name] = node.content
        return name

    def close(self, node: YamlNode, event: Any, content_end: int) -> None:
        """The end of a group: its bracket, or the end of what it holds (comments may follow)."""
        self.flow_depth -= node.is_flow
        node.end = node.outer_end = self.span(event)[1] if node.is_flow else content_end

    def span(self, event: Any) -> tuple[int, int]:
        return event.start_mark.index + self.shift, event.end_mark.index + self.shift

    def behind_properties(self, at: int, end: int) -> int:
        """Where the value itself begins, behind its tag and anchor."""
        text = self.text
        while at < end and text[at] in "!&":
            while at < end and not text[at].isspace():
                at += 1
            at = min(end, _behind_space(text, at))
        return at

    def finish(self, node: YamlNode) -> YamlNode:
        node.style = None
        node.is_flow = False
        node.in_flow = self.flow_depth > 0
        node.anchors = ()
        node.alias = ""
        node.is_reference = False
        node.keys = {}
        node.size = 1
        return node

    def grow(self, node: YamlNode, child: YamlNode, event: Any) -> None:
        """Count a child, and refuse aliases of aliases of aliases that would never end."""
        node.size += child.size
        if node.size > _MOST_VALUES:
            raise self.fault_at("aliases make this too large to read", event.start_mark)

    def fault_at(self, message: str, mark: Any) -> DocumentError:
        if mark is None:
            return DocumentError(message)
        line, column = mark.line + 1, mark.column + 1
        return DocumentError(f"line {line}, column {column}: {message}", line=line, column=column)


def _borrow(target: YamlNode, name: str) -> YamlNode:
    """A node that stands for an anchored one, or for what lies inside of it."""
    if target.kind in {Kind.MAP, Kind.LIST}:
        node: YamlNode = _Borrowed(
            target.kind, target.start, target.end, target.outer_start, target.outer_end
        )
        node.target = target  # type: ignore[attr-defined]
    else:
        node = YamlNode(
            target.kind,
            target.start,
            target.end,
            target.outer_start,
            target.outer_end,
            target.content,
        )
    node.style, node.is_flow, node.keys = target.style, True, target.keys
    node.anchors, node.alias, node.size = target.anchors, name, target.size
    node.is_reference, node.in_flow = False, target.in_flow
    return node


def _behind_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _can_be_merged(node: Node) -> bool:
    sources = node.content if node.kind is Kind.LIST else [node]
    return all(source.kind is Kind.MAP for source in sources)
