"""What differs between two nested values, by key path."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpo_nni.documents.keypath import Field, Index, join

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "ABSENT"})()
"""Stands where one side has nothing: no value of a config can be it."""

# What tells the items of a list apart, in EasyRec's configs and most others.
_NAMES = ("name", "id", "key", "input_names", "group_name", "feature_name", "feature_names")

Path = tuple[Field | Index, ...]


@dataclass(frozen=True)
class Difference:
    """One place at which two sides differ.

    Attributes:
        key: a key path; positions in lists are those of `a`, of what only `b` has those of `b`.
        a, b: the values, groups and lists too; ABSENT where that side has none.
    """

    key: str
    a: Any
    b: Any

    def facts(self) -> dict[str, Any]:
        """The same for JSON: a side that has no value has no entry."""
        sides = {"a": self.a, "b": self.b}
        return {"key": self.key} | {name: one for name, one in sides.items() if one is not ABSENT}


def differences(a: Any, b: Any, *, repeats_are_lists: bool = False) -> Iterator[Difference]:
    """All places at which two nested values differ, in the order of `a`.

    Items of lists are matched by what they hold, then by their names, so that one more item in
    front of a list is one difference. A list of plain values is one value.

    Args:
        a: as `to_data` gives it.
        b: likewise.
        repeats_are_lists: whether a value may be a list of one (protobuf text).

    >>> [one.key for one in differences({"x": 1, "y": {"z": [1]}}, {"x": 1.0, "y": {"z": [2]}})]
    ['y.z']
    """
    yield from _Walk(repeats_are_lists).of(a, b, ())


def labelled_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """The same for values behind labels, which may hold any characters.

    >>> [one.key for one in labelled_differences({"a b": {"c": 1}}, {"a b": {"c": 2}, "d": 3})]
    ['a b.c', 'd']
    """
    for label in dict.fromkeys([*a, *b]):
        for one in differences(a.get(label, ABSENT), b.get(label, ABSENT)):
            yield replace(one, key=f"{label}.{one.key}" if one.key else label)


def is_same(a: Any, b: Any) -> bool:
    """Whether two values mean the same: 1 and 1.0 do, 1 and true do not.

    >>> is_same([1, "a"], [1.0, "a"]), is_same(1, True)
    (True, False)
    """
    return canonical(a) == canonical(b)


def canonical(value: Any) -> str:
    """Text that is the same for values that mean the same."""
    return json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


@dataclass(frozen=True)
class _Walk:
    repeats_are_lists: bool

    def of(self, a: Any, b: Any, path: Path) -> Iterator[Difference]:
        if a is ABSENT or b is ABSENT:
            yield Difference(join(path), a, b)
            return
        if self.repeats_are_lists and isinstance(a, list) != isinstance(b, list):
            a, b = (one if isinstance(one, list) else [one] for one in (a, b))
        if isinstance(a, dict) and isinstance(b, dict):
            for name in dict.fromkeys([*a, *b]):
                place = (*path, Field(str(name)))
                yield from self.of(a.get(name, ABSENT), b.get(name, ABSENT), place)
        elif isinstance(a, list) and isinstance(b, list) and _is_deep([*a, *b]):
            for position, pair in _pairs(a, b):
                yield from self.of(*pair, (*path, Index((position,))))
        elif not is_same(a, b):
            yield Difference(join(path), a, b)


def _is_deep(items: Sequence[Any]) -> bool:
    return any(isinstance(item, dict | list) for item in items)


def _pairs(a: Sequence[Any], b: Sequence[Any]) -> Iterator[tuple[int, tuple[Any, Any]]]:
    """What of one list stands against what of the other, with its position."""
    matcher = difflib.SequenceMatcher(
        None, [canonical(one) for one in a], [canonical(one) for one in b], autojunk=False
    )
    for kind, first, end, other_first, other_end in matcher.get_opcodes():
        if kind != "equal":
            yield from _match(a, range(first, end), b, range(other_first, other_end))


def _match(
    a: Sequence[Any], here: range, b: Sequence[Any], there: range
) -> Iterator[tuple[int, tuple[Any, Any]]]:
    names = {_name(b[index]): index for index in there}
    if len(names) == len(there) and None not in {*names, *(_name(a[index]) for index in here)}:
        taken = {index: names.get(_name(a[index])) for index in here}
    else:
        taken = dict(zip(here, [*there, *[None] * len(here)], strict=False))
    for index, other in taken.items():
        yield index, (a[index], ABSENT if other is None else b[other])
    for other in there:
        if other not in taken.values():
            yield other, (ABSENT, b[other])


def _name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    return next((canonical([name, item[name]]) for name in _NAMES if name in item), None)
