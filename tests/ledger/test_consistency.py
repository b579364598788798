from __future__ import annotations

import sqlite3

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.consistency import RULES
from hpo_nni.ledger.records import (
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)


@pytest.fixture
def folder(tmp_path):
    """A ledger of two trials, one of which still runs."""
    with Ledger.open(tmp_path) as ledger:
        ledger.begin_experiment(ExperimentRecord("ExpA", 1.0, "maximize"))
        for number, name in enumerate(["Tr1", "Tr2"]):
            ledger.begin_trial(TrialRecord(name, "ExpA", number, 1.0, {"lr": 0.1}))
            job = JobRecord(f"{name}-cmd1", name, "cmd1", "local", "x", 1.0, "h", "b", 1, 1)
            ledger.intend_job(job)
            ledger.accept_job(job.name, job.name)
            ledger.add_evaluations([EvaluationRecord(name, "", 1, {"auc": 0.5}, 0.5, 1.0)])
        ledger.end_job("Tr1-cmd1", "succeeded")
        ledger.end_trial("Tr1", TrialState.SUCCEEDED, "", 0.5)
    return tmp_path


def faults(folder):
    with Ledger.open(folder) as ledger:
        return ledger.faults()


def test_what_the_ledger_writes_is_sound(folder):
    assert faults(folder) == []


TAMPERED = [
    ("UPDATE trials SET ended = NULL WHERE id = 'Tr1'", "trial Tr1: whether it has ended and when"),
    ("UPDATE trials SET score = NULL WHERE id = 'Tr1'", "trial Tr1: it succeeded without a score"),
    ("UPDATE trials SET state = 'failed' WHERE id = 'Tr1'", "trial Tr1: it ended without a reason"),
    ("UPDATE trials SET started = 9e9 WHERE id = 'Tr1'", "trial Tr1: it ended before it began"),
    ("DELETE FROM turns WHERE state = 'succeeded'", "trial Tr1: its last turn is not its state"),
    ("UPDATE trials SET retry_of = 'Tr7' WHERE id = 'Tr1'", "trial Tr1: it runs again, or goes on"),
    (
        "UPDATE jobs SET ended = NULL, state = 'running' WHERE trial_id = 'Tr1'",
        "trial Tr1: it succeeded while a job of its own was open",
    ),
    (
        "UPDATE jobs SET trial_id = 'Tr2', ended = NULL, state = 'running'",
        "trial Tr2: several jobs of it are open",
    ),
    ("UPDATE trials SET number = 3", "experiment ExpA: two of its trials have one number"),
    ("UPDATE jobs SET ended = 2.0 WHERE trial_id = 'Tr2'", "job Tr2-cmd1: whether it has ended"),
    ("UPDATE jobs SET job_id = NULL", "job Tr1-cmd1: it ran, and no platform ever took it up"),
    ("UPDATE jobs SET running_since = 1.0", "job Tr1-cmd1: it has ended, and its time still"),
    ("UPDATE evaluations SET score = 'x'", "trial Tr1: an evaluation of it has a score that is no"),
    ("UPDATE trials SET parameters = '{' WHERE id = 'Tr1'", "row 0 of trials: a row of the ledger"),
    ("DELETE FROM trials WHERE id = 'Tr2'", "row 2 of jobs belongs to something that is not in"),
]


@pytest.mark.parametrize(("statement", "fault"), TAMPERED)
def test_what_contradicts_itself_is_named(folder, statement, fault):
    with Ledger.open(folder) as ledger:
        path = ledger.path
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()

    assert fault in "\n".join(faults(folder))


def test_every_rule_is_tried():
    words = "\n".join(fault for _, fault in TAMPERED)

    for sentence, _ in RULES:
        assert sentence.partition("{}: ")[2][:20] in words
