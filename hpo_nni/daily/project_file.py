"""PROJECT.yml: what `hpo-nni daily` does, once a day. Every fault at once, each with its line.

`FIELDS` is the whole schema; docs/guide/daily-projects.md explains it in the same order.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo_nni.daily.decision import HIGHEST_LEVEL, MOST_CARRY_OVER, Terms
from hpo_nni.daily.window import Window
from hpo_nni.errors import DocumentError, Problem, SettingsError
from hpo_nni.registry import did_you_mean
from hpo_nni.space.located import Located, read_yaml
from hpo_nni.trial.calendar import LONGEST, TEMPLATE, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

MOST_HELD_OUT = 200  # days
_BRACES = re.compile(r"\{[^{}]*\}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")

Keys = tuple[str, ...]


class _WrongError(ValueError):
    """A value that a field cannot have; the message is what was expected."""


@dataclass(frozen=True)
class Field:
    """One key of the file.

    Attributes:
        read: makes its value; raises _WrongError.
        default: where the file does not have it; `NEEDED` for a fault.
    """

    read: Callable[[Any], Any]
    default: Any


NEEDED: Any = object()


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _WrongError("a text")
    return value


def _name(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if not re.fullmatch(r"[\w.-]+", text):
        raise _WrongError("a name of letters, digits, '.', '_' and '-'")
    return text


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _WrongError(f"a whole number from {least} to {most}")
        return value

    return read


def _number(words: str, accepts: Callable[[float], bool]) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and accepts(value)):
            raise _WrongError(words)
        return float(value)

    return read


def _duration(value: Any) -> float:
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise _WrongError("a duration such as 30s, 5m, 6h or 1d")
    return float(found[1]) * _SECONDS[found[2]]


def _unit(value: Any) -> Unit:
    try:
        return Unit(value)
    except ValueError:
        raise _WrongError(" or ".join(unit.value for unit in Unit)) from None


def _places(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    for text in listed:
        if not isinstance(text, str) or not text.strip():
            raise _WrongError("a path or a list of them, as in exp/days/{bizdate}.csv")
        unknown = [one for one in _BRACES.findall(text) if not TEMPLATE.fullmatch(one)]
        if unknown or not TEMPLATE.search(text):
            words = unknown[0] if unknown else "a path without a day"
            raise _WrongError(f"{{bizdate}}, {{predate}} or {{eval_ymd}} in each path, not {words}")
    return tuple(listed)


_MORE = _number("a number above 0", lambda value: value > 0)

FIELDS: Mapping[Keys, Field] = {
    ("project",): Field(_name, ""),
    ("experiment",): Field(_text, NEEDED),
    ("days", "unit"): Field(_unit, Unit.DAY),
    ("days", "tuning"): Field(_whole(1, LONGEST - MOST_HELD_OUT), NEEDED),
    ("days", "holdout"): Field(_whole(1, MOST_HELD_OUT), NEEDED),
    ("wait", "for"): Field(_places, ()),
    ("wait", "every"): Field(_duration, 300.0),
    ("wait", "deadline"): Field(_duration, 6 * 3600.0),
    ("budget", "trials"): Field(_whole(1, 1_000_000), NEEDED),
    ("budget", "hours"): Field(_MORE, None),
    ("ship", "level"): Field(
        _number(f"a number above 0 and at most {HIGHEST_LEVEL}", lambda v: 0 < v <= HIGHEST_LEVEL),
        0.05,
    ),
    ("ship", "least_gain"): Field(_number("a number of at least 0", lambda v: v >= 0), 0.0),
    ("ship", "carry_over"): Field(
        _number(f"a number from 0 to {MOST_CARRY_OVER}", lambda v: 0 <= v <= MOST_CARRY_OVER),
        MOST_CARRY_OVER,
    ),
    ("ship", "challengers"): Field(_whole(1, 100), 1),
    ("output",): Field(_text, "daily"),
}


@dataclass(frozen=True)
class Project:
    """What the file says.

    Attributes:
        path: of the file; its folder is where the relative paths in it begin.
        name: empty where it does not say; then it is the experiment's.
        experiment: NNI's config.
        wait_for: paths, URIs and partitions with `{bizdate}` and the like.
        every, deadline: in seconds.
        hours: of wall clock for a sweep; None for no bound.
        output: the folder below which each day has its own.
        places: ("days", "holdout") -> `project.yml:10:12`.
    """

    path: Path
    name: str
    experiment: Path
    unit: Unit
    tuning: int
    holdout: int
    wait_for: tuple[str, ...]
    every: float
    deadline: float
    trials: int
    hours: float | None
    terms: Terms
    output: Path
    places: Mapping[Keys, str]

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return self.path.absolute().parent

    def window(self, newest: datetime) -> Window:
        """The days that this newest one is about."""
        return Window(newest, self.unit, self.tuning, self.holdout)

    def where(self, *keys: str) -> str:
        """A key and its place, for a fault."""
        return f"{self.places.get(keys, self.path.name)} {'.'.join(keys)}"


def read_project(path: Path) -> Project:
    """Read a project's file.

    Raises:
        SettingsError: with every fault.
    """
    found = _Reader(path.name)
    found.read(_load(path), ())
    values = found.values()
    if found.problems:
        raise SettingsError(found.problems)
    folder = path.absolute().parent
    project = Project(
        path=path,
        name=values["project",],
        experiment=folder / values["experiment",],
        unit=values["days", "unit"],
        tuning=values["days", "tuning"],
        holdout=values["days", "holdout"],
        wait_for=values["wait", "for"],
        every=values["wait", "every"],
        deadline=values["wait", "deadline"],
        trials=values["budget", "trials"],
        hours=values["budget", "hours"],
        terms=Terms(
            level=values["ship", "level"],
            least_gain=values["ship", "least_gain"],
            carry_over=values["ship", "carry_over"],
            challengers=values["ship", "challengers"],
        ),
        output=folder / values["output",],
        places=found.places,
    )
    problems = list(_contradictions(project))
    if problems:
        raise SettingsError(problems)
    return project


def _load(path: Path) -> Located:
    try:
        document = read_yaml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problem = Problem(str(path), f"the project's file cannot be read: {error.strerror}")
        raise SettingsError([problem]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([Problem(path.name, "the file is not UTF-8 text")]) from error
    except DocumentError as error:
        where = f"{path.name}:{error.line}:{error.column}" if error.line else path.name
        raise SettingsError([Problem(where, f"this is not YAML: {error.message}")]) from error
    if document.kind != "mapping":
        raise SettingsError([Problem(path.name, "the file should hold keys and values")])
    return document


class _Reader:
    """Collects values, places and faults."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._read: dict[Keys, Any] = {}
        self.places: dict[Keys, str] = {}
        self.problems: list[Problem] = []

    def read(self, node: Located, above: Keys) -> None:
        """Take in a mapping of the file."""
        known = list(
            dict.fromkeys(keys[len(above)] for keys in FIELDS if keys[: len(above)] == above)
        )
        for key, item in node.value:
            keys = (*above, key)
            place = f"{self._name}:{item.line}:{item.column}"
            if keys in self.places:
                self._fault(keys, f"it is there twice, first at {self.places[keys]}", "keep one")
                continue
            self.places[keys] = place
            if key not in known:
                self._fault(keys, f"there is no key {key!r}", did_you_mean(key, known))
            elif keys in FIELDS:
                self._value(keys, item)
            elif item.kind == "mapping":
                self.read(item, keys)
            else:
                self._fault(keys, f"it should hold keys and values, not {item.plain()!r}")

    def values(self) -> dict[Keys, Any]:
        """All fields, with their defaults; what is missing becomes a fault."""
        found = {}
        for keys, field in FIELDS.items():
            if keys not in self.places and field.default is NEEDED:
                where = f"{self.places.get(keys[:-1], self._name)} {'.'.join(keys)}"
                self.problems.append(Problem(where, "it is missing"))
            found[keys] = self._read.get(keys, field.default)
        return found

    def _value(self, keys: Keys, item: Located) -> None:
        value = item.plain()
        try:
            self._read[keys] = FIELDS[keys].read(value)
        except _WrongError as error:
            self._fault(keys, f"it is {value!r}; expected {error}")

    def _fault(self, keys: Keys, message: str, hint: str = "") -> None:
        self.problems.append(Problem(f"{self.places[keys]} {'.'.join(keys)}", message, hint))


def _contradictions(project: Project) -> Iterator[Problem]:
    if not project.experiment.is_file():
        message = f"there is no file {project.experiment}"
        yield Problem(project.where("experiment"), message, "it is relative to the project's file")
    fewest = project.terms.fewest_days
    if project.holdout < fewest:
        terms = project.terms
        among = f" and {terms.challengers} challengers" * (terms.challengers > 1)
        message = (
            f"with {project.holdout} held-out days, level {terms.level:g}{among}, nothing could "
            f"ever ship: if neither is better, all {project.holdout} differences have one sign "
            f"with probability {0.5**project.holdout:.3g} anyway"
        )
        hint = f"hold out at least {fewest} days, or set a higher ship.level"
        yield Problem(project.where("days", "holdout"), message, hint)
    if project.every > project.deadline:
        yield Problem(project.where("wait", "every"), "it is longer than wait.deadline")
