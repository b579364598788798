"""How values, groups and new fields are written into protobuf text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.documents.base import (
    Kind,
    ListNode,
    Node,
    Splice,
    end_of_entry_line,
    indent_of,
    is_first_on_line,
    newline_of,
)
from hpo_nni.documents.prototext_literals import spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST_INDENT = re.compile(r"\n([ \t]+)[^\s#]")


class Style(NamedTuple):
    r"""How a file is laid out.

    Attributes:
        indent: of the entries to write; None to keep everything on one line.
        unit: what one level adds.
        newline: `\n` or `\r\n`.
    """

    indent: str | None
    unit: str
    newline: str

    def deeper(self) -> Style:
        """The style of what stands inside."""
        return self if self.indent is None else self._replace(indent=self.indent + self.unit)


def write_value(text: str, data: Any, like: Node | None) -> str:
    """A scalar, a group or a list as text, styled after the node it replaces."""
    old = text[like.start : like.end] if like is not None else ""
    if isinstance(data, dict):
        is_tall = like is not None and like.kind is Kind.MAP and "\n" in old
        indent = indent_of(text, like.outer_start) if is_tall and like is not None else None
        written = _group(data, _style(text, indent))
        return f"<{written[1:-1]}>" if old[:1] == "<" else written
    if isinstance(data, list):
        return f"[{', '.join(write_value(text, item, like) for item in data)}]"
    return spell(data, old)


def add_field(text: str, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
    """Splices that write a new field behind the last one of `parent`, in its layout."""
    for name in reversed(names):
        data = {name: data}
    last = _last_entry(parent)
    if last is None:
        return [_fill(text, parent, data)]
    if not is_first_on_line(text, last.outer_start):
        fields = _fields(data, _style(text, None))
        return [Splice(last.outer_end, last.outer_end, "".join(f" {field}" for field in fields))]
    style = _style(text, indent_of(text, last.outer_start))
    lead = style.newline + (style.indent or "")
    at = end_of_entry_line(text, last.outer_end)
    return [Splice(at, at, "".join(lead + field for field in _fields(data, style)))]


def _fill(text: str, parent: Node, data: Mapping[str, Any]) -> Splice:
    """Write fields into a group that has none."""
    if text[parent.start : parent.start + 1] not in {"{", "<"}:  # the root: only comments so far
        style = _style(text, "")
        lead = "" if not text.strip("\ufeff") or text.endswith("\n") else style.newline
        return Splice(len(text), len(text), lead + style.newline.join(_fields(data, style)))
    inside = text[parent.start + 1 : parent.end - 1]
    if "\n" not in inside:
        fields = " ".join(_fields(data, _style(text, None)))
        return Splice(parent.start + 1, parent.end - 1, f" {fields} ")
    style = _style(text, indent_of(text, parent.outer_start)).deeper()
    at = parent.start + 2 + inside.rfind("\n")
    lines = "".join(f"{style.indent}{field}{style.newline}" for field in _fields(data, style))
    return Splice(at, at, lines)


def _last_entry(parent: Node) -> Node | None:
    entries = [
        child.entries[-1] if isinstance(child, ListNode) and child.entries else child
        for child in parent.content.values()
    ]
    return max(entries, key=lambda entry: entry.outer_end, default=None)


def _style(text: str, indent: str | None) -> Style:
    first = _FIRST_INDENT.search(text)
    return Style(indent, first[1] if first else "  ", newline_of(text))


def _group(data: Mapping[str, Any], style: Style) -> str:
    fields = _fields(data, style.deeper())
    if not fields:
        return "{}"
    if style.indent is None:
        return f"{{ {' '.join(fields)} }}"
    lead = style.newline + style.indent + style.unit
    return f"{{{lead}{lead.join(fields)}{style.newline}{style.indent}}}"


def _fields(data: Mapping[str, Any], style: Style) -> list[str]:
    fields = []
    for name, value in data.items():
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict) for item in items):
            fields += [f"{name} {_group(item, style)}" for item in items]
        elif isinstance(value, list):
            if value:
                fields.append(f"{name}: [{', '.join(spell(item, '') for item in value)}]")
        else:
            fields.append(f"{name}: {spell(value, '')}")
    return fields
