"""Changing the items of a list in place: the same for every format, for it only moves text.

A list between brackets keeps its separators; a list of entries (repeated fields, dashes) keeps
the layout of its entries: a new one is a copy of the last with another value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.documents.base import ConfigDocument


def assign(document: ConfigDocument, node: ListNode, texts: Sequence[str]) -> list[Splice]:
    """Splices after which the list holds exactly the items `texts`."""
    if node.entries is None:
        return _assign_in_brackets(document.text, node, node.content, texts)
    if not texts:
        return document.empty(node)
    if any(entry.kind is Kind.LIST for entry in node.entries) and node.content is not node.entries:
        first, *others = node.entries
        whole = Splice(first.start, first.end, f"[{', '.join(texts)}]")
        return [whole, *(remove_entry(document.text, entry) for entry in others)]
    return _assign_entries(document.text, node.entries, texts)


def remove_entry(text: str, entry: Node) -> Splice:
    """Take an entry out, with its line where it stands alone on it."""
    start, end = entry.outer_start, entry.outer_end
    line_end = end_of_entry_line(text, end)
    if is_first_on_line(text, start) and (
        line_end > end or text[end : end + 1] in {"", "\r", "\n"}
    ):
        start = text.rfind("\n", 0, start) + 1
        end = min(len(text), line_end + len(newline_of(text[line_end : line_end + 2])))
        return Splice(start, end, "")
    while start and text[start - 1] in " \t":
        start -= 1
    return Splice(start, end, "")


def _assign_entries(text: str, entries: Sequence[Node], texts: Sequence[str]) -> list[Splice]:
    splices = _overwrite(text, entries, texts)
    splices += [remove_entry(text, entry) for entry in entries[len(texts) :]]
    extra = texts[len(entries) :]
    if extra:
        last = entries[-1]
        is_tall = is_first_on_line(text, last.outer_start)
        at = end_of_entry_line(text, last.outer_end) if is_tall else last.outer_end
        lead = newline_of(text) + indent_of(text, last.outer_start) if is_tall else " "
        head, tail = text[last.outer_start : last.start], text[last.end : last.outer_end]
        if is_tall and text[at - 1 : at] == "\n":  # the last item ends with its line
            lead, tail = indent_of(text, last.outer_start), newline_of(text)
        splices.append(Splice(at, at, "".join(f"{lead}{head}{item}{tail}" for item in extra)))
    return splices


def _assign_in_brackets(
    text: str, node: Node, items: Sequence[Node], texts: Sequence[str]
) -> list[Splice]:
    if not items or not texts:
        return [Splice(node.start + 1, node.end - 1, ", ".join(texts))]
    splices = _overwrite(text, items, texts)
    if len(texts) < len(items):
        splices.append(Splice(items[len(texts) - 1].end, items[-1].end, ""))
    elif len(texts) > len(items):
        separator = text[items[0].end : items[1].start] if len(items) > 1 else ", "
        if separator.strip() != ",":  # a comment stands between the items
            separator = ", "
        extra = "".join(separator + item for item in texts[len(items) :])
        splices.append(Splice(items[-1].end, items[-1].end, extra))
    return splices


def _overwrite(text: str, nodes: Sequence[Node], texts: Sequence[str]) -> list[Splice]:
    return [
        Splice(node.start, node.end, new)
        for node, new in zip(nodes, texts, strict=False)
        if text[node.start : node.end] != new
    ]
