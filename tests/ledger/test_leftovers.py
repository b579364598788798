"""What of this host should not run: the ledger, real processes, and a clock."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.leftovers import (
    HALT_SECONDS,
    MANAGER_GONE,
    RUNNER_GONE,
    SETTLE_SECONDS,
    find_leftovers,
)
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    DecisionRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)

NOW = 1000.0
HERE = os.uname().nodename
DEAD = ProcessIdentity(HERE, "earlier-boot", 1, 1)
ELSEWHERE = ProcessIdentity("elsewhere", "its-boot", 1, 1)


class Book:
    """An experiment with one trial `T` and its job `J`."""

    def __init__(self, directory):
        self.ledger = Ledger.open(directory, clock=lambda: NOW)
        self.ledger.begin_experiment(ExperimentRecord("E", 1.0, "maximize"))

    def trial(self, runner, *, job=True):
        self.ledger.begin_trial(TrialRecord("T", "E", number=0, started=1.0, runner=runner))
        if job:
            who = (runner.host, runner.boot_id, runner.pid, runner.started)
            self.ledger.intend_job(JobRecord("J", "T", "cmd1", "local", "", 1.0, *who))

    def look(self, now=NOW, **more):
        return find_leftovers(self.ledger, now, **more)


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def alive():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield ProcessIdentity.of(process.pid)
    process.kill()
    process.wait()


def jobs(found):
    return [(job.name, why) for job, why in found.jobs]


def test_a_job_whose_runner_lives_is_watched_and_left_alone(book, alive):
    book.trial(alive)

    found = book.look()

    assert not found
    assert found.watched == {alive}
    assert found.open == {"J", "T"}


def test_a_job_whose_runner_has_gone_should_not_run(book):
    book.trial(DEAD)

    found = book.look()

    assert jobs(found) == [("J", RUNNER_GONE)]
    assert found.trials == []  # it is closed when its jobs have ended
    assert not found.watched


def test_a_trial_without_jobs_whose_runner_has_gone_is_to_be_closed(book):
    book.trial(DEAD)
    book.ledger.end_job("J", "cancelled")

    found = book.look()

    assert [trial.id for trial in found.trials] == ["T"]


def test_what_another_host_runs_is_counted_and_not_touched(book):
    book.trial(ELSEWHERE)

    found = book.look()

    assert not found
    assert not found.watched
    assert found.elsewhere == {"elsewhere": 2}


def test_what_ran_on_a_host_that_will_not_come_back_is_ours(book):
    book.trial(ELSEWHERE)

    assert jobs(book.look(gone=["elsewhere"])) == [("J", RUNNER_GONE)]


def test_a_runner_has_time_to_end_its_job_when_its_trial_has_ended(book, alive):
    book.trial(alive)
    book.ledger.end_trial("T", TrialState.CANCELLED, "why")

    assert not book.look()
    assert jobs(book.look(NOW + SETTLE_SECONDS + 1)) == [("J", "its trial has ended: cancelled")]


def test_a_runner_has_time_to_end_its_job_when_it_was_told_to(book, alive):
    book.trial(alive)
    book.ledger.add_decision(DecisionRecord("T", "assessor", "stop", "too low", NOW))

    assert not book.look()
    late = book.look(NOW + SETTLE_SECONDS + 1)
    assert jobs(late) == [("J", "its trial was told to end: too low")]


def test_nni_has_time_to_end_the_trials_of_a_halted_experiment(book, alive):
    book.trial(alive, job=False)
    book.ledger.halt_experiment("E", "enough")

    assert not book.look()
    (told,) = book.look(NOW + HALT_SECONDS + 1).runners
    assert (told[0].id, told[1]) == ("T", "enough")


def test_trials_whose_manager_has_gone_are_to_be_told(book, alive):
    book.trial(alive)
    book.ledger.set_manager("E", DEAD)

    found = book.look()

    assert [(trial.id, why) for trial, why in found.runners] == [("T", MANAGER_GONE)]
    assert found.watched == {alive}


def test_a_manager_that_lives_is_watched_although_no_trial_runs(book, alive):
    book.ledger.set_manager("E", alive)

    assert book.look().watched == {alive}


def test_trials_of_unknown_processes_are_left_alone(book):
    """Those that NNI only told of."""
    book.ledger.begin_trial(TrialRecord("T", "E", number=0, started=1.0))

    found = book.look()

    assert not found
    assert found.open == set()


def test_one_experiment_can_be_looked_at_alone(book):
    book.trial(DEAD)
    book.ledger.begin_experiment(ExperimentRecord("Other", time.time(), "maximize"))

    assert book.look(experiment_id="E")
    assert not book.look(experiment_id="Other")
