"""Bounds for what templates compute: an accident in a few characters must not fill the memory.

`{{ "x".ljust(10 ** 10) }}` is one. Sizes are compared before anything is built.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

LONGEST = 4_000_000  # characters of a text, items of a list
_MOST_BITS = 100_000  # of an integer
_WIDEST = 10_000  # what a text can be filled up to
_WIDTHS = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs"})
_WIDTH_FILTERS = ("center", "indent", "batch", "slice", "wordwrap", "round", "truncate", "tojson")
_LONG_NUMBER = re.compile(r"\d{5}")
_PERCENT = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\*|\d*)(?:\.(\*|\d*))?")
_BRACES = re.compile(r"\{[^{}:]*:([^{}]*)(\{)?")


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large; raises OverflowError."""
    if operator == "%" and isinstance(left, str):
        _check_widths(left)
    elif operator == "+" and _is_sequence(left) and _is_sequence(right):
        _check_length(len(left) + len(right))
    elif operator == "*":
        _check_product(left, right)
        _check_product(right, left)
    elif operator == "**" and isinstance(right, int | float):
        bits = left.bit_length() if isinstance(left, int) else 1
        if abs(right) > 1000 or bits * abs(right) > _MOST_BITS:
            raise OverflowError(f"the exponent {right} is too large")


def check_call(called: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Refuse a method of a text whose result would be too large; raises OverflowError."""
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if not isinstance(owner, str):
        return
    if name in _WIDTHS:
        _check_numbers([*arguments, *named.values()])
    elif name in {"format", "format_map"}:
        _check_widths(owner)
    elif name == "replace" and len(arguments) >= 2:
        _check_replacement(owner, *arguments[:2])
    elif name == "join" and arguments:
        _check_join(arguments[0], owner)


def bound_filters(filters: MutableMapping[str, Any]) -> None:
    """Put the same bounds around Jinja's own filters."""
    for name in _WIDTH_FILTERS:
        filters[name] = _checked(filters[name], lambda *args: _check_numbers(args))
    filters["format"] = _checked(filters["format"], lambda text, *_: _check_widths(str(text)))
    filters["replace"] = _checked(
        filters["replace"],
        lambda *args: _check_replacement(*map(str, (*args, "", "", "")[:3])),
    )
    filters["join"] = _checked(
        filters["join"], lambda items, between="", *_: _check_join(items, str(between))
    )


def join_texts(parts: list[Any]) -> str:
    """What `~` does."""
    texts = [str(part) for part in parts]
    _check_length(sum(map(len, texts)))
    return "".join(texts)


def _checked(original: Any, check: Callable[..., None]) -> Any:
    skipped = 1 if hasattr(original, "jinja_pass_arg") else 0  # the environment or a context

    @functools.wraps(original)
    def bounded(*arguments: Any, **named: Any) -> Any:
        check(*arguments[skipped:], *named.values())
        return original(*arguments, **named)

    return bounded


def _is_sequence(value: Any) -> bool:
    return isinstance(value, str | list | tuple)


def _check_product(repeated: Any, count: Any) -> None:
    if not isinstance(count, int):
        return
    if _is_sequence(repeated) and len(repeated) * count > LONGEST:
        raise OverflowError(f"a text or list repeated {_shown(count)} times is too long")
    if isinstance(repeated, int) and repeated.bit_length() + count.bit_length() > _MOST_BITS:
        raise OverflowError("the product is too large")


def _check_length(length: int) -> None:
    if length > LONGEST:
        raise OverflowError(f"the text would have {_shown(length)} characters")


def _check_numbers(values: Any) -> None:
    for value in values:
        if isinstance(value, int) and value > _WIDEST:
            raise OverflowError(f"the width {_shown(value)} is too large")


def _check_widths(text: str) -> None:
    """Of `%5d` and `{:>5}`: no more than four digits, and none that is itself filled in."""
    for match in _PERCENT.finditer(text):
        if any(part == "*" or len(part or "") > 4 for part in match.groups()):
            raise OverflowError(f"the width in {match[0][:20]!r} is too large or not known")
    for match in _BRACES.finditer(text):
        if match[2] or _LONG_NUMBER.search(match[1]):
            raise OverflowError(f"the width in {match[0][:20]!r} is too large or not known")


def _check_replacement(text: str, old: Any, new: Any) -> None:
    if isinstance(old, str) and isinstance(new, str):
        _check_length(len(text) + text.count(old) * len(new))


def _check_join(items: Any, between: str) -> None:
    if isinstance(items, list | tuple | str):
        _check_length(len(items) * len(between) + sum(len(str(item)) for item in items))


def _shown(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**15 else "so many"
