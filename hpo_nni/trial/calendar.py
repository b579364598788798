"""The days (or hours, or weeks) that a trial walks through, and their names in commands."""

from __future__ import annotations

import argparse
import enum
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.trial.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST = 1000  # days of one sweep; each is a training job
TEMPLATE = re.compile(r"\{(bizdate|eval_ymd|predate)(?::([^{}]+))?\}")


class Unit(enum.Enum):
    """What a sweep walks in, as users spell it."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> timedelta:
        """From one to the next."""
        return _LENGTHS[self]

    @property
    def spelling(self) -> str:
        """How a moment is written where nothing is said, as a format of `strftime`."""
        return "%Y%m%d%H" if self is Unit.HOUR else "%Y%m%d"


_LENGTHS = {
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}


@dataclass(frozen=True)
class Calendar:
    """From a first day to a last one, both included.

    >>> calendar = Calendar.parse("2022-06-30", "2022-07-01", Unit.DAY)
    >>> [calendar.name(day) for day in calendar.days()]
    ['20220630', '20220701']
    """

    first: datetime
    last: datetime
    unit: Unit = Unit.DAY

    @classmethod
    def parse(cls, first: str, last: str, unit: Unit) -> Calendar:
        """Read what a user wrote; raises SettingsError with every fault."""
        found, problems = [], []
        for option, text in (("--start_time", first), ("--end_time", last)):
            try:
                found.append(parse_date(text))
            except ValueError as error:
                problems.append(Problem(option, str(error)))
        if not problems:
            span = found[1] - found[0]
            count = span // unit.length + 1
            if span < timedelta():
                problems.append(Problem("--end_time", f"{last} lies before --start_time {first}"))
            elif span % unit.length:
                message = f"from {first} to {last} are no whole {unit.value}s"
                problems.append(Problem("--end_time", message))
            elif count > LONGEST:
                message = f"{count:,} {unit.value}s are too many: at most {LONGEST:,} have a trial"
                problems.append(Problem("--end_time", message))
        if problems:
            raise SettingsError(problems)
        return cls(found[0], found[1], unit)

    def days(self) -> Sequence[datetime]:
        """All of them in order."""
        count = (self.last - self.first) // self.unit.length + 1
        return [self.first + number * self.unit.length for number in range(count)]

    @property
    def words(self) -> Mapping[str, Any]:
        """What templates know of it: all days, the first, the last, and what lies between two.

        >>> Calendar.parse("2022-06-30", "2022-07-01", Unit.DAY).words["date_list"]
        [20220630, 20220701]
        """
        days = [int(self.name(day)) for day in self.days()]
        return {
            "date_list": days,
            "start_time": days[0],
            "end_time": days[-1],
            "unit": self.unit.value,
        }

    def name(self, day: datetime) -> str:
        """How a day is called in names of jobs and sources."""
        return day.strftime(self.unit.spelling)

    def fill(self, text: str, day: datetime) -> str:
        """Replace `{bizdate}` by a day, `{predate}` and `{eval_ymd}` by its neighbours.

        `{bizdate:%Y-%m-%d}` is written by that format. Other braces stay.

        >>> Calendar.parse("2024-02-29", "2024-02-29", Unit.DAY).fill(
        ...     "t_{bizdate}/dt={eval_ymd:%Y-%m-%d} {predate} {x}", datetime(2024, 2, 29))
        't_20240229/dt=2024-03-01 20240228 {x}'
        """
        moments = {
            "bizdate": day,
            "eval_ymd": day + self.unit.length,
            "predate": day - self.unit.length,
        }
        return TEMPLATE.sub(
            lambda found: moments[found[1]].strftime(found[2] or self.unit.spelling), text
        )


SOME_DAY = Calendar(datetime(2001, 1, 1), datetime(2001, 1, 1))  # noqa: DTZ001  (no zone)
"""Stands in where only what is the same on all days is read: accounts, prices."""


def add_calendar(parser: argparse.ArgumentParser, *, first: str = "", last: str = "") -> None:
    """Declare the arguments that say which days there are; empty defaults mean that none are."""
    parser.add_argument("--start_time", default=first, help="the first day, as 2022-06-17")
    parser.add_argument("--end_time", default=last, help="the last day")
    parser.add_argument(
        "--unit", choices=[unit.value for unit in Unit], default="day", help="what to walk in"
    )


def calendar_of(arguments: argparse.Namespace) -> Calendar | None:
    """The days that such arguments name; None for none.

    Raises:
        SettingsError: with every fault.
    """
    if not (arguments.start_time or arguments.end_time):
        return None
    return Calendar.parse(arguments.start_time, arguments.end_time, Unit(arguments.unit))


def calendar_arguments(words: Sequence[str], **defaults: str) -> argparse.Namespace:
    """The arguments of `add_calendar` among the words of a command.

    Raises:
        SettingsError: one of them has no value, or one that it cannot have.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    add_calendar(parser, **defaults)
    try:
        return parser.parse_known_args(list(words))[0]
    except argparse.ArgumentError as error:
        raise SettingsError([Problem("trialCommand", str(error))]) from error


def with_calendar(trial_command: str, calendar: Calendar) -> str:
    """A trial command that names these days, in place of those that it may name already.

    >>> calendar = Calendar.parse("2022-06-30", "2022-07-01", Unit.DAY)
    >>> with_calendar("python3 -m hpo_nni.trial --config=t.ini", calendar).split()[3:]
    ['--config=t.ini', '--start_time=20220630', '--end_time=20220701', '--unit=day']
    """
    days = calendar.days()
    named = {"start_time": calendar.name(days[0]), "end_time": calendar.name(days[-1])}
    said = {**named, "unit": calendar.unit.value}  # of two that contradict, the last holds
    return " ".join(
        [trial_command, *(f"--{key}={shlex.quote(value)}" for key, value in said.items())]
    )
