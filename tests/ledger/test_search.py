from __future__ import annotations

import pytest

from hpo_nni.errors import RegistryError
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord
from hpo_nni.ledger.search import choose_trial


def trials(experiment, *names):
    return [TrialRecord(name, experiment, number, 1.0) for number, name in enumerate(names)]


OLD = trials("old", "qwert", "12abc")
NEW = trials("new", "aBcde", "aBxyz", "ABQQQ", "7")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("aBcde", "aBcde"),
        ("qwert", "qwert"),
        ("qw", "qwert"),
        ("QW", "qwert"),
        ("aBx", "aBxyz"),
        ("AB", "ABQQQ"),  # upper and lower case tell them apart
        ("1", "aBxyz"),  # a number of the newest experiment, before the beginning of an id
        ("12", "12abc"),
        ("7", "7"),  # an id before a number
    ],
)
def test_trial_is_chosen_by_what_fits_best(words, name):
    assert choose_trial(words, [OLD, NEW]).id == name


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("aB", "begins several trials", "one of aBcde (number 0), aBxyz (number 1)"),
        ("aBcdf", "no trial is called 'aBcdf'", "did you mean 'aBcde'?"),
        ("99", "no trial is called '99'", "there are: '7', '3', 'ABQQQ'"),
    ],
)
def test_what_does_not_fit_gets_an_offer(words, message, hint):
    with pytest.raises(RegistryError, match=message) as caught:
        choose_trial(words, [OLD, NEW])
    assert hint in caught.value.hint


def test_ledger_without_trials_says_so(ledger):
    ledger.begin_experiment(ExperimentRecord("Empty", 3.0, ""))

    with pytest.raises(RegistryError, match="experiment Empty has no trials") as caught:
        ledger.find_trial("0", "Empty")
    assert "Exp1, Empty" in caught.value.hint
