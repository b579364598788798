from __future__ import annotations

from pathlib import Path

import pytest

from hpo_nni.daily.project_file import FIELDS, read_project
from hpo_nni.errors import SettingsError
from hpo_nni.trial.calendar import Unit

ROOT = Path(__file__).parents[2]
LEAST = """\
experiment: config.yml
days: {tuning: 2, holdout: 5}
budget: {trials: 4}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "config.yml").write_text("trialCommand: x\n")

    def write(text):
        (tmp_path / "project.yml").write_text(text, encoding="utf-8")
        return tmp_path / "project.yml"

    return write


def faults(path):
    with pytest.raises(SettingsError) as caught:
        read_project(path)
    return [str(problem) for problem in caught.value.problems]


def test_the_example_says_all_there_is_to_say():
    project = read_project(ROOT / "examples/daily_local/project.yml")

    assert project.name == "daily"
    assert (project.unit, project.tuning, project.holdout) == (Unit.DAY, 6, 5)
    assert (project.every, project.deadline) == (300.0, 21600.0)
    assert project.experiment.is_file()
    shown = {keys for keys in FIELDS if keys != ("budget", "hours")}
    assert shown <= project.places.keys()


def test_most_of_it_may_be_left_out(write):
    project = read_project(write(LEAST))

    assert (project.name, project.unit, project.wait_for, project.hours) == ("", Unit.DAY, (), None)
    assert project.terms.level == 0.05
    assert project.output == project.folder / "daily"


def test_all_faults_are_told_at_once_with_their_lines(write):
    path = write(
        """\
project: a b
experiment: [1]
days:
  tunning: 2
  holdout: 5.5
  unit: month
wait:
  for:
    - exp/{bizdat}.csv
  every: 5
budget: 12
ship: {level: 0.7, least_gain: -1, carry_over: 1}
shipp: 1
"""
    )

    found = faults(path)

    assert [one.partition(" ")[0] for one in found] == [
        "project.yml:1:10",
        "project.yml:2:13",
        "project.yml:4:12",
        "project.yml:5:12",
        "project.yml:6:9",
        "project.yml:9:5",
        "project.yml:10:10",
        "project.yml:11:9",
        "project.yml:12:15",
        "project.yml:12:32",
        "project.yml:12:48",
        "project.yml:13:8",
        "project.yml:4:3",
        "project.yml:11:9",
    ]
    text = "\n".join(found)
    assert "there is no key 'tunning'\n  hint: did you mean 'tuning'?" in text
    assert "{bizdat}" in text
    assert "it is 0.7; expected a number above 0 and at most 0.05" in text
    assert "days.tuning: it is missing" in text


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("holdout: 5", "holdout: 4"), "with 4 held-out days, level 0.05, nothing could ever ship"),
        (("config.yml", "nowhere.yml"), "there is no file"),
        (("days: {", "wait: {every: 2d}\ndays: {"), "it is longer than wait.deadline"),
        (("trials: 4}", "trials: 4}\nship: {challengers: 3}"), "level 0.05 and 3 challengers"),
    ],
)
def test_what_cannot_work_is_a_fault(write, change, fact):
    (found,) = faults(write(LEAST.replace(*change)))

    assert fact in found


@pytest.mark.parametrize("text", ["", "- 1", "{", "a: 1\na: 2", "a: 2022-13-45"])
def test_what_is_no_mapping_is_a_fault(write, text):
    assert faults(write(text))


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    (found,) = faults(tmp_path / "nowhere.yml")

    assert "cannot be read: No such file" in found
