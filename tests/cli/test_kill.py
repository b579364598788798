"""`hpo-nni kill` and `hpo-nni stop` where no NNI answers; with the real one: tests/process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hpo_nni.cli.main import main
from hpo_nni.errors import LedgerError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import JobRecord, TrialState

WORDS = {"kill": ["kill", "--experiment", "ExpA"], "stop": ["stop", "ExpA"]}


@pytest.fixture
def process():
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("command", WORDS)
def test_no_job_starts_in_an_experiment_that_was_ended(book, command, capsys):
    book.experiment()
    before = book.trial(0, TrialState.RUNNING)

    assert main([*WORDS[command], f"--dir={book.folder}"]) == 0

    assert "ExpA" in capsys.readouterr().out
    with pytest.raises(
        LedgerError, match=f"no job may start in experiment ExpA: hpo-nni {command}"
    ):
        book.ledger.intend_job(JobRecord("j", before, "cmd1", "local", "", 1.0, "h", "b", 1, 1))
    after = book.trial(1, TrialState.RUNNING)
    order = book.ledger.standing_order(after)
    assert (order.action, order.actor) == ("cancel", "user")


@pytest.mark.parametrize("command", WORDS)
def test_a_trial_that_does_not_end_in_time_is_named(book, process, command, capsys):
    book.experiment()
    trial = book.trial(0, TrialState.RUNNING, runner=ProcessIdentity.of(process.pid))

    assert main([*WORDS[command], f"--dir={book.folder}", "--seconds=0"]) == 1

    assert f"error: {trial} may still run: it is ending" in capsys.readouterr().err


def test_a_manager_that_is_started_anew_lifts_the_halt(book):
    book.experiment()
    first, second = (ProcessIdentity("h", "b", pid, 1) for pid in (1, 2))
    book.ledger.set_manager("ExpA", first, "http://localhost:1")
    assert main([*WORDS["kill"], f"--dir={book.folder}"]) == 0

    book.ledger.set_manager("ExpA", first, "http://localhost:1")
    assert book.ledger.experiment("ExpA").halted is not None
    book.ledger.set_manager("ExpA", second, "http://localhost:2")
    assert book.ledger.experiment("ExpA").halted is None


@pytest.mark.parametrize("command", WORDS)
def test_an_unknown_experiment_is_refused(book, command, capsys):
    words = [word.replace("ExpA", "ExpB") for word in WORDS[command]]

    assert main([*words, f"--dir={book.folder}"]) == 2

    assert "no experiment 'ExpB'" in capsys.readouterr().err


def test_stop_ends_nnis_manager_and_waits_for_it(book, process, capsys):
    book.experiment()
    book.ledger.set_manager("ExpA", ProcessIdentity.of(process.pid))

    assert main([*WORDS["stop"], f"--dir={book.folder}"]) == 0

    assert process.wait(60) == -15
    assert "experiment ExpA is stopped: nothing of it runs" in capsys.readouterr().out
