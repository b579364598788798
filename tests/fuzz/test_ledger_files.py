"""Ledgers from a crash: cut, torn and overwritten, with and without a write-ahead log."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.ledger.records import (
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)
from hpo_nni.testing.fuzzing import damaged_bytes, examples, survives

TRIALS = [f"Tr{number}" for number in range(8)]


@dataclass(frozen=True)
class Files:
    """A ledger's files: of one that is open, and of one that was closed."""

    open: dict[str, bytes] = field(repr=False)
    closed: dict[str, bytes] = field(repr=False)


def fill(ledger):
    ledger.begin_experiment(ExperimentRecord("ExpA", 1.0, "maximize"))
    for number, name in enumerate(TRIALS):
        ledger.begin_trial(TrialRecord(name, "ExpA", number, 1.0, {"lr": 0.1, "x": "y" * 300}))
        job = JobRecord(f"{name}-cmd1", name, "cmd1", "local", "x" * 900, 1.0, "h", "b", 1, 1)
        ledger.intend_job(job)
        ledger.accept_job(job.name, job.name)
        ledger.add_evaluations(
            [EvaluationRecord(name, "", step, {"auc": 0.5}, 0.5, 1.0) for step in range(20)]
        )
        ledger.add_decision(DecisionRecord(name, "assessor", "keep", "good", 1.0, {"a": 1.0}))
        if number % 2:
            ledger.end_job(job.name, "succeeded")
            ledger.end_trial(name, TrialState.SUCCEEDED, "", 0.5)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """The three files as they lie on the disk while a ledger is open."""
    folder = tmp_path_factory.mktemp("crashed")
    copy = tmp_path_factory.mktemp("copy")
    with Ledger.open(folder) as ledger:
        fill(ledger)
        for path in folder.iterdir():
            shutil.copy(path, copy / path.name)
    whole = folder / LEDGER_NAME
    assert (copy / f"{LEDGER_NAME}-wal").stat().st_size > 10_000
    return Files(
        open={path.name: path.read_bytes() for path in copy.iterdir()},
        closed={LEDGER_NAME: whole.read_bytes()},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ledger")


def ask_everything(folder):
    """What trials, commands and the reaper ask and write."""
    with Ledger.open(folder) as ledger:
        for experiment in ledger.experiments():
            ledger.scores(experiment.id)
            ledger.news(experiment.id)
            ledger.assessments(experiment.id)
            ledger.running_times(experiment.id, 2.0)
            for trial in ledger.trials(experiment.id):
                ledger.jobs(trial.id)
                ledger.evaluations(trial.id)
                ledger.standing_order(trial.id)
        jobs = ledger.live_jobs()
        ledger.notices()
        ledger.faults()
        ledger.begin_experiment(ExperimentRecord("ExpB", 1.0, "maximize"))
        ledger.begin_trial(TrialRecord("TrNew", "ExpB", 0, 1.0))
        for job in jobs:
            ledger.end_job(job.name, "cancelled")
            ledger.end_trial(job.trial_id, TrialState.CANCELLED, "it is over")


def put(folder, files):
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("state", ["open", "closed"])
@given(data=st.data())
@examples(1.5)
def test_a_damaged_ledger_is_read_or_refused(folder, crashed, state, data):
    files = dict(getattr(crashed, state))
    for name in data.draw(st.sets(st.sampled_from(sorted(files)), min_size=1)):
        files[name] = data.draw(damaged_bytes([files[name]]))
    put(folder, files)

    survives(lambda: ask_everything(folder))


@pytest.mark.parametrize("state", ["open", "closed"])
@given(data=st.data())
@examples(1.5)
def test_damaged_rows_are_read_or_refused(folder, crashed, state, data):
    """Whole pages with other values in them: what a person or another program wrote."""
    put(folder, getattr(crashed, state))
    table, column = data.draw(
        st.sampled_from(
            [
                ("experiments", "direction"),
                ("experiments", "settings"),
                ("trials", "state"),
                ("turns", "state"),
                ("trials", "parameters"),
                ("trials", "configs"),
                ("trials", "number"),
                ("trials", "score"),
                ("jobs", "state"),
                ("evaluations", "values"),
                ("evaluations", "score"),
                ("evaluations", "step"),
                ("decisions", "figures"),
            ]
        )
    )
    value = data.draw(
        st.sampled_from(["", "{", "[]", "null", "1", "nonsense", "[" * 3000, b"\xff", 2**62, 1e308])
    )
    connection = sqlite3.connect(folder / LEDGER_NAME)
    connection.execute(f'UPDATE OR IGNORE {table} SET "{column}" = ?', [value])
    connection.commit()
    connection.close()

    survives(lambda: ask_everything(folder))


@given(data=st.data())
@examples()
def test_a_log_that_is_cut_anywhere_loses_the_end_only(folder, crashed, data):
    """What a power cut leaves: every transaction up to the first that is not whole."""
    files = dict(crashed.open)
    wal = f"{LEDGER_NAME}-wal"
    files[wal] = files[wal][: data.draw(st.integers(0, len(files[wal])))]
    files.pop(f"{LEDGER_NAME}-shm", None)
    put(folder, files)

    with Ledger.open(folder) as ledger:
        trials = ledger.trials("ExpA")
        assert [trial.id for trial in trials] == TRIALS[: len(trials)]
        for trial in trials[:-1]:
            assert len(ledger.evaluations(trial.id)) == 20
            assert len(ledger.jobs(trial.id)) == 1


@pytest.mark.parametrize("data", [b"", b"x", b"SQLite format 3\0", b"\0" * 8192, b"x" * 100_000])
def test_another_file_in_its_place_is_taken_over_if_empty_or_refused(folder, data):
    put(folder, {LEDGER_NAME: data})

    survives(lambda: ask_everything(folder))
