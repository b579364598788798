from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hpo_nni.cli.silent import note_silent_trials
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.launch import RunningExperiment
from hpo_nni.nni_api.rest import RestClient, TrialStatus

FOLDERS = {
    "stderr": "ExpA/trials/Tr1",  # 2.10.1
    "trial.stderr": "ExpA/environments/local-env/trials/Tr1",  # 3.0
}


def failed(name="Tr1", status="FAILED"):
    return TrialStatus(name, 4, status, {"lr": 0.1}, 4, None)


@pytest.fixture
def running(book):
    process = subprocess.Popen(["true"])
    process.wait()
    return RunningExperiment("ExpA", 0, book.folder, RestClient("http://127.0.0.1:1"), process)


@pytest.mark.parametrize("file", FOLDERS)
def test_a_trial_that_died_before_its_first_word_is_entered_with_its_last_ones(book, running, file):
    folder = book.folder / FOLDERS[file]
    folder.mkdir(parents=True)
    (folder / file).write_text("".join(f"line {n}\n" for n in range(9)) + "python3: not found\n")

    note_silent_trials(running, [failed()], book.ledger)

    (trial,) = book.ledger.trials("ExpA")
    assert (trial.id, trial.number, trial.state) == ("Tr1", 4, TrialState.FAILED)
    assert trial.parameters == {"lr": 0.1}
    assert Path(trial.directory) == folder
    first, *words = trial.reason.splitlines()
    assert first == "its process ended at once, without a result"
    assert words == [*(f"  | line {n}" for n in range(5, 9)), "  | python3: not found"]


def test_without_a_folder_it_is_entered_all_the_same(book, running):
    note_silent_trials(running, [failed()], book.ledger)

    (trial,) = book.ledger.trials("ExpA")
    assert trial.reason == "its process ended at once, without a result"


@pytest.mark.parametrize("status", ["WAITING", "RUNNING", "SUCCEEDED", "USER_CANCELED"])
def test_only_failures_are_entered(book, running, status):
    note_silent_trials(running, [failed(status=status)], book.ledger)

    assert book.ledger.trials("ExpA") == []


def test_what_the_ledger_knows_stays(book, running):
    book.experiment()
    name = book.trial(0, TrialState.FAILED, reason="cmd1 failed")

    note_silent_trials(running, [failed(name)], book.ledger)

    assert book.ledger.trial(name).reason == "cmd1 failed"
