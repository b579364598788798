from __future__ import annotations

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.retry import AGAIN, choose_failed
from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import DecisionRecord, TrialState

OK, FAILED = TrialState.SUCCEEDED, TrialState.FAILED
LATER = 4e9  # seconds since the epoch, in the year 2096


@pytest.fixture
def four(book):
    """A trial that succeeded, one that failed, one that was run again, one that is asked for."""
    book.experiment()
    book.trial(0, OK, 0.5)
    book.trial(1, FAILED, reason="cmd1 failed: exit code 1")
    again = book.trial(2, FAILED, reason="cmd1 failed: exit code 1")
    asked = book.trial(3, FAILED, reason="cmd1 failed: exit code 1")
    book.trial(4, OK, 0.5, retry_of=again)
    book.ledger.add_decision(DecisionRecord(asked, "user", AGAIN, "a person asked", LATER))
    return book


def chosen(book, *words):
    experiment = book.ledger.experiment("ExpA")
    return [trial.number for trial in choose_failed(book.ledger, experiment, words)]


def test_all_failures_are_meant_that_nobody_has_run_again(four):
    assert chosen(four) == chosen(four, "1") == [1]


@pytest.mark.parametrize(
    "word, fact",
    [
        ("0", "trial 0 (ExpA-Tr0) is no failure to run again: succeeded"),
        ("2", "trial 2 (ExpA-Tr2) is no failure to run again: runs again already"),
        ("3", "trial 3 (ExpA-Tr3) is no failure to run again: runs again already"),
        ("9", "no trial is called '9'"),
    ],
)
def test_any_other_trial_is_refused_by_name(four, word, fact):
    with pytest.raises(RegistryError) as caught:
        chosen(four, word)

    assert fact in str(caught.value)


def test_an_experiment_that_does_not_run_takes_no_trials(four, capsys):
    four.ledger.set_rest_url("ExpA", "http://127.0.0.1:1")

    assert main(["retry", "--experiment=ExpA", f"--dir={four.folder}"]) == 1

    told = capsys.readouterr().err
    assert "experiment ExpA does not run" in told
    assert "start it again with `nnictl resume ExpA`" in told
    assert four.ledger.decisions("ExpA-Tr1") == []
