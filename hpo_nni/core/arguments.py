"""`classArgs` as NNI hands them over, checked all at once.

NNI passes what the user's YAML or JSON held as keyword arguments and shows a wrong one as a bare
traceback in the dispatcher's log. Here every fault is found before anything else happens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Argument:
    """One argument of a tuner or an assessor.

    Attributes:
        default: the value when the user says nothing; it is not checked.
        expected: what is right, as it goes after "expected".
        accepts: whether a given value is right.
    """

    default: Any
    expected: str
    accepts: Callable[[Any], bool]


def one_of(default: str, *others: str) -> Argument:
    """One of some words; the first is the default."""
    words = (default, *others)
    return Argument(default, " or ".join(words), lambda value: value in words)


def yes_or_no(default: bool) -> Argument:  # noqa: FBT001 - a default, not a flag
    """A truth value, as YAML and JSON spell it."""
    return Argument(default, "true or false", lambda value: isinstance(value, bool))


def whole(default: int | None, *, least: int) -> Argument:
    """A whole number from `least` on."""
    return Argument(
        default,
        f"a whole number of at least {least}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
    )


def share(default: float) -> Argument:
    """A number from 0 to 1."""
    return Argument(
        default,
        "a number from 0 to 1",
        lambda value: (
            isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        ),
    )


def positive(default: float | None) -> Argument:
    """A number above 0."""
    return Argument(
        default,
        "a number above 0",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
    )


def number(default: float | None) -> Argument:
    """Any finite number."""
    return Argument(
        default,
        "a number",
        lambda value: (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ),
    )


def texts() -> Argument:
    """A text or a list of texts; none by default."""
    return Argument(
        (),
        "a text or a list of texts",
        lambda value: (
            isinstance(value, str)
            or (isinstance(value, list) and all(isinstance(one, str) for one in value))
        ),
    )


def mapping() -> Argument:
    """Names and values; not given, none."""
    return Argument({}, "a mapping of names to values", lambda value: isinstance(value, dict))


def anything(default: Any = None) -> Argument:
    """Whatever the user wrote."""
    return Argument(default, "anything", lambda _: True)


def checked(
    owner: str, given: Mapping[str, Any], arguments: Mapping[str, Argument]
) -> dict[str, Any]:
    """Return the value of every argument; None stands for "not given".

    Args:
        owner: the class, for the messages.
        given: what the user wrote under `classArgs`.
        arguments: what there is.

    Raises:
        SettingsError: with all faults.

    >>> checked("PAIAssessor", {"start_step": 3}, {"start_step": whole(2, least=0)})
    {'start_step': 3}
    """
    problems = [
        Problem(f"classArgs of {owner}", f"there is no {name}", did_you_mean(name, arguments))
        for name in given
        if name not in arguments
    ]
    problems += [
        Problem(
            f"classArgs of {owner}",
            f"{name} is {given[name]!r}; expected {argument.expected}",
        )
        for name, argument in arguments.items()
        if given.get(name) is not None and not argument.accepts(given[name])
    ]
    if problems:
        raise SettingsError(problems)
    return {
        name: argument.default if given.get(name) is None else given[name]
        for name, argument in arguments.items()
    }
