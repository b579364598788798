"""`[schedule_config]`: when jobs may start.

The clock on the wall decides, in the time zone of the settings: a window is open while that clock
shows a time within it. So a window that crosses midnight or a change to summer time is neither
missed nor doubled in its meaning; an hour that the clock shows twice is in the window twice.
"""

from __future__ import annotations

import difflib
import enum
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.trial.sections import SectionReader

SECTION = "schedule_config"
KEYS = ("day", "start_time", "end_time", "time_zone")
LONGEST = 15 * 24 * 60  # minutes until any window has opened, with a day to spare for any change
PIECE = 5.0  # seconds between two looks at the clock, and at whether the trial was told to end
MINUTE = 60.0
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_SATURDAY = 5


class Days(enum.Enum):
    """On which days a window opens; one that crosses midnight ends on the day after."""

    EVERYDAY = "everyday"
    WEEKEND = "weekend"


@dataclass(frozen=True)
class Window:
    """When jobs may start: from `start` to before `end`, which may be of the next day.

    Attributes:
        days: on which it opens.
        start: the first minute.
        end: the first minute when it is closed; where it is `start`, it is open for a whole day.
        zone: whose clock it is; None for this machine's.
    """

    days: Days
    start: time
    end: time
    zone: ZoneInfo | None = None

    def is_open(self, now: float) -> bool:
        """Whether a job may start now, in seconds since the epoch.

        >>> night = Window(Days.WEEKEND, time(22), time(6), ZoneInfo("Asia/Shanghai"))
        >>> [night.is_open(1_700_000_000 + hour * 3600) for hour in (0, 103, 113)]
        [False, False, True]
        """
        there = datetime.fromtimestamp(now, self.zone)
        clock = there.time()
        if self.start < self.end:
            return self.start <= clock < self.end and self._opens_on(there)
        if clock >= self.start and self._opens_on(there):
            return True
        return clock < self.end and self._opens_on(there - timedelta(days=1))

    def next_opening(self, now: float) -> float:
        """`now`, or the first minute after it when the window is open."""
        if self.is_open(now):
            return now
        first = now // MINUTE * MINUTE
        minutes = range(1, LONGEST)
        return next(at for step in minutes if self.is_open(at := first + step * MINUTE))

    def describe(self, at: float) -> str:
        """A moment as the window's clock shows it.

        >>> Window(Days.EVERYDAY, time(0), time(0), ZoneInfo("UTC")).describe(0.0)
        'Thu 1970-01-01 00:00 UTC'
        """
        there = datetime.fromtimestamp(at, self.zone).astimezone(self.zone)
        return f"{there:%a %Y-%m-%d %H:%M %Z}"

    def _opens_on(self, there: datetime) -> bool:
        return self.days is Days.EVERYDAY or there.weekday() >= _SATURDAY

    def __str__(self) -> str:
        zone = self.zone.key if self.zone is not None else "local time"
        return f"{self.days.value} {self.start:%H:%M}-{self.end:%H:%M} ({zone})"


def await_opening(
    window: Window,
    clock: Callable[[], float],
    pause: Callable[[float], None],
    announce: Callable[[str], None],
) -> None:
    """Return when the window is open; says once why it waits.

    Args:
        window: see there.
        clock: seconds since the epoch; it may jump, as where a machine was suspended.
        pause: sleeps so many seconds; raises where the trial is told to end.
        announce: takes a sentence.
    """
    if not window.is_open(now := clock()):
        until = window.describe(window.next_opening(now))
        announce(f"waits until {until}: jobs start {window}")
    while not window.is_open(clock()):
        pause(PIECE)


def read_window(section: SectionReader) -> Window | None:
    """Read `[schedule_config]`; None where the file has none. Faults go to the section's reader."""
    if not section.line:
        return None
    days = section.choice("day", Days.EVERYDAY)
    start, end = _clock(section, "start_time"), _clock(section, "end_time")
    given = [key for key in ("start_time", "end_time") if key in section.entries]
    if len(given) == 1:
        other = "end_time" if given == ["start_time"] else "start_time"
        section.fault("", f"{given[0]} is there, and {other} is missing", f"{other} = 06:00")
    elif start is not None and start == end and len(given) == 2 and not _is_midnight(section):
        section.fault("end_time", "it is start_time, too", "leave both out for whole days")
    zone = _zone(section)
    section.finish(KEYS)
    return Window(days, start or time(0), end or time(0), zone)


def _is_midnight(section: SectionReader) -> bool:
    return section.word("end_time") == "24:00"


def _clock(section: SectionReader, key: str) -> time | None:
    word = section.word(key, "00:00")
    match = _CLOCK.fullmatch(word)
    hour, minute = (int(match[1]), int(match[2])) if match else (99, 0)
    if (hour, minute) == (24, 0) and key == "end_time":
        return time(0)
    if hour > 23 or minute > 59:
        section.fault(key, f"{word!r} is no time of day", "as in 22:00")
        return None
    return time(hour, minute)


def _zone(section: SectionReader) -> ZoneInfo | None:
    name = section.word("time_zone")
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "as in Asia/Shanghai"
        section.fault("time_zone", f"there is no time zone {name!r}", hint)
        return None
