"""The values of a point as samplers hand them out, made ready to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_nni.documents.keypath_parser import split_outside
from hpo_nni.errors import ValueMismatchError

_SCALARS = (bool, int, float, str)


def untie(value: Any, count: int) -> list[Any]:
    """The values of tied keys, one for each; ValueMismatchError if there are more or fewer.

    >>> untie("[8,4];2", 2)
    ['[8,4]', '2']
    """
    if count == 1:
        return [value]
    parts: list[Any] = list(value) if isinstance(value, list) else []
    if isinstance(value, str):
        parts = split_outside(value, ";")
        parts = [part.strip() for part in (parts if len(parts) == count else value.split(";"))]
    if len(parts) != count:
        raise ValueMismatchError(
            f"{count} tied keys need {count} values, and {value!r} is not a list of {count}",
            hint="write 'v1;v2' or [v1, v2]",
        )
    return parts


def plain(value: Any) -> Any:
    """Python's own types instead of numpy's; ValueMismatchError for what no config can hold.

    >>> plain((1, {"a": None}))
    [1, {'a': None}]
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or type(value) in _SCALARS:
        return value
    for scalar in (int, float, str):
        if isinstance(value, scalar):  # numpy's float64 is a float, and prints as no number
            return scalar(value)
    item = getattr(value, "item", None)
    if callable(item):
        return item()
    raise ValueMismatchError(f"{value!r} is no value that a config can hold")
