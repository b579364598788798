"""New members between braces and commas, as JSON and YAML's flow style have them."""

from __future__ import annotations

import re

from hpo_nni.documents.base import Node, Splice

_COLON = re.compile(r"\s*:\s*\Z")
_COMMA = re.compile(r"\s*,\s*\Z")


def add_to_flow(text: str, parent: Node, key: str, value: str) -> Splice:
    """A splice that adds `key: value` behind the last member, spaced like the others."""
    children = sorted(parent.content.values(), key=lambda child: child.outer_start)
    if not children:
        return Splice(parent.start + 1, parent.end - 1, f"{key}: {value}")
    last = children[-1]
    colon = _COLON.search(text[last.outer_start : last.start])
    separator = text[children[-2].outer_end : last.outer_start] if len(children) > 1 else ""
    if not _COMMA.match(separator):
        first = re.match(r"\s*", text[parent.start + 1 : last.outer_start])
        tall = first[0] if first is not None and "\n" in first[0] else " "
        separator = f",{tall}"
    return Splice(last.end, last.end, f"{separator}{key}{colon[0] if colon else ': '}{value}")
