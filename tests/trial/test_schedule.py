from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpo_nni.trial.schedule import Days, Window, await_opening

SMALL = (
    "[platform_config]\nname=local\ncmd1=true\n[metric_config]\nmetric_type=summary\n"
    "metric_source=${NNI_OUTPUT_DIR}/eval_val\nmetric_dict={'auc': 1}\n[schedule_config]\n"
)
ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # its summer time is half an hour
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
WINDOWS = st.builds(
    Window, st.sampled_from(Days), CLOCKS, CLOCKS, st.sampled_from(ZONES).map(ZoneInfo)
)
MOMENTS = st.floats(1.6e9, 2.1e9)


def at(words, zone="Asia/Shanghai"):
    return datetime.fromisoformat(words).replace(tzinfo=ZoneInfo(zone)).timestamp()


def minute_of_week(window, moment):
    there = datetime.fromtimestamp(moment, timezone.utc).astimezone(window.zone)
    return (there.weekday() * 24 + there.hour) * 60 + there.minute


def open_minutes(window):
    """The minutes of the week, from Monday, when the window is open."""
    length = (
        (window.end.hour - window.start.hour) * 60 + window.end.minute - window.start.minute
    ) % 1440 or 1440
    days = range(7) if window.days is Days.EVERYDAY else (5, 6)
    begins = [(day * 24 + window.start.hour) * 60 + window.start.minute for day in days]
    return {(begin + minute) % 10080 for begin in begins for minute in range(length)}


@given(window=WINDOWS, now=MOMENTS)
@settings(max_examples=60, deadline=None)
def test_a_window_is_open_in_its_minutes_of_the_week(window, now):
    assert window.is_open(now) == (minute_of_week(window, now) in open_minutes(window))


@given(window=WINDOWS, now=MOMENTS)
@example(  # the weekend's only night is the one in which the clock jumps over the window
    Window(Days.WEEKEND, time(2, 10), time(2, 50), ZoneInfo("Europe/Berlin")),
    at("2026-03-29T00:00", "Europe/Berlin"),
)
@example(  # the clock shows the window twice
    Window(Days.EVERYDAY, time(2, 10), time(2, 50), ZoneInfo("Europe/Berlin")),
    at("2026-10-25T02:55", "Europe/Berlin"),
)
@settings(max_examples=40, deadline=None)
def test_the_next_opening_is_the_first_moment_that_is_open(window, now):
    opening = window.next_opening(now)

    assert window.is_open(opening)
    assert now <= opening < now + 15 * 86400
    if opening > now:
        assert opening % 60 == 0
        for seconds in range(1, min(int(opening - now), 86400), 977):
            assert not window.is_open(opening - seconds)


@pytest.mark.parametrize(
    ("window", "now", "opening"),
    [
        ("everyday 22:00-06:00", "2026-11-21T21:59", "2026-11-21T22:00"),
        ("everyday 22:00-06:00", "2026-11-22T05:59", "2026-11-22T05:59"),
        ("everyday 22:00-06:00", "2026-11-22T06:00", "2026-11-22T22:00"),
        ("weekend 22:00-06:00", "2026-11-20T23:00", "2026-11-21T22:00"),  # a Friday
        ("weekend 22:00-06:00", "2026-11-21T03:00", "2026-11-21T22:00"),  # Friday's night
        ("weekend 22:00-06:00", "2026-11-23T05:00", "2026-11-23T05:00"),  # Sunday's night
        ("weekend 00:00-00:00", "2026-11-23T00:00", "2026-11-28T00:00"),
        ("everyday 00:00-00:00", "2026-11-23T12:34", "2026-11-23T12:34"),
    ],
)
def test_the_day_is_that_on_which_the_window_opens(window, now, opening):
    days, hours = window.split()
    start, end = map(time.fromisoformat, hours.split("-"))
    one = Window(Days(days), start, end, ZoneInfo("Asia/Shanghai"))

    assert one.next_opening(at(now)) == at(opening)


@pytest.mark.parametrize(
    ("start", "end", "now", "opening"),
    [
        # 2026-03-29, 02:00 becomes 03:00: the window's hour does not exist
        ((2, 0), (3, 0), "2026-03-28T23:00:00+00:00", "2026-03-30T00:00:00+00:00"),
        # it begins in the hour that is missing: so it opens when the clock goes on
        ((2, 30), (4, 0), "2026-03-28T23:00:00+00:00", "2026-03-29T01:00:00+00:00"),
        # 2026-10-25, 03:00 becomes 02:00
        ((2, 0), (3, 0), "2026-10-25T00:59:00+00:00", "2026-10-25T00:59:00+00:00"),
        ((2, 0), (3, 0), "2026-10-25T01:30:00+00:00", "2026-10-25T01:30:00+00:00"),
        ((2, 0), (3, 0), "2026-10-25T02:00:00+00:00", "2026-10-26T01:00:00+00:00"),
    ],
)
def test_windows_at_the_changes_of_summer_time(start, end, now, opening):
    window = Window(Days.EVERYDAY, time(*start), time(*end), ZoneInfo("Europe/Berlin"))
    begun = datetime.fromisoformat(now).timestamp()

    assert window.next_opening(begun) == datetime.fromisoformat(opening).timestamp()


def test_without_a_zone_the_clock_is_this_machines():
    now = at("2026-11-21T12:00", "UTC")
    here = datetime.fromtimestamp(now, timezone.utc).astimezone()
    soon = (here + timedelta(hours=1)).time()
    later = (here + timedelta(hours=2)).time()

    assert Window(Days.EVERYDAY, soon, later).next_opening(now) == now + 3600


class Clock:
    """Time that passes only where somebody waits; `jump` is a machine that was suspended."""

    def __init__(self, now, jump=0.0):
        self.now = now
        self.jump = jump
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds + self.jump
        self.jump = 0.0


def test_waiting_ends_when_the_window_opens_and_is_announced_once():
    window = Window(Days.EVERYDAY, time(22), time(6), ZoneInfo("Asia/Shanghai"))
    clock = Clock(at("2026-11-21T21:58:30"))
    said = []

    await_opening(window, lambda: clock.now, clock.pause, said.append)

    assert at("2026-11-21T22:00") <= clock.now <= at("2026-11-21T22:00:10")
    assert said == [
        "waits until Sat 2026-11-21 22:00 CST: jobs start everyday 22:00-06:00 (Asia/Shanghai)"
    ]


def test_an_open_window_costs_no_wait():
    window = Window(Days.EVERYDAY, time(0), time(0))
    said = []

    await_opening(window, lambda: 0.0, said.append, said.append)

    assert said == []


def test_a_window_that_was_slept_through_is_waited_for_again():
    window = Window(Days.EVERYDAY, time(22), time(23), ZoneInfo("Asia/Shanghai"))
    clock = Clock(at("2026-11-21T21:00"), jump=3 * 3600)

    await_opening(window, lambda: clock.now, clock.pause, lambda _: None)

    assert at("2026-11-22T22:00") <= clock.now <= at("2026-11-22T22:00:10")


def test_the_section_becomes_a_window(ini):
    text = SMALL + "day=weekend\nstart_time=22:00\nend_time=6:00\ntime_zone=Asia/Shanghai # ours\n"

    assert str(ini.load(text).window) == "weekend 22:00-06:00 (Asia/Shanghai)"
    assert str(ini.load(SMALL).window) == "everyday 00:00-00:00 (local time)"
    assert ini.load(SMALL.replace("[schedule_config]\n", "")).window is None


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("day=monday", "[schedule_config] day: 'monday' is not one of everyday, weekend"),
        ("start_time=22:00", "start_time is there, and end_time is missing"),
        ("start_time=25:00\nend_time=6:00", "start_time: '25:00' is no time of day"),
        ("start_time=24:00\nend_time=6:00", "start_time: '24:00' is no time of day"),
        ("start_time=22\nend_time=6:00", "start_time: '22' is no time of day"),
        ("start_time=22:00\nend_time=06:60", "end_time: '06:60' is no time of day"),
        ("start_time=22:00\nend_time=22:00", "end_time: it is start_time, too"),
        ("time_zone=Asia/Shangai", "did you mean 'Asia/Shanghai'"),
        ("time_zone=../etc/passwd", "there is no time zone '../etc/passwd'"),
        ("days=weekend", "did you mean 'day'?"),
    ],
)
def test_each_fault_of_the_section_is_named(ini, lines, problem):
    assert problem in "\n".join(ini.problems(SMALL + lines + "\n"))


def test_all_faults_are_told_at_once(ini):
    text = SMALL + "day=x\nstart_time=y\nend_time=z\ntime_zone=w\n"

    assert len(ini.problems(text)) == 4
