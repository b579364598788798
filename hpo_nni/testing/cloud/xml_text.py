"""XML as the services write it: elements from plain values, no namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def element(tag: str, *content: str, **attributes: str) -> str:
    """An element around what is XML already.

    >>> element("Task", element("Name", "a"), Type="SQL")
    '<Task Type="SQL"><Name>a</Name></Task>'
    """
    said = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{tag}{said}>{''.join(content)}</{tag}>"


def text(tag: str, value: object, **attributes: str) -> str:
    """An element around text.

    >>> text("Key", "a<b")
    '<Key>a&lt;b</Key>'
    """
    return element(tag, escape(str(value)), **attributes)


def document(tag: str, content: Iterable[str]) -> bytes:
    """A whole answer."""
    return (HEAD + element(tag, *content)).encode()
