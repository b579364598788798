"""The days (or hours, or weeks) of a finetune sweep, and their names in commands."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.trial.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Sequence

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
