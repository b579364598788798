from __future__ import annotations

import time

import pytest

from hpo_nni.core.dispatcher import this_dispatcher
from hpo_nni.core.resumed_trials import SILENT_SECONDS, ResumedTrials
from hpo_nni.direction import Direction
from hpo_nni.ledger.records import JUDGED, EvaluationRecord, TrialState

pytestmark = pytest.mark.nni


@pytest.fixture
def judged(experiment):
    """Which trials are judged at one look, of an experiment whose trial `old` is resumed."""
    this_dispatcher().begin(Direction.MAXIMIZE)
    experiment.begin_trial("old")

    def judged(asked_about=()):
        found = []

        def judge(trial_id):
            found.append(trial_id)
            return True

        watcher = ResumedTrials(this_dispatcher(), judge, lambda one: one in asked_about)
        watcher._known = {"old"}
        watcher.look()
        return found

    return judged


def test_a_trial_of_before_is_judged_until_it_has_ended(experiment, judged):
    assert judged() == ["old"]

    experiment.end_trial("old", TrialState.SUCCEEDED, 0.5)

    assert judged() == []


def test_a_trial_that_nni_asks_about_is_left_to_it(judged):
    assert judged(asked_about={"old"}) == []


@pytest.mark.parametrize("age, expected", [(0.0, ["old"]), (SILENT_SECONDS + 5, ["old", "new"])])
def test_one_that_only_queued_before_is_judged_when_nni_stays_silent(
    experiment, judged, age, expected
):
    experiment.begin_trial("new", number=1)
    measured = time.time() - age
    experiment.ledger.add_evaluations(
        [EvaluationRecord("new", JUDGED, 1, {"auc": 0.5}, 0.5, measured)]
    )

    assert judged() == expected
