"""Dates as people write them in file names and tables, and the days after them.

Jinja's arithmetic knows nothing of months: `20220630 + 1` is 20220631. These functions take a date
in any of the usual spellings and give it back in the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

_FORMATS = tuple(
    (re.compile(pattern, re.ASCII), spelling)
    for pattern, spelling in (
        (r"\d{8}", "%Y%m%d"),
        (r"\d{10}", "%Y%m%d%H"),
        (r"\d{12}", "%Y%m%d%H%M"),
        (r"\d{14}", "%Y%m%d%H%M%S"),
        (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
        (r"\d{4}/\d\d/\d\d", "%Y/%m/%d"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "%Y-%m-%d %H:%M"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S"),
    )
)
_CENTURIES = range(1900, 2100)
_FIRST_YEAR = 1000  # before it, years have fewer digits than the formats
_LONGEST_RANGE = 10_000


@dataclass(frozen=True)
class _Spelling:
    """How a date was written: its type, and the format of numbers and strings."""

    kind: type
    format: str

    def write(self, moment: datetime) -> Any:
        if self.kind is datetime:
            return moment
        if self.kind is date:
            return moment.date()
        return self.kind(moment.strftime(self.format))


def add_days(value: Any, days: float) -> Any:
    """The date `days` later (or earlier, if negative), written as `value` is.

    >>> add_days(20220630, 1), add_days("2022-03-01", -1)
    (20220701, '2022-02-28')
    """
    return _add(value, timedelta(days=days))


def add_weeks(value: Any, weeks: float) -> Any:
    """As `add_days`, in weeks."""
    return _add(value, timedelta(weeks=weeks))


def add_hours(value: Any, hours: float) -> Any:
    """As `add_days`, in hours.

    Raises:
        ValueError: the spelling has no hours, and the result is not midnight.

    >>> add_hours(2022063023, 1)
    2022070100
    """
    return _add(value, timedelta(hours=hours))


def date_format(value: Any, spelling: str = "%Y%m%d") -> str:
    """The date written by a format of `strftime`.

    >>> date_format(20220616, "%Y-%m-%d")
    '2022-06-16'
    """
    return _parse(value)[0].strftime(spelling)


def date_range(first: Any, last: Any, step: int = 1) -> list[Any]:
    """All days from `first` to `last`, both included, written as `first` is.

    >>> date_range(20220629, 20220701)
    [20220629, 20220630, 20220701]
    """
    start, spelling = _parse(first)
    end, _ = _parse(last)
    if step < 1:
        raise ValueError(f"the step of a date_range is at least 1 day, not {step}")
    count = max((end - start).days // step + 1, 0)
    if count > _LONGEST_RANGE:
        raise ValueError(f"a date_range has at most {_LONGEST_RANGE:,} days, not {count:,}")
    return [spelling.write(start + timedelta(days=step * index)) for index in range(count)]


def parse_date(value: Any) -> datetime:
    """The moment that a date in any of the usual spellings means; a day is its midnight.

    Raises:
        ValueError: it is no date.

    >>> parse_date("2022-06-17").isoformat()
    '2022-06-17T00:00:00'
    """
    return _parse(value)[0]


def is_date_number(value: Any) -> bool:
    """Whether an integer reads as a day or an hour of the years 1900 to 2099.

    >>> is_date_number(20220630), is_date_number(20220631), is_date_number(2022063023)
    (True, False, True)
    """
    return _has_the_form_of_a_date(value) and _find(str(value)) is not None


def is_broken_date(value: Any) -> bool:
    """Whether an integer has a year of 1900 to 2099 and a date's length, but is no date."""
    return _has_the_form_of_a_date(value) and _find(str(value)) is None


def _has_the_form_of_a_date(value: Any) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    digits = str(value)
    return len(digits) in {8, 10} and int(digits[:4]) in _CENTURIES


def _add(value: Any, span: timedelta) -> Any:
    moment, spelling = _parse(value)
    try:
        later: datetime | None = moment + span
    except OverflowError:
        later = None
    if later is None or later.year < _FIRST_YEAR:
        raise ValueError(f"{value!r} and {span} lie outside the calendar")
    if _parse(spelling.write(later))[0] != later:
        raise ValueError(f"{value!r} has no place for {span}: write more of it, as in 2022061600")
    return spelling.write(later)


def _parse(value: Any) -> tuple[datetime, _Spelling]:
    if isinstance(value, datetime):
        return value, _Spelling(datetime, "")
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day), _Spelling(date, "")  # noqa: DTZ001  (a calendar day has no zone)
    found = None
    if isinstance(value, int | str) and not isinstance(value, bool):
        found = _find(str(value).strip())
    if found is None:
        raise ValueError(f"{value!r} is not a date such as 20220616, '2022-06-16' or 2022061623")
    return found[0], _Spelling(type(value), found[1])


def _find(text: str) -> tuple[datetime, str] | None:
    for pattern, spelling in _FORMATS:
        if pattern.fullmatch(text):
            try:
                return datetime.strptime(text, spelling), spelling  # noqa: DTZ007  (as above)
            except ValueError:
                return None
    return None
