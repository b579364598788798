from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialRecord, TrialState
from hpo_nni.testing.nni import EXPERIMENT, FileNni
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.pausing import failed_alike

FAILED, SUCCEEDED = TrialState.FAILED, TrialState.SUCCEEDED
CANCELLED, RUNNING = TrialState.CANCELLED, TrialState.RUNNING


def trials(*ends):
    """Trials in the order of their ends: (state, class, evidence)."""
    return [
        TrialRecord(
            id=f"t{number}",
            experiment_id="e",
            number=number,
            started=0.0,
            state=state,
            ended=None if state is RUNNING else float(number),
            failure=kind,
            evidence=evidence,
            directory=f"/exp/t{number}",
        )
        for number, (state, kind, evidence) in enumerate(ends, start=1)
    ]


MISSING = (FAILED, "user", "its log says 'no module x'")
OTHER = (FAILED, "user", "its log says 'no module y'")
GOOD = (SUCCEEDED, "", "")

CASES = {
    "three alike": ([MISSING] * 3, True),
    "two alike": ([MISSING] * 2, False),
    "another cause": ([MISSING, OTHER, MISSING], False),
    "a success between": ([MISSING, MISSING, GOOD, MISSING], False),
    "a success long ago": ([GOOD, MISSING, MISSING, MISSING], True),
    "cancelled ones say nothing": ([MISSING, (CANCELLED, "", ""), MISSING, MISSING], True),
    "running ones say nothing": ([MISSING, MISSING, (RUNNING, "", ""), MISSING], True),
    "of no known class": ([(FAILED, "unknown", "no rule knows 'exit code 3'")] * 3, True),
    "infeasible points": ([(FAILED, "infeasible", "out of memory")] * 3, False),
    "transient failures": ([(FAILED, "transient", "the network failed")] * 3, False),
}


@pytest.mark.parametrize("ends, expected", CASES.values(), ids=CASES)
def test_an_experiment_fails_alike_if_the_last_ends_are_one(ends, expected):
    assert failed_alike(trials(*ends), 3) is expected


def test_a_trials_own_folder_and_id_make_no_difference():
    ends = [(FAILED, "user", f"no file /exp/t{number}/a.csv of t{number}") for number in (1, 2, 3)]

    assert failed_alike(trials(*ends), 3)


def test_what_ended_before_the_pause_was_lifted_counts_no_more():
    assert not failed_alike(trials(*[MISSING] * 5), 3, since=3.0)
    assert failed_alike(trials(*[MISSING] * 6), 3, since=3.0)


def test_nothing_pauses_where_nobody_wants_it():
    assert not failed_alike(trials(*[MISSING] * 9), 0)


INI = """\
[platform_config]
name=local
cmd1=test -e mended && echo auc=0.${lr}
[metric_config]
metric_type=stdout
metric_dict={'auc=([0-9.]+)': 1}
poll_interval=0.02
[monitor_config]
url=env:WEBHOOK
"""


def test_the_third_failure_alike_makes_the_others_wait_until_it_is_mended(tmp_path, webhook):
    """As processes under an NNI that is a folder; people are told of the pause once."""
    (tmp_path / "trial.ini").write_text(INI)
    processes = []

    def start(trial_id):
        nni = FileNni(tmp_path / "expdir", trial_id, {"lr": len(processes)})
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
        command = [sys.executable, "-m", "hpo_nni.trial", "--config=trial.ini"]
        environment = clean | nni.environment | {"WEBHOOK": webhook.url}
        processes.append(subprocess.Popen(command, cwd=tmp_path, env=environment))
        return processes[-1]

    def paused():
        texts = [body["text"]["content"] for body in webhook.bodies]
        return [text for text in texts if "The experiment is paused" in text]

    try:
        assert [start(f"T{number}").wait(60) for number in (1, 2, 3)] == [1, 1, 1]
        last = start("T4")
        with Ledger.open(tmp_path / "expdir") as ledger:
            eventually(lambda: (one := ledger.trial("T4")) and "waits, for the" in one.reason)
            assert ledger.jobs("T4") == []
            (tmp_path / "mended").touch()
            assert ledger.lift_pause(EXPERIMENT)

            assert last.wait(60) == 0

            assert ledger.trial("T4").state is SUCCEEDED
        (text,) = eventually(paused)
        assert f"hpo-nni retry --experiment {EXPERIMENT}" in text
    finally:
        for process in processes:
            process.kill()
            process.wait()
