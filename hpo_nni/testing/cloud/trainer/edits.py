"""What `-Dedit_config_json` does to a config: EasyRec's language of keys, over protobuf.

`a.b[0].c`, `a[:]`, `a[3:12]`, `a[name=x].b` and the other comparisons; `k1;k2` with as many values.
Messages that are not set are created on the way, as EasyRec does it.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

import yaml
from google.protobuf import json_format, text_format
from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_FRACTIONS = {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


class EditError(ValueError):
    """An edit that cannot be made; the text names the key."""


def apply_edits(config: Any, text: str) -> None:
    """Change a config as the JSON says, in its order.

    Raises:
        EditError: the text is no object, a key selects nothing, or a value does not fit.
    """
    try:
        edits = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise EditError(f"edit_config_json cannot be read: {error}") from error
    if not isinstance(edits, dict):
        raise EditError(f"edit_config_json is no object: {text}")
    for keys, value in _untied(edits):
        try:
            _edit(config, keys, value)
        except (KeyError, IndexError, TypeError, ValueError, json_format.Error) as error:
            raise EditError(f"edit_config_json, {keys}: {error}") from error


def _untied(edits: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in edits.items():
        keys = key.split(";")
        values = value.split(";") if isinstance(value, str) else value
        if len(keys) == 1:
            yield key, value
        elif isinstance(values, list) and len(values) == len(keys):
            yield from zip(keys, values, strict=True)
        else:
            raise EditError(f"edit_config_json, {key}: {len(keys)} keys, but not as many values")


def _edit(config: Any, key: str, value: Any) -> None:
    *way, (last, selectors) = list(_steps(key))
    messages = [config]
    for name, chosen in way:
        messages = [found for one in messages for found in _inner(one, name, chosen)]
    if not messages:
        raise KeyError("nothing is selected")
    for message in messages:
        _assign(message, last, selectors, value)


def _steps(key: str) -> Iterator[tuple[str, list[str]]]:
    """The names of a path, each with what stands in its brackets, which may hold brackets."""
    depth, start, parts = 0, 0, []
    for place, sign in enumerate(key):
        depth += (sign == "[") - (sign == "]")
        if sign == "." and depth == 0:
            parts.append(key[start:place])
            start = place + 1
    for part in [*parts, key[start:]]:
        name = part.partition("[")[0]
        selectors, depth, start = [], 0, 0
        for place, sign in enumerate(part):
            if sign == "[":
                start = start if depth else place + 1
                depth += 1
            elif sign == "]":
                depth -= 1
                if depth == 0:
                    selectors.append(part[start:place])
        if depth or not name:
            raise KeyError(f"malformed: {part!r}")
        yield name.strip(), selectors


def _field(message: Any, name: str) -> Any:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise KeyError(f"{message.DESCRIPTOR.name} has no field {name!r} that this trainer knows")
    return field


def _is_repeated(message: Any, name: str) -> bool:
    """Asked of the value: how a descriptor tells changed between protobuf 5 and 7."""
    return hasattr(getattr(message, name), "extend")


def _inner(message: Any, name: str, selectors: list[str]) -> list[Any]:
    field = _field(message, name)
    if field.message_type is None:
        raise KeyError(f"{name} is no message")
    if not _is_repeated(message, name):
        if selectors:
            raise KeyError(f"{name} is no list")
        inner = getattr(message, name)
        inner.SetInParent()
        return [inner]
    if len(selectors) != 1:
        raise KeyError(f"{name} is a list: it takes one pair of brackets")
    items = getattr(message, name)
    return [items[place] for place in _places(items, selectors[0])]


def _places(items: Any, selector: str) -> list[int]:
    """Which elements a selector means."""
    everything = range(len(items))
    if re.fullmatch(r"\s*-?\d+\s*", selector):
        return [everything[int(selector)]]
    span = re.fullmatch(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*", selector)
    if span:
        first, last = (int(bound) if bound else None for bound in span.groups())
        return list(everything[first:last])
    for sign, compare in _COMPARISONS.items():
        path, found, wanted = selector.partition(sign)
        if found:
            return [place for place in everything if _holds(items[place], path, compare, wanted)]
    raise KeyError(f"[{selector}] is no selector")


def _holds(item: Any, path: str, compare: Callable[[Any, Any], bool], wanted: str) -> bool:
    wanted = wanted.strip().strip("\"'")
    if not hasattr(item, "DESCRIPTOR"):
        raise KeyError(f"{path} compares fields, but the elements are no messages")
    value = item
    for name, selectors in _steps(path.strip()):
        _field(value, name)
        value = getattr(value, name)
        for selector in selectors:
            if not -len(value) <= int(selector) < len(value):
                return False
            value = value[int(selector)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return compare(value, float(wanted))
    return compare(str(value), wanted)


def _assign(message: Any, name: str, selectors: list[str], value: Any) -> None:
    field = _field(message, name)
    if not _is_repeated(message, name):
        if selectors:
            raise KeyError(f"{name} is no list")
        _assign_single(message, field, value)
        return
    items = getattr(message, name)
    if not selectors:
        values = value if isinstance(value, list) else [value]
        del items[:]
        for one in values:
            _add(items, field, one)
        return
    places = _places(items, selectors[0])
    if not places:
        raise KeyError("nothing is selected")
    for place in places:
        if field.message_type is not None:
            items[place].CopyFrom(_message(items[place], value))
        else:
            items[place] = _scalar(field, value)


def _assign_single(message: Any, field: Any, value: Any) -> None:
    if field.message_type is None:
        setattr(message, field.name, _scalar(field, value))
    else:
        inner = getattr(message, field.name)
        inner.CopyFrom(_message(inner, value))


def _add(items: Any, field: Any, value: Any) -> None:
    if field.message_type is None:
        items.append(_scalar(field, value))
    else:
        item = items.add()
        item.CopyFrom(_message(item, value))


def _message(like: Any, value: Any) -> Any:
    """A message from an object or from prototext."""
    made = type(like)()
    if isinstance(value, dict):
        json_format.ParseDict(value, made)
    else:
        text_format.Parse(str(value), made)
    return made


def _scalar(field: Any, value: Any) -> Any:
    """A value in the field's type; what would lose something is refused."""
    kind = field.cpp_type
    if kind in _INTEGERS:
        number = float(value)
        if not number.is_integer():
            raise ValueError(f"{field.name} is an integer, not {value!r}")
        return int(number) if not isinstance(value, int) else int(value)
    if kind in _FRACTIONS:
        return float(value)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _BOOLEANS[str(value).lower()]
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return field.enum_type.values_by_name[str(value)].number
    return str(value)
