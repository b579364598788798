from __future__ import annotations

import pytest

from hpo_nni.core.known_trials import KnownTrials
from hpo_nni.failures import Failure, FailureKind
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord, TrialState


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        for name in ("Exp", "Other"):
            ledger.begin_experiment(ExperimentRecord(name, 1.0, "maximize"))
        yield ledger


def begin(ledger, name, number, experiment="Exp", **more):
    point = {"lr": number}
    ledger.begin_trial(TrialRecord(name, experiment, number, 1.0, parameters=point, **more))


def test_after_each_turn_it_knows_what_the_ledger_knows(ledger):
    known = KnownTrials(ledger, "Exp")
    turns = [
        lambda: None,
        lambda: begin(ledger, "B", 1),
        lambda: begin(ledger, "A", 0),
        lambda: begin(ledger, "C", 0, "Other"),
        lambda: ledger.end_trial("B", TrialState.SUCCEEDED, "", 0.5),
        lambda: begin(ledger, "B", 1),  # NNI resumes it
        lambda: fail(ledger, "A"),
        lambda: begin(ledger, "D", 0, retry_of="A"),
        lambda: ledger.end_trial("B", TrialState.STOPPED, "worse", 0.1),
    ]
    for turn in turns:
        turn()
        assert known.read() == ledger.trials("Exp")


def fail(ledger, name):
    ledger.note_failure(name, Failure(FailureKind.INFEASIBLE, "out of memory"))
    ledger.end_trial(name, TrialState.FAILED, "it failed")


def test_what_has_not_changed_is_not_read_again(ledger):
    for number in range(5):
        begin(ledger, f"T{number}", number)
    _, turn = ledger.trials_since("Exp", 0)

    assert ledger.trials_since("Exp", turn) == ([], turn)
    begin(ledger, "C", 0, "Other")
    assert ledger.trials_since("Exp", turn)[0] == []
