from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hpo_nni.errors import LedgerError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import DayRecord, DayState, ExperimentRecord, TrialRecord

DAY = DayRecord("e", "cmd_20220617", DayState.AWAITED, "a", 1.0, "t/dt=20220617 is not there")


@pytest.fixture
def book(ledger):
    ledger.begin_experiment(ExperimentRecord("e", 1.0, "maximize"))
    for trial in "ab":
        ledger.begin_trial(TrialRecord(trial, "e", 0, 1.0))
    return ledger


def test_the_first_that_waits_and_the_first_that_decides_are_kept(book):
    assert book.day("e", DAY.step) is None
    assert book.settle_day(DAY) == DAY
    assert book.settle_day(replace(DAY, trial_id="b", time=2.0)) == DAY
    counted = book.settle_day(replace(DAY, state=DayState.COUNTS, trial_id="b", reason=""))

    for state in DayState:
        assert book.settle_day(replace(DAY, state=state)) == counted
    assert (counted.state, counted.trial_id) == (DayState.COUNTS, "b")
    assert book.days("e") == [counted]
    assert book.days_left_out("e") == {}


def test_of_many_at_once_one_decides(book):
    said, states = [], (DayState.COUNTS, DayState.LEFT_OUT)

    def say(number):
        with Ledger.open(book.path.parent) as mine:
            said.append(mine.settle_day(replace(DAY, state=states[number % 2], time=number)))

    threads = [threading.Thread(target=say, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(said) == 8
    assert len(set(said)) == 1


def test_a_day_belongs_to_an_experiment_that_is_known(book):
    with pytest.raises(LedgerError):
        book.settle_day(replace(DAY, experiment_id="x"))
