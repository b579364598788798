from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from hpo_nni.errors import LedgerError
from hpo_nni.failures import Failure, FailureKind
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)


def job(name="Exp1-Abc-cmd1-1", trial_id="Abc"):
    return JobRecord(
        name=name,
        trial_id=trial_id,
        step="cmd1",
        platform="local",
        plan="python train.py",
        intended=3.0,
        host="here",
        boot_id="b",
        pid=17,
        pid_started=4711,
    )


def evaluation(step, score, trial_id="Abc", source="val", **values):
    return EvaluationRecord(trial_id, source, step, values or {"auc": 0.5}, score, time=5.0)


def test_first_statement_about_an_experiment_wins_and_later_ones_fill_gaps(ledger):
    ledger.begin_experiment(
        ExperimentRecord("Exp1", 9.0, "minimize", project="p", settings={"a": 1, "b": 2})
    )
    ledger.begin_experiment(
        ExperimentRecord("Exp1", 9.0, "minimize", project="q", settings={"b": 3, "c": 4})
    )

    assert ledger.experiment("Exp1") == ExperimentRecord(
        "Exp1", 1.0, "maximize", project="p", settings={"a": 1, "b": 2, "c": 4}
    )


def test_rest_url_is_replaced(ledger):
    ledger.set_rest_url("Exp1", "http://a")
    ledger.set_rest_url("Exp1", "http://b")

    assert ledger.experiment("Exp1").rest_url == "http://b"


def test_first_end_of_a_trial_wins(ledger):
    assert ledger.end_trial("Abc", TrialState.STOPPED, "below the median", 0.25)
    assert not ledger.end_trial("Abc", TrialState.FAILED, "killed")

    trial = ledger.trial("Abc")
    assert (trial.state, trial.reason, trial.score, trial.ended) == (
        TrialState.STOPPED,
        "below the median",
        0.25,
        100.0,
    )


def test_end_of_a_trial_that_never_began_is_no_fault(ledger):
    assert not ledger.end_trial("Zzz", TrialState.CANCELLED, "by a user")
    assert ledger.trial("Zzz") is None


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_score_that_is_no_number_is_stored_as_none(ledger, score):
    ledger.add_evaluations([evaluation(1, score)])
    ledger.end_trial("Abc", TrialState.SUCCEEDED, "", score)

    assert ledger.trial("Abc").score is None
    assert ledger.evaluations("Abc")[0].score is None
    assert ledger.scores("Exp1") == {}


def test_the_class_of_a_failure_is_kept_until_the_trial_runs_again(ledger):
    ledger.intend_job(job())
    failure = Failure(FailureKind.INFEASIBLE, "its log says 'MemoryError'")
    ledger.note_job_failure(job().name, failure)
    ledger.note_failure("Abc", failure)
    ledger.end_trial("Abc", TrialState.FAILED, "cmd1 failed")
    ledger.note_failure("Abc", Failure(FailureKind.USER, "too late"))

    trial, (record,) = ledger.trial("Abc"), ledger.jobs("Abc")
    assert (trial.failure, trial.evidence) == ("infeasible", "its log says 'MemoryError'")
    assert (record.failure, record.evidence) == (trial.failure, trial.evidence)

    ledger.begin_trial(TrialRecord("Abc", "Exp1", number=0, started=50.0))

    assert (ledger.trial("Abc").failure, ledger.trial("Abc").evidence) == ("", "")


def test_an_experiment_is_paused_once_and_until_the_pause_is_lifted(ledger):
    assert ledger.pause_experiment("Exp1", "three times the same")
    assert not ledger.pause_experiment("Exp1", "and a fourth time")
    assert ledger.experiment("Exp1").pause == "three times the same"

    ledger.lift_pause("Exp1")

    assert ledger.experiment("Exp1").pause == ""


def test_a_pause_is_over_when_nni_runs_the_experiment_anew(ledger):
    first, second = (ProcessIdentity("here", "b", pid, 1) for pid in (1, 2))
    ledger.set_manager("Exp1", first)
    ledger.pause_experiment("Exp1", "three times the same")

    ledger.set_manager("Exp1", first)
    assert ledger.experiment("Exp1").pause

    ledger.set_manager("Exp1", second)
    assert (ledger.experiment("Exp1").pause, ledger.experiment("Exp1").released) == ("", 100.0)


def test_resumed_trial_runs_again_and_keeps_its_history(ledger):
    ledger.begin_trial(TrialRecord("Abc", "Exp1", number=0, started=2.0, parameters={"lr": 0.1}))
    ledger.intend_job(job())
    ledger.add_evaluations([evaluation(1, 0.5)])
    ledger.end_trial("Abc", TrialState.FAILED, "out of memory", 0.5)

    ledger.begin_trial(TrialRecord("Abc", "Exp1", number=0, started=50.0, directory="/new"))

    trial = ledger.trial("Abc")
    assert (trial.state, trial.reason, trial.ended, trial.score) == (
        TrialState.RUNNING,
        "",
        None,
        None,
    )
    assert (trial.started, trial.parameters, trial.directory) == (2.0, {"lr": 0.1}, "/new")
    assert ledger.decisions("Abc") == [
        DecisionRecord(
            "Abc",
            "runner",
            "resume",
            "it runs again; it had ended as failed: out of memory",
            100.0,
            {"score": 0.5},
        )
    ]
    assert len(ledger.jobs("Abc")) == len(ledger.evaluations("Abc")) == 1
    assert ledger.end_trial("Abc", TrialState.SUCCEEDED, "", 0.75)


def test_an_order_for_a_process_that_is_gone_does_not_end_the_one_that_follows(ledger):
    """NNI is killed and resumed before the first process has said how it ended."""
    first, second = (ProcessIdentity("here", "b", pid, 1) for pid in (1, 2))
    trial = replace(ledger.trial("Abc"), runner=first)
    ledger.begin_trial(trial)
    ledger.add_decision(DecisionRecord("Abc", "reaper", "cancel", "NNI has gone", 1.0))

    ledger.begin_trial(trial)
    assert ledger.standing_order("Abc") is not None  # it is the same process
    ledger.begin_trial(replace(trial, runner=second))

    assert ledger.standing_order("Abc") is None
    assert "another process ran it" in ledger.decisions("Abc")[-1].reason


def test_job_goes_from_intent_to_its_end(ledger):
    ledger.intend_job(job())
    assert [each.state for each in ledger.live_jobs()] == ["intended"]

    assert ledger.accept_job("Exp1-Abc-cmd1-1", "id-9")
    assert [(each.state, each.job_id) for each in ledger.live_jobs()] == [("running", "id-9")]

    assert ledger.end_job("Exp1-Abc-cmd1-1", "failed", "exit code 3", "boom")
    assert not ledger.end_job("Exp1-Abc-cmd1-1", "lost")
    assert ledger.live_jobs() == []
    assert ledger.jobs("Abc") == [
        replace(
            job(),
            job_id="id-9",
            state="failed",
            message="exit code 3",
            log_tail="boom",
            ended=100.0,
        )
    ]


def test_acceptance_of_a_job_that_was_ended_meanwhile_says_so(ledger):
    ledger.intend_job(job())
    ledger.end_job("Exp1-Abc-cmd1-1", "cancelled", "by the reaper")

    assert not ledger.accept_job("Exp1-Abc-cmd1-1", "id-9")
    assert [(each.state, each.job_id) for each in ledger.jobs("Abc")] == [("cancelled", "id-9")]


def test_no_job_is_intended_for_a_trial_that_has_ended(ledger):
    ledger.end_trial("Abc", TrialState.CANCELLED, "by a user")

    with pytest.raises(LedgerError, match="cancelled, by a user"):
        ledger.intend_job(job())
    assert ledger.jobs("Abc") == []


def test_second_evaluation_of_a_step_replaces_the_first(ledger):
    ledger.add_evaluations([evaluation(1, 0.5, auc=0.5), evaluation(2, 0.6, auc=0.6)])
    ledger.add_evaluations([evaluation(1, 0.7, auc=0.7)])

    assert [(each.step, each.score, each.values) for each in ledger.evaluations("Abc")] == [
        (2, 0.6, {"auc": 0.6}),
        (1, 0.7, {"auc": 0.7}),
    ]


def test_evaluations_are_written_all_or_none(ledger):
    with pytest.raises(LedgerError):
        ledger.add_evaluations([evaluation(1, 0.5), evaluation(2, 0.5, trial_id="unknown")])

    assert ledger.evaluations("Abc") == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (lambda it: it.set_rest_url("nope", "u"), "no 'nope' among its experiments"),
        (lambda it: it.set_configs("nope", []), "no 'nope' among its trials"),
        (lambda it: it.accept_job("nope", "1"), "no 'nope' among its jobs"),
        (lambda it: it.end_job("nope", "failed"), "no 'nope' among its jobs"),
        (lambda it: it.intend_job(job(trial_id="nope")), "not in the ledger"),
        (lambda it: it.begin_trial(TrialRecord("T", "nope", 0, 1.0)), "not in the ledger"),
        (lambda it: it.begin_trial(TrialRecord("aBC", "Exp1", 1, 1.0)), "already holds"),
        (lambda it: it.begin_experiment(ExperimentRecord("eXP1", 1.0, "")), "already holds"),
        (lambda it: (it.intend_job(job()), it.intend_job(job())), "already holds"),
        (lambda it: it.add_decision(DecisionRecord("nope", "", "", "", 1.0)), "FOREIGN KEY"),
    ],
)
def test_false_statements_are_refused(ledger, statement, words):
    with pytest.raises(LedgerError, match=words):
        statement(ledger)


def test_trial_id_of_another_experiment_is_refused(ledger):
    ledger.begin_experiment(ExperimentRecord("Exp2", 5.0, "maximize"))

    with pytest.raises(LedgerError, match="trial Abc of experiment Exp2"):
        ledger.begin_trial(TrialRecord("Abc", "Exp2", number=0, started=6.0))


@pytest.mark.parametrize(
    "statement",
    [
        lambda it: it.end_trial("Abc", TrialState.RUNNING, ""),
        lambda it: it.end_job("x", "running"),
    ],
)
def test_nothing_ends_as_running(ledger, statement):
    with pytest.raises(ValueError, match="cannot end as"):
        statement(ledger)


def test_closed_ledger_refuses(ledger):
    ledger.close()
    ledger.close()

    with pytest.raises(LedgerError, match="closed"):
        ledger.set_rest_url("Exp1", "u")


def test_threads_share_a_ledger(ledger):
    def write(first):
        for step in range(first, first + 20):
            ledger.add_evaluations([evaluation(step, 0.5)])

    threads = [threading.Thread(target=write, args=[100 * number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ledger.evaluations("Abc")) == 80


WRITER = """
import sys
from pathlib import Path
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import *

directory, trial, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Ledger.open(directory) as ledger:
    ledger.begin_experiment(ExperimentRecord("E", 1.0, "maximize"))
    ledger.begin_trial(TrialRecord(trial, "E", 0, 1.0))
    first = len(ledger.evaluations(trial))
    for step in range(first, first + count):
        record = EvaluationRecord(trial, "val", step, {"auc": step / 7}, step / 7, 1.0)
        ledger.add_evaluations([record])
        print(step, flush=True)
"""


def start_writer(directory, trial, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), trial, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def integrity(directory):
    with Ledger.open(directory) as ledger:
        return ledger._database.read("PRAGMA integrity_check")


def test_sixteen_processes_write_at_once(tmp_path):
    directory = tmp_path / "not yet there"
    writers = [start_writer(directory, f"t{number}", 10) for number in range(16)]

    outputs = [writer.communicate()[0].split() for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 16
    assert outputs == [[str(step) for step in range(10)]] * 16
    with Ledger.open(directory) as ledger:
        assert {name: len(points) for name, points in ledger.scores("E").items()} == {
            f"t{number}": 10 for number in range(16)
        }


@pytest.mark.parametrize("lines", [0, 1, 2, 7, 23])
def test_killed_writers_leave_a_readable_ledger_with_every_committed_row(tmp_path, lines):
    """Both writers are killed while they write; one of them at a known place in its work."""
    writers = [start_writer(tmp_path, name, 10_000) for name in ("a", "b")]

    told = [writers[0].stdout.readline() for _ in range(lines)]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    told = told + writers[0].stdout.readlines()
    others = writers[1].stdout.readlines()
    for writer in writers:
        writer.wait()
        writer.stdout.close()

    assert integrity(tmp_path) == [("ok",)]
    with Ledger.open(tmp_path) as ledger:
        for name, lines_told in (("a", told), ("b", others)):
            steps = [each.step for each in ledger.evaluations(name)]
            committed = [int(line) for line in lines_told if line.endswith("\n")]
            assert steps[: len(committed)] == committed
            assert len(steps) - len(committed) in {0, 1}  # the kill may fall before the print
    writer = start_writer(tmp_path, "a", 1)
    assert len(writer.communicate()[0].split()) == 1, "work goes on"


def test_a_job_runs_for_as_long_as_it_does_not_wait(tmp_path):
    now = [100.0]
    with Ledger.open(tmp_path, clock=lambda: now[0]) as ledger:
        ledger.begin_experiment(ExperimentRecord("Exp1", started=1.0, direction="maximize"))
        ledger.begin_trial(TrialRecord("Abc", "Exp1", number=0, started=2.0))
        ledger.intend_job(replace(job(), rate=2.5))
        name = job().name
        for moment, is_running in [
            (110, False),
            (130, True),
            (131, True),
            (150, False),
            (190, True),
        ]:
            now[0] = moment
            ledger.observe_job(name, is_running=is_running)
        assert ledger.running_times("Exp1", 195.0) == [("Abc", 2.5, 25.0)]
        now[0] = 200.0
        ledger.end_job(name, "succeeded")
        ledger.observe_job(name, is_running=True)

        assert ledger.running_times("Exp1", 500.0) == [("Abc", 2.5, 30.0)]


def test_an_ended_job_that_was_never_seen_to_run_ran_for_no_time(ledger):
    ledger.intend_job(job())
    ledger.end_job(job().name, "failed")

    assert [one.seconds for one in ledger.running_times("Exp1", 1e9)] == [0.0]


def test_the_last_that_speaks_of_a_setting_wins_and_others_stay(ledger):
    ledger.note_settings("Exp1", {"a": 1, "b": {"c": 2}})
    ledger.note_settings("Exp1", {"a": 3})
    ledger.note_settings("nobody", {"a": 3})

    assert ledger.experiment("Exp1").settings == {"a": 3, "b": {"c": 2}}
