"""What counts as a number in a search space: JSON's numbers, and strings that are meant as such.

NNI reads a `search_space.json` that is not strict JSON as YAML 1.1, in which `1e-3` is a string.
Tuners and configs want the number.
"""

from __future__ import annotations

import re
import sys
from typing import Any

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+", re.ASCII)
_MOST_DIGITS = 300  # of a whole number; with more, it is no float


def find_number(value: Any) -> int | float | None:
    """The finite number that `value` is or spells; None for anything else, booleans included.

    >>> find_number("1e-3"), find_number(16), find_number("16"), find_number(True)
    (0.001, 16, 16, None)
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        is_whole = text.lstrip("+-").isdecimal() and len(text) <= _MOST_DIGITS
        value = int(text) if is_whole else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None  # false for NaN, too


def restore_numbers(value: Any) -> Any:
    """`value` with every string that only YAML 1.1 takes for a string made the number it spells.

    These are numbers with an exponent. `"16"` and `"007"` stay: whoever quoted them meant strings.

    >>> restore_numbers(["1e-3", {"lr": "5E-4"}, "16", "e5"])
    [0.001, {'lr': 0.0005}, '16', 'e5']
    """
    if isinstance(value, str):
        number = find_number(value) if _EXPONENT.fullmatch(value) else None
        return value if number is None else number
    if isinstance(value, list):
        return [restore_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: restore_numbers(item) for key, item in value.items()}
    return value
