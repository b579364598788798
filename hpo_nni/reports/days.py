"""Days in texts: which ones there are, and what is left of a text without them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAY = "{day}"  # stands for a day in a text
_DATE = re.compile(r"(?<!\d)(20\d\d)([-/]?)(\d\d)\2(\d\d)(\d\d)?(?!\d)")
_SHORT, _LONG = len("20261001"), len("2026100113")


def days_in(text: str) -> list[str]:
    """The days that a text names, as `20261001`, hours as `2026100113`.

    >>> days_in("dt=2026-10-01/part_20261002, 20261399")
    ['20261001', '20261002']
    """
    return [day for found in _DATE.finditer(text) if (day := _day(found))]


def without_days(text: str) -> str:
    """The text with `{day}` for each day.

    >>> without_days("odps://p/tables/t_20261001/dt=2026-10-01")
    'odps://p/tables/t_{day}/dt={day}'
    """
    return _DATE.sub(lambda found: DAY if _day(found) else found[0], text)


def ranges(days: Iterable[str]) -> str:
    """Days as people say them; days that follow one another are one range.

    >>> ranges(["20261001", "20261002", "20261003", "20261008"])
    '20261001 to 20261003, 20261008 (4)'
    """
    known = sorted(set(days))
    if not known:
        return "none"
    words = [first if first == last else f"{first} to {last}" for first, last in _runs(known)]
    return f"{', '.join(words)} ({len(known)})"


def moment(day: str) -> datetime:
    """The beginning of a day or an hour; raises ValueError for what is none.

    >>> moment("20261001").day
    1
    """
    return datetime.strptime(day, "%Y%m%d" if len(day) == _SHORT else "%Y%m%d%H")  # noqa: DTZ007


def _day(found: re.Match[str]) -> str:
    year, mark, month, day, hour = found.groups()
    text = f"{year}{month}{day}{(hour or '') if not mark else ''}"
    try:
        moment(text)
    except ValueError:
        return ""
    return text


def _runs(days: list[str]) -> Iterator[tuple[str, str]]:
    first = before = days[0]
    for day in days[1:]:
        if len(day) != len(before) or moment(day) - moment(before) != _step(day):
            yield first, before
            first = day
        before = day
    yield first, before


def _step(day: str) -> timedelta:
    return timedelta(hours=1) if len(day) == _LONG else timedelta(days=1)
