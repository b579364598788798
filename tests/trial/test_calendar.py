from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.errors import SettingsError
from hpo_nni.trial.calendar import Calendar, Unit

DAYS = st.datetimes(datetime(1990, 1, 2), datetime(2090, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0)
)


@pytest.mark.parametrize(
    ("first", "last", "unit", "names"),
    [
        ("2022-06-17", "2022-06-18", "day", ["20220617", "20220618"]),
        ("20240228", "20240301", "day", ["20240228", "20240229", "20240301"]),
        (
            "2022-12-31 23:00",
            "2023-01-01 01:00",
            "hour",
            ["2022123123", "2023010100", "2023010101"],
        ),
        ("2022-12-25", "2023-01-08", "week", ["20221225", "20230101", "20230108"]),
    ],
)
def test_a_calendar_is_the_real_one(first, last, unit, names):
    calendar = Calendar.parse(first, last, Unit(unit))

    assert [calendar.name(day) for day in calendar.days()] == names


@given(day=DAYS)
def test_names_are_filled_with_neighbours_of_the_day(day):
    calendar = Calendar(day, day)

    filled = calendar.fill("{predate}|{bizdate:%Y-%m-%d}|{eval_ymd}|{a}|{}", day)

    before, own, after, *rest = filled.split("|")
    assert datetime.strptime(before, "%Y%m%d") == day - timedelta(days=1)  # noqa: DTZ007
    assert own == day.date().isoformat()
    assert datetime.strptime(after, "%Y%m%d") == day + timedelta(days=1)  # noqa: DTZ007
    assert rest == ["{a}", "{}"]


@pytest.mark.parametrize(
    ("first", "last", "unit", "words"),
    [
        ("20220631", "junk", "day", ["--start_time: '20220631' is not", "--end_time: 'junk' is"]),
        ("2022-06-18", "2022-06-17", "day", ["2022-06-17 lies before --start_time 2022-06-18"]),
        ("2022-06-01", "2022-06-09", "week", ["no whole weeks"]),
        ("1990-01-01", "2022-06-09", "day", ["11,848 days are too many"]),
    ],
)
def test_faulty_calendars_are_named(first, last, unit, words):
    with pytest.raises(SettingsError) as caught:
        Calendar.parse(first, last, Unit(unit))

    for word in words:
        assert word in str(caught.value)
