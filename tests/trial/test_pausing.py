from __future__ import annotations

import pytest

from hpo_nni.ledger.records import TrialRecord, TrialState
from hpo_nni.trial.pausing import failed_alike

FAILED, SUCCEEDED = TrialState.FAILED, TrialState.SUCCEEDED
CANCELLED, RUNNING = TrialState.CANCELLED, TrialState.RUNNING


def trials(*ends):
    """Trials in the order of their ends: (state, class, evidence)."""
    return [
        TrialRecord(
            id=f"t{number}",
            experiment_id="e",
            number=number,
            started=0.0,
            state=state,
            ended=None if state is RUNNING else float(number),
            failure=kind,
            evidence=evidence,
            directory=f"/exp/t{number}",
        )
        for number, (state, kind, evidence) in enumerate(ends, start=1)
    ]


MISSING = (FAILED, "user", "its log says 'no module x'")
OTHER = (FAILED, "user", "its log says 'no module y'")
GOOD = (SUCCEEDED, "", "")

CASES = {
    "three alike": ([MISSING] * 3, True),
    "two alike": ([MISSING] * 2, False),
    "another cause": ([MISSING, OTHER, MISSING], False),
    "a success between": ([MISSING, MISSING, GOOD, MISSING], False),
    "a success long ago": ([GOOD, MISSING, MISSING, MISSING], True),
    "cancelled ones say nothing": ([MISSING, (CANCELLED, "", ""), MISSING, MISSING], True),
    "running ones say nothing": ([MISSING, MISSING, (RUNNING, "", ""), MISSING], True),
    "of no known class": ([(FAILED, "unknown", "no rule knows 'exit code 3'")] * 3, True),
    "infeasible points": ([(FAILED, "infeasible", "out of memory")] * 3, False),
    "transient failures": ([(FAILED, "transient", "the network failed")] * 3, False),
}


@pytest.mark.parametrize("ends, expected", CASES.values(), ids=CASES)
def test_an_experiment_fails_alike_if_the_last_ends_are_one(ends, expected):
    assert failed_alike(trials(*ends), 3) is expected


def test_a_trials_own_folder_and_id_make_no_difference():
    ends = [(FAILED, "user", f"no file /exp/t{number}/a.csv of t{number}") for number in (1, 2, 3)]

    assert failed_alike(trials(*ends), 3)


def test_what_ended_before_the_pause_was_lifted_counts_no_more():
    assert not failed_alike(trials(*[MISSING] * 5), 3, since=3.0)
    assert failed_alike(trials(*[MISSING] * 6), 3, since=3.0)


def test_nothing_pauses_where_nobody_wants_it():
    assert not failed_alike(trials(*[MISSING] * 9), 0)
