from __future__ import annotations

import pytest

from hpo_nni.direction import Direction
from hpo_nni.ledger.records import TrialRecord, TrialState
from hpo_nni.trial.announcing import notice_of_end
from hpo_nni.trial.notices import Kind


def trial(number, score=None, state=TrialState.SUCCEEDED, reason=""):
    return TrialRecord(
        f"Tr{number}",
        "ExpA",
        number,
        0.0,
        {"lr": number / 10},
        state=state,
        score=score,
        reason=reason,
        ended=float(number),
    )


def test_a_failure_is_told_with_its_reason():
    notice = notice_of_end(
        "Tr1", [trial(1, state=TrialState.FAILED, reason="exit code 3")], Direction.MAXIMIZE
    )

    assert notice.kind is Kind.FAILED
    assert notice.text == "trial 1: exit code 3"
    assert notice.trial_id == "Tr1"


def test_a_new_best_is_told_with_what_it_was_reached_by():
    notice = notice_of_end("Tr2", [trial(1, 0.5), trial(2, 0.75)], Direction.MAXIMIZE)

    assert notice.kind is Kind.BEST
    assert notice.text == "trial 2: score 0.75, before 0.5\n  lr = 0.2"


@pytest.mark.parametrize(
    ("scores", "direction", "is_best"),
    [
        ([0.5], Direction.MAXIMIZE, False),  # the first is nothing to write home about
        ([0.5, 0.5], Direction.MAXIMIZE, False),
        ([0.5, 0.4], Direction.MAXIMIZE, False),
        ([0.5, 0.4], Direction.MINIMIZE, True),
        ([0.4, 0.5], Direction.MINIMIZE, False),
        ([-0.5, 0.0], Direction.MAXIMIZE, True),
        ([None, 0.0], Direction.MAXIMIZE, False),
    ],
)
def test_best_is_better_than_all_before(scores, direction, is_best):
    trials = [trial(number, score) for number, score in enumerate(scores)]

    notice = notice_of_end(trials[-1].id, trials, direction)

    assert (notice is not None) == is_best


@pytest.mark.parametrize("state", [TrialState.STOPPED, TrialState.CANCELLED, TrialState.RUNNING])
def test_other_ends_are_no_news(state):
    assert notice_of_end("Tr1", [trial(0, 0.1), trial(1, 0.9, state)], Direction.MAXIMIZE) is None


def test_a_trial_that_is_resumed_may_fail_anew():
    first = trial(1, state=TrialState.FAILED)
    again = TrialRecord(**{**first.__dict__, "ended": 7.0})
    keys = {notice_of_end("Tr1", [one], Direction.MAXIMIZE).key for one in (first, again)}

    assert len(keys) == 2
