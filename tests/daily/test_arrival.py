from __future__ import annotations

from datetime import datetime

import pytest

from hpo_nni.daily.arrival import Arrival
from hpo_nni.trial.accounts import Accounts
from hpo_nni.trial.calendar import Calendar, Unit

DAY = datetime(2026, 10, 31)  # noqa: DTZ001
CALENDAR = Calendar(DAY, DAY, Unit.DAY)


def missing(folder, *patterns):
    return Arrival(patterns, folder, Accounts()).missing(CALENDAR, DAY, lambda _: None)


def test_files_and_filled_folders_are_there(tmp_path):
    (tmp_path / "20261031.csv").write_text("x")
    (tmp_path / "dt=20261101").mkdir()

    found = missing(tmp_path, "{bizdate}.csv", "{predate}.csv", "dt={eval_ymd}")

    assert found == [str(tmp_path / "20261030.csv"), str(tmp_path / "dt=20261101")]
    (tmp_path / "dt=20261101" / "part-0").write_text("x")
    assert missing(tmp_path, "dt={eval_ymd}") == []


def test_a_place_that_cannot_be_looked_at_counts_as_missing_and_says_why(tmp_path):
    (found,) = missing(tmp_path, "oss://bkt/{bizdate}.csv")

    assert found.startswith("oss://bkt/20261031.csv (")
    assert "account" in found


@pytest.mark.parametrize(
    ("pattern", "fact"),
    [
        ("odps://p/table/{bizdate}", "names no table"),
        ("odps://p/tables/t/dt={bizdate}", "needs a section [odps_config]"),
        ("oss://bkt/{bizdate}", "needs a section [oss_config]"),
    ],
)
def test_what_no_account_could_find_out_is_a_fault(tmp_path, pattern, fact):
    (problem,) = Arrival([pattern], tmp_path, Accounts()).faults("project.yml:3:5 wait.for")

    assert fact in str(problem)
