"""Values as the place they go to wants them: typed by what they replace, or by the schema."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hpo_nni.documents.base import EnumName, Kind
from hpo_nni.documents.schema import INTEGER_RANGES
from hpo_nni.errors import ValueMismatchError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpo_nni.documents.schema import FieldType

_INTEGER_TEXT = re.compile(r"\s*[+-]?[0-9]+(?:_[0-9]+)*\s*\Z")
_FLOAT_TEXT = re.compile(
    r"\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|nan)\s*\Z"
)
_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_LONGEST_INTEGER = 100


class Want(NamedTuple):
    """What a place takes.

    Attributes:
        bounds: the smallest and the largest integer.
        numbers: an enum's names and numbers, where they are known.
        has_null: whether the format knows null.
    """

    kind: Kind
    bounds: tuple[int, int] | None = None
    numbers: Mapping[str, int] | None = None
    has_null: bool = False

    @classmethod
    def of_field(cls, field: FieldType) -> Want:
        """What one value of a field of the schema is."""
        return cls(field.kind, INTEGER_RANGES.get(field.type), field.numbers)


def as_number(text: str) -> int | float | None:
    """The number that a text spells, as NNI's YAML fallback leaves `1e-3`; None if it is none.

    >>> as_number("1e-3"), as_number("1_000"), as_number("x")
    (0.001, 1000, None)
    """
    if len(text) > _LONGEST_INTEGER:
        return None
    if _INTEGER_TEXT.match(text):
        return int(text)
    if _FLOAT_TEXT.match(text):
        return float(text)
    return None


def fit_scalar(value: Any, want: Want) -> Any:
    """A scalar as its place wants it.

    Raises:
        ValueMismatchError: it does not fit.

    >>> fit_scalar(16.0, Want(Kind.INTEGER)), fit_scalar("3e-4", Want(Kind.FLOAT))
    (16, 0.0003)
    """
    if value is None:
        if want.has_null:
            return None
        raise ValueMismatchError("null is no value in protobuf text")
    if isinstance(value, (dict, list)):
        what = "a group of fields" if isinstance(value, dict) else "a list"
        raise ValueMismatchError(f"{value!r} is {what}, and {want.kind.value} stands here")
    return _FITS[want.kind](value, want)


def _integer(value: Any, want: Want) -> int:
    number = as_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueMismatchError(f"{value!r} is not an integer", hint=_list_hint(value))
    if isinstance(number, float):
        if not math.isfinite(number) or number != int(number):
            hint = "randint, or quniform in steps of 1, gives integers"
            if not want.bounds:  # nothing but the literal says so
                hint += "; if fractions are meant, write 0.0 there or give a schema"
            raise ValueMismatchError(f"{value!r} is not an integer, and one stands here", hint=hint)
        number = int(number)
    if want.bounds and not want.bounds[0] <= number <= want.bounds[1]:
        low, high = want.bounds
        raise ValueMismatchError(f"{number} is outside of {low} to {high}")
    return number


def _float(value: Any, want: Want) -> float:  # noqa: ARG001 -- the signature of the table
    number = as_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueMismatchError(f"{value!r} is not a number", hint=_list_hint(value))
    try:
        return float(number)
    except OverflowError:
        raise ValueMismatchError(f"{value!r} is too large for a number") from None


def _boolean(value: Any, want: Want) -> bool:  # noqa: ARG001
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise ValueMismatchError(f"{value!r} is neither true nor false")
    return known


def _string(value: Any, want: Want) -> str:
    if isinstance(value, EnumName):
        raise ValueMismatchError(f"{value} is a bare name, and text stands here")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        word = str(value).lower()
        raise ValueMismatchError(
            f"{word} is a boolean, and {want.kind.value} stands here",
            hint=f'if the word is meant, give it as text: "{word}"',
        )
    return repr(value)


def _enum(value: Any, want: Want) -> EnumName | int:
    number = as_number(value) if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, int) and not isinstance(number, bool):
        if want.numbers is None:
            return number
        for name, known in want.numbers.items():
            if known == number:
                return EnumName(name)
        raise ValueMismatchError(f"{value!r} is not one of the enum's numbers", hint=_names(want))
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueMismatchError(f"{value!r} is not the name of an enum's value")
    if want.numbers is not None and value not in want.numbers:
        hint = did_you_mean(value, want.numbers)
        raise ValueMismatchError(f"{value!r} is not one of the enum's names", hint=hint)
    return EnumName(value)


def _anything(value: Any, want: Want) -> Any:  # noqa: ARG001
    return value


def _names(want: Want) -> str:
    return "there are: " + ", ".join(f"{name} = {n}" for name, n in (want.numbers or {}).items())


def _list_hint(value: Any) -> str:
    """Lists that were typed without their brackets, or as another language writes them."""
    text = str(value).strip()
    if isinstance(value, str) and ("," in text or text[:1] in {"(", "["}):
        return "a list is written [1, 2, 3]"
    return ""


_FITS: dict[Kind, Callable[[Any, Want], Any]] = {
    Kind.INTEGER: _integer,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.STRING: _string,
    Kind.OTHER: _anything,
    Kind.ENUM: _enum,
    Kind.NULL: _anything,
}
