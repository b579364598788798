"""DayRaceAssessor as NNI calls it, on trials that walk days, some of them with days missing."""

from __future__ import annotations

import numpy as np
import pytest

from hpo_nni.cli.main import main
from hpo_nni.core.assessors import open_rule
from hpo_nni.core.day_race_assessor import DayRaceAssessor
from hpo_nni.core.replays import differences, replay, verdicts
from hpo_nni.direction import Direction
from hpo_nni.errors import SettingsError
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.algorithms import AssessResult

pytestmark = pytest.mark.nni
GOOD, BAD = AssessResult.Good, AssessResult.Bad
OF_DAYS = np.random.default_rng(3).normal(size=8)
LEVELS = {"a": 0.0, "b": 0.1, "c": -0.1, "d": 0.2}


def score(name, level, day):
    noise = np.random.default_rng([sum(map(ord, name)), day]).normal()
    return float(level + OF_DAYS[day - 1] + 0.02 * noise)


def walk(experiment, assessor, name, level, days=range(1, 9)):
    """Run a trial day by day until it is dropped; whether it came to its end."""
    experiment.begin_trial(name, {"rate": level}, number=len(name))
    for told, day in enumerate(days, start=1):
        experiment.evaluate(name, {day: score(name, level, day)})
        if assessor.assess_trial(name, [0.0] * told) is BAD:
            reason = experiment.ledger.decisions(name)[-1].reason
            experiment.ledger.end_trial(name, TrialState.STOPPED, reason)
            return False
    experiment.end_trial(name, score=level)
    return True


@pytest.fixture
def raced(experiment):
    assessor = DayRaceAssessor(level=0.05)
    for name, level in LEVELS.items():
        walk(experiment, assessor, name, level)
    return assessor


def test_what_is_worse_on_the_same_days_is_dropped_and_a_missing_easy_day_is_no_fault(
    experiment, raced
):
    hard = sorted(int(day) + 1 for day in np.argsort(OF_DAYS)[:5])

    assert not walk(experiment, raced, "bad", -1.0)
    assert walk(experiment, raced, "hard days only", 0.25, hard)
    decision = experiment.ledger.decisions("bad")[-1]
    assert decision.figures["days"] < 5
    assert "common days it has" in decision.reason


def test_a_replay_repeats_the_verdicts_and_why_tells_them(experiment, raced, capsys):
    walk(experiment, raced, "bad", -1.0)
    ledger = experiment.ledger
    described = ledger.experiment("Exp1").settings["assessor"]
    rule = open_rule(described["class"], described["arguments"], Direction.MAXIMIZE)

    again = replay(ledger, "Exp1", rule)

    assert described["class"] == "DayRaceAssessor"
    assert "bad" in again.stops
    assert differences(again, verdicts(ledger, "Exp1")) == []
    assert main(["why", "bad", "--dir", str(experiment.directory)]) == 0
    told = capsys.readouterr().out
    assert "that a level of 0.05 leaves to it" in told
    assert "the recorded verdict is the same" in told


def test_without_a_ledger_the_reports_are_the_days(monkeypatch):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)
    assessor = DayRaceAssessor(optimize_mode="minimize")
    for name, level in LEVELS.items():
        losses = [-score(name, level, day) for day in range(1, 9)]
        for days in range(1, 9):
            assessor.assess_trial(name, losses[:days])
        assessor.trial_end(name, success=True)
    losses = [-score("bad", -1.0, day) for day in range(1, 9)]

    assert BAD in [assessor.assess_trial("bad", losses[:days]) for days in range(1, 6)]


@pytest.mark.parametrize("level", [0, 1, -0.1, "x", True])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(SettingsError, match="a number above 0 and below 1"):
        DayRaceAssessor(level=level)
