"""How values, mappings and new fields are written into YAML.

Nothing is written that reads as another type: every scalar is read back by PyYAML before it is
handed out, and put in double quotes if plain text would not do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from hpo_nni.documents.base import (
    Kind,
    ListNode,
    Node,
    Splice,
    end_of_entry_line,
    newline_of,
)
from hpo_nni.documents.flow import add_to_flow
from hpo_nni.errors import ValueMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOADER = yaml.SafeLoader  # what trainers use, and stricter than libyaml, about tabs for one
_UNPRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\x85\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SPELLINGS = (("true", "false"), ("yes", "no"), ("on", "off"))


def write_value(text: str, data: Any, like: Node | None) -> str:
    """A scalar, a mapping or a list as text, styled after the node it replaces."""
    old = text[like.start : like.end] if like is not None else ""
    style = getattr(like, "style", None)
    is_flow = getattr(like, "is_flow", True)
    if isinstance(data, dict):
        if is_flow or not data or like is None:
            return _flow(data)
        column = like.start - (text.rfind("\n", 0, like.start) + 1)
        return (newline_of(text) + " " * column).join(_block(data, column, newline_of(text)))
    if isinstance(data, list):
        return _flow(data)
    in_flow = getattr(like, "in_flow", True)
    if like is not None and like.kind is Kind.OTHER and isinstance(data, str):
        return _special(data, like)
    written = _scalar(data, old, style, in_flow=in_flow, column=_column(text, like))
    if like is not None and like.kind is Kind.NULL and not old:
        lead = text[like.start - 1 : like.start]
        return f" {written}" if lead and lead in ":-,?" else written
    return written


def add_field(text: str, parent: Node, names: Sequence[str], data: Any) -> list[Splice]:
    """Splices that write a new field behind the last one of `parent`, in its layout."""
    for name in reversed(names[1:]):
        data = {name: data}
    key = _key(names[0])
    children = parent.content.values()
    if getattr(parent, "is_flow", False) or not children:
        return [add_to_flow(text, parent, key, _flow(data))]
    last = max(children, key=lambda child: child.end)
    column = parent.start - (text.rfind("\n", 0, parent.start) + 1)
    newline = newline_of(text)
    lines = newline.join(" " * column + line for line in _block({names[0]: data}, column, newline))
    at = last.end
    if text[at - 1 : at] == "\n":  # a block scalar ends with its line
        return [Splice(at, at, lines + newline)]
    at = end_of_entry_line(text, at)
    return [Splice(at, at, newline + lines)]


def empty_list(text: str, node: ListNode) -> list[Splice]:
    """Put `[]` in the place of a list with dashes."""
    before = text[: node.start].rstrip()
    if before[-1:] in {":", "-"}:
        return [Splice(len(before), node.end, " []")]
    return [Splice(node.start, node.end, "[]")]


def _column(text: str, node: Node | None) -> int:
    """The column at which the entry of a node begins."""
    if node is None:
        return 0
    return node.outer_start - (text.rfind("\n", 0, node.outer_start) + 1)


def _scalar(data: Any, old: str, style: str | None, *, in_flow: bool, column: int) -> str:
    if isinstance(data, str) and style in {"|", ">"} and not in_flow:
        block = _block_scalar(data, old, style, column)
        if block is not None:
            return block
    for candidate in _candidates(data, old, style):
        if not isinstance(data, str) or _reads_as(candidate, data, in_flow=in_flow):
            is_block = style in {"|", ">"} and old.endswith("\n")
            return candidate + (newline_of(old) if is_block else "")
    raise ValueMismatchError(f"{data!r} cannot be written in YAML")


def _special(data: str, like: Node) -> str:
    """A date for a date: plain text that reads as the same type."""
    try:
        value = yaml.load(data, Loader=_LOADER)  # noqa: S506 -- the safe loader
    except (yaml.YAMLError, ValueError, AttributeError):
        value = None
    if type(value) is not type(like.content) or "\n" in data:
        raise ValueMismatchError(f"{data!r} is not a {type(like.content).__name__}")
    return data


def _candidates(data: Any, old: str, style: str | None) -> Iterable[str]:
    """Spellings from the most like the old one to the safest."""
    if isinstance(data, bool):
        yield _boolean(data, old)
        yield str(data).lower()
    elif data is None:
        yield old if old in {"~", "Null", "NULL"} else "null"
    elif isinstance(data, float):
        yield _float(data)
    elif isinstance(data, str):
        if style is None:
            yield data
        if style != '"' and not _UNPRINTABLE.search(data):
            yield "'" + data.replace("'", "''") + "'"
        yield _double_quoted(data)
    else:
        yield str(data)


def _reads_as(text: str, data: str, *, in_flow: bool) -> bool:
    """Whether PyYAML reads exactly `data` out of `text`."""
    if "\n" in text:
        return False
    try:
        read = yaml.load(f"[{text}]" if in_flow else f"- {text}\n", Loader=_LOADER)  # noqa: S506
    except (yaml.YAMLError, ValueError, LookupError, AttributeError):
        return False
    return bool(read == [data])


def _boolean(data: bool, old: str) -> str:  # noqa: FBT001
    for words in _SPELLINGS:
        if old.lower() in words:
            word = words[0 if data else 1]
            return word.upper() if old.isupper() else word.title() if old.istitle() else word
    return str(data).lower()


def _float(data: float) -> str:
    """YAML 1.1 wants a dot in every float and a sign in every exponent: 1e-7 is text there."""
    text = repr(data)
    if "n" in text:
        return {"inf": ".inf", "-inf": "-.inf"}.get(text, ".nan")
    mantissa, exponent, power = text.partition("e")
    if exponent and "." not in mantissa:
        mantissa += ".0"
    return mantissa + exponent + power


def _double_quoted(data: str) -> str:
    def escaped(match: re.Match[str]) -> str:
        code = ord(match[0])
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    text = data.replace("\\", "\\\\").replace('"', '\\"')
    for char, name in (("\n", "n"), ("\t", "t"), ("\x85", "N"), ("\xa0", "_")):
        text = text.replace(char, f"\\{name}")
    return f'"{_UNPRINTABLE.sub(escaped, text)}"'


def _block_scalar(data: str, old: str, style: str, column: int) -> str | None:
    """A block scalar with the old header and indentation; None where that cannot hold `data`."""
    body = data.rstrip("\n")
    if not body or body != body.strip(" \t") or _UNPRINTABLE.search(body) or "\x85" in body:
        return None
    if style == ">" and "\n" in body:
        return None
    newline = newline_of(old)
    header, _, rest = old.partition("\n")
    comment = re.search(r"\s+#.*", header.rstrip("\r"))
    tail = len(data) - len(body)
    chomping = "-" if tail == 0 else "" if tail == 1 else "+"
    indent = next((re.match(r"[ ]*", line)[0] for line in rest.split("\n") if line.strip()), "")  # type: ignore[index]
    indent = indent or " " * (column + 2)
    lines = [indent + line if line else "" for line in body.split("\n")]
    head = style + chomping + (comment[0] if comment else "")
    block = newline.join([head, *lines]) + newline * max(tail, 1)
    probe = "\n".join(["- " + head, *("   " + line.removeprefix(indent) for line in lines)])
    read = yaml.load(probe + "\n" * max(tail, 1), Loader=_LOADER)  # noqa: S506
    return block if read == [data] else None


def _key(name: str) -> str:
    return _scalar(name, "", None, in_flow=True, column=0)


def _flow(data: Any) -> str:
    if isinstance(data, dict):
        fields = ", ".join(f"{_key(str(name))}: {_flow(item)}" for name, item in data.items())
        return f"{{{fields}}}"
    if isinstance(data, list):
        return f"[{', '.join(_flow(item) for item in data)}]"
    return _scalar(data, "", None, in_flow=True, column=0)


def _block(data: Mapping[str, Any], column: int, newline: str) -> list[str]:
    """The lines of a mapping in block style, without the indentation of the mapping itself."""
    lines = []
    for name, value in data.items():
        if isinstance(value, dict) and value:
            lines.append(f"{_key(str(name))}:")
            lines += [f"  {line}" for line in _block(value, column + 2, newline)]
        else:
            lines.append(f"{_key(str(name))}: {_flow(value)}")
    return lines
