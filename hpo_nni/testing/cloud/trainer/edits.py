"""What `-Dedit_config_json` does to a config: as EasyRec's own editor has it, over protobuf.

Every value is text to that editor, and so it is here: `1000.0` and `1e3` are no integers, `1` is
no truth, an object is no message, text ends at `;`. What it passes over in silence, a selector
that selects nothing, is passed over. Where it corrupts a config (a slice at the end with a value
that is no element, a bracket that is not closed), this one refuses instead.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

import yaml
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from hpo_nni.testing.cloud.trainer.schema import FILE_ENUMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_FRACTIONS = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_CONDITION = re.compile(r"(.*?)(>=|<=|>|<|=)(.*)", re.DOTALL)
_FAULTS = (KeyError, IndexError, TypeError, ValueError, text_format.ParseError)


class EditError(ValueError):
    """An edit that cannot be made; the text names the key."""


def apply_edits(config: Any, text: str) -> None:
    """Change a config as the JSON says, in its order.

    Raises:
        EditError: the text is no object, a key names no field, or a value does not fit.
    """
    try:
        edits = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EditError(f"edit_config_json cannot be read: {error}") from error
    if not isinstance(edits, dict):
        raise EditError(f"edit_config_json is no object: {text}")
    for tied, value in edits.items():
        keys, values = str(tied).split(";"), str(value).split(";")
        if len(values) < len(keys):
            raise EditError(f"edit_config_json, {tied}: {len(keys)} keys, but not as many values")
        for key, said in zip(keys, values, strict=False):
            try:
                _edit(config, key.strip(), said.strip())
            except _FAULTS as error:
                raise EditError(f"edit_config_json, {key}: {error}") from error


def _edit(config: Any, key: str, value: str) -> None:
    steps = list(_steps(key))
    if not steps:
        return
    *way, (last, selectors) = steps
    messages = [config]
    for name, chosen in way:
        messages = [found for one in messages for found in _inner(one, name, chosen)]
    for message in messages:
        _assign(message, last, selectors, value)


def _steps(key: str) -> Iterator[tuple[str, list[str]]]:
    """The names of a path, each with what stands in its brackets, which may hold brackets."""
    for part in _split(key):
        name, bracket, _ = part.partition("[")
        rest, selectors = part[len(name) :], []
        while rest:
            end = _closing(rest)
            if not rest.startswith("[") or not end:
                raise KeyError(f"malformed: {part}")
            selectors.append(rest[1:end])
            rest = rest[end + 1 :]
        if not name or (bracket and not selectors):
            raise KeyError(f"malformed: {part}")
        yield name, selectors


def _split(key: str) -> list[str]:
    """The parts between the dots outside of brackets; empty ones do not count."""
    depth, parts = 0, [""]
    for sign in key:
        depth += (sign == "[") - (sign == "]")
        if sign == "." and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _closing(text: str) -> int:
    """Where the bracket ends that a text begins with; 0 if it does not."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        if depth == 0:
            return place
    return 0


def _field(message: Any, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise KeyError(f"{message.DESCRIPTOR.name} has no field {name!r} that this trainer knows")
    return field


def _is_repeated(message: Any, name: str) -> bool:
    """Asked of the value: how a descriptor tells changed between protobuf 5 and 7."""
    return hasattr(getattr(message, name), "extend")


def _inner(message: Any, name: str, selectors: list[str]) -> list[Any]:
    """The messages that one step leads to; those that are not set are made on the way."""
    if _field(message, name).message_type is None:
        raise KeyError(f"{name} is no message")
    if not _is_repeated(message, name):
        if selectors:
            raise KeyError(f"{name} is no list")
        return [getattr(message, name)]
    if len(selectors) != 1:
        raise KeyError(f"{name} is a list: it takes one pair of brackets")
    items = getattr(message, name)
    return [items[place] for place in _places(items, selectors[0])]


def _places(items: Any, selector: str) -> list[int]:
    """Which elements a selector means: a condition, a slice or an index."""
    everything = range(len(items))
    condition = _CONDITION.fullmatch(selector)
    if condition:
        return [place for place in everything if _holds(items[place], *condition.groups())]
    if ":" in selector:
        first, last = (int(bound) if bound else None for bound in selector.split(":"))
        return list(everything[first:last])
    return [everything[int(selector)]]


def _holds(item: Any, path: str, sign: str, wanted: str) -> bool:
    """One field is compared, or one element of a list; there is no path in a condition."""
    ((name, selectors),) = _steps(path)
    field, value = _field(item, name), getattr(item, name)
    if _is_repeated(item, name) and not selectors:
        raise KeyError(f"{name} is a list: an element is compared, as in {name}[0]")
    for selector in selectors:
        value = value[int(selector)]
    return _COMPARISONS[sign](value, _scalar(field, wanted))


def _assign(message: Any, name: str, selectors: list[str], value: str) -> None:
    field = _field(message, name)
    if not _is_repeated(message, name):
        if selectors:
            raise KeyError(f"{name} is no list")
        if field.message_type is None:
            setattr(message, name, _scalar(field, value))
        else:
            inner = getattr(message, name)
            inner.CopyFrom(_message(inner, value))
        return
    items = getattr(message, name)
    if not selectors:
        made = type(message)()
        text_format.Parse(f"{name}:{value}", made)
        if len(made.ListFields()) > 1:
            raise KeyError(f"{value} says more than one field")
        message.ClearField(name)
        message.MergeFrom(made)
        return
    for place in _places(items, selectors[0]):
        if field.message_type is not None:
            items[place].CopyFrom(_message(items[place], value))
        else:
            items[place] = _scalar(field, value)


def _message(like: Any, value: str) -> Any:
    """A message from prototext, which may stand in braces."""
    made = type(like)()
    is_braced = value.startswith("{") and value.endswith("}")
    text_format.Parse(value[1:-1] if is_braced else value, made)
    return made


def _scalar(field: Any, value: str) -> Any:
    """A text in the field's type."""
    kind = field.cpp_type
    if kind in _INTEGERS:
        return int(value)
    if kind in _FRACTIONS:
        return float(value)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _BOOLEANS[value]
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        if value.isdecimal():
            return int(value)
        if field.enum_type.name in FILE_ENUMS:
            raise KeyError(f"{field.name} takes a number: EasyRec's editor knows no {value} here")
        return field.enum_type.values_by_name[value].number
    return value
