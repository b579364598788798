from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.trial.dates import (
    add_days,
    add_hours,
    add_weeks,
    date_format,
    date_range,
    is_broken_date,
    is_date_number,
)


@pytest.mark.parametrize(
    ("value", "days", "later"),
    [
        (20220630, 1, 20220701),
        ("20220630", 1, "20220701"),
        ("2022-03-01", -1, "2022-02-28"),
        ("2024/02/28", 1, "2024/02/29"),
        (2022123123, 1, 2023010123),
        ("2022-12-31 23:59", 1, "2023-01-01 23:59"),
        ("2022-12-31T23:59:01", 1, "2023-01-01T23:59:01"),
        (date(2022, 6, 30), 1, date(2022, 7, 1)),
        (
            datetime(2022, 6, 30, 5, tzinfo=timezone.utc),
            1,
            datetime(2022, 7, 1, 5, tzinfo=timezone.utc),
        ),
    ],
)
def test_a_date_comes_back_as_it_was_written(value, days, later) -> None:
    assert add_days(value, days) == later
    assert type(add_days(value, days)) is type(value)


@settings(max_examples=100, deadline=None)
@given(st.dates(date(1900, 1, 1), date(9000, 1, 1)), st.integers(-300_000, 300_000))
def test_days_are_those_of_the_calendar(day: date, days: int) -> None:
    number = int(day.strftime("%Y%m%d"))

    assert date_format(add_days(number, days), "%Y-%m-%d") == str(day + timedelta(days=days))


def test_weeks_and_hours() -> None:
    assert add_weeks(20220627, 1) == 20220704
    assert add_hours(2022063023, 1) == 2022070100
    assert add_hours(20220630, 24) == 20220701


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: add_hours(20220630, 1), "has no place for 1:00:00"),
        (lambda: add_days(20220631, 1), "20220631 is not a date"),
        (lambda: add_days(True, 1), "True is not a date"),
        (lambda: add_days("tomorrow", 1), "'tomorrow' is not a date"),
        (lambda: add_days(99991231, 1), "outside the calendar"),
        (lambda: date_range(19000101, 20500101), "at most 10,000 days"),
        (lambda: date_range(20220101, 20220102, 0), "step of a date_range"),
    ],
)
def test_what_is_no_date_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_range_includes_both_ends() -> None:
    assert date_range("2022-02-27", "2022-03-01") == ["2022-02-27", "2022-02-28", "2022-03-01"]
    assert date_range(20220601, 20220610, 4) == [20220601, 20220605, 20220609]
    assert date_range(20220602, 20220601) == []


@pytest.mark.parametrize(
    ("value", "is_date", "is_broken"),
    [
        (20220630, True, False),
        (20220631, False, True),
        (2022063023, True, False),
        (2022063024, False, True),
        (12345678, False, False),
        (25000000, False, False),
        ("20220631", False, False),
        (True, False, False),
    ],
)
def test_numbers_that_look_like_dates(value, is_date: bool, is_broken: bool) -> None:  # noqa: FBT001
    assert (is_date_number(value), is_broken_date(value)) == (is_date, is_broken)
