"""Numbers and steps as programs write them: in logs, tables and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# one number, `nan` and `inf` included, but not the beginning of `information`
NUMBER = (
    r"[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|(?i:nan|inf(?:inity)?)(?![A-Za-z0-9_]))"
)


LARGEST_STEP = 2**63 - 1  # which the ledger can hold, as event files can


def to_number(value: object) -> float | None:
    """A metric's value out of a number or its text; None where it is neither.

    >>> to_number("1e-3"), to_number(" nan"), to_number(True), to_number("high")
    (0.001, nan, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def to_step(value: object) -> int | None:
    """A step out of a whole number or its text; None where it is neither.

    >>> to_step(3), to_step("1e3"), to_step(0.5)
    (3, 1000, None)
    """
    if not isinstance(value, int) or isinstance(value, bool):
        number = to_number(value)
        value = int(number) if number is not None and number.is_integer() else None
    return value if value is not None and abs(value) <= LARGEST_STEP else None


def first_step(values: Iterable[object]) -> int | None:
    """The first of some values that is a step.

    >>> first_step([None, 0.5, 200])
    200
    """
    return next((step for value in values if (step := to_step(value)) is not None), None)


def step_keys(step_key: str) -> tuple[str, ...]:
    """Where the step of a record is looked for: under the user's key, or the usual names."""
    return (step_key,) if step_key else ("step", "global_step", "epoch")
