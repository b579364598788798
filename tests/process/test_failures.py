"""Failures under the real NNI: what is tried again, what pauses, and how it goes on."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.errors import NniError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import RETRY, TrialState, counted_trials, visible_point
from hpo_nni.nni_api import launch
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = pytest.mark.nni

INI = """\
[platform_config]
name = local
COMMANDS

[metric_config]
metric_type = stdout
metric_source = cmd1
metric_dict = {'accuracy=([0-9.]+)': 1}
poll_interval = 0.1
report_interval = 0

[failure_config]
retry_seconds = 0
"""
ROOT = Path(__file__).parent.parent.parent
OURS = {
    "codeDirectory": str(ROOT / "core"),
    "className": "optuna_tuner.OptunaTuner",
    "classArgs": {"optimize_mode": "maximize", "seed": 1},
}
LAUNCH = """
from pathlib import Path
from hpo_nni.nni_api import launch
experiment = launch.launch(Path("config.yml"), launch.LaunchOptions())
print("started", experiment.id, experiment.port)
"""
SPACE = {"lr": {"_type": "uniform", "_value": [0, 1]}}


def ini(*commands, resume=0):
    """A trial.ini with these steps, for `experiment` to fill in."""
    steps = [f"cmd{number} = {command}" for number, command in enumerate(commands, start=1)]
    text = INI.replace("COMMANDS", "\n".join([*steps, f"resume = {resume}"]))
    return text.replace("{", "{{").replace("}", "}}")


def ledger_of(folder):
    return Ledger.open(folder.working_directory)


def test_the_same_mistake_three_times_pauses_the_experiment_and_ends_it_with_a_letter(experiment):
    folder = experiment(
        space=SPACE,
        ini=ini("python3 -c 'import nosuchmodule' ${lr} && echo accuracy=0.5"),
        maxTrialNumber=50,
        trialConcurrency=2,
    )

    code, output = folder.run("run", "config.yml")

    assert code == 1, output
    assert output.count("is paused: the last 3 trials failed alike") == 1, output
    assert '(user error: a module is missing: its log says "ModuleNotFoundError: No mod' in output
    experiment_id = re.search(r"experiment +(\w+)", output)[1]
    assert f"hpo-nni retry --experiment {experiment_id}" in output
    with ledger_of(folder) as ledger:
        trials = ledger.trials(experiment_id)
        failed = [trial for trial in trials if trial.state is TrialState.FAILED]
        assert 3 <= len(failed) <= 4  # two ran at once
        assert {trial.failure for trial in failed} == {"user"}
        assert {trial.state for trial in trials} <= {TrialState.FAILED, TrialState.CANCELLED}
        assert ledger.experiment(experiment_id).pause
        began = {job.trial_id for trial in trials for job in ledger.jobs(trial.id)}
        assert began == {trial.id for trial in failed}
    shown = folder.run("show", experiment_id, "--dir", str(folder.working_directory))[1]
    assert "paused       the last 3 trials failed alike" in shown

    (folder.path / "nosuchmodule.py").touch()
    with resumed_nni(folder, experiment_id), ledger_of(folder) as ledger:
        eventually(lambda: succeeded(ledger.trials(experiment_id)), seconds=120)
        assert not ledger.experiment(experiment_id).pause


@contextlib.contextmanager
def running_nni(folder):
    """An experiment that nobody watches, as after `nnictl create`: (its id, its REST)."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH],
        cwd=folder.path,
        env=folder.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    experiment_id, port = re.search(r"started (\w+) (\d+)", done.stdout).groups()
    rest = RestClient(f"http://127.0.0.1:{port}")
    try:
        yield experiment_id, rest
    finally:
        with contextlib.suppress(NniError):
            rest.stop()
        eventually(lambda: not processes_with(experiment_id))


def test_failed_trials_run_again_once_the_mistake_is_mended(experiment):
    """Paused trials wait; `hpo-nni retry` runs the failed ones again, and each counts once."""
    folder = experiment(
        space=SPACE,
        ini=ini("test -e mended && echo accuracy=${lr}"),
        maxTrialNumber=6,
        trialConcurrency=2,
        tuner=OURS,
    )
    with running_nni(folder) as (experiment_id, rest):
        with ledger_of(folder) as ledger:
            eventually(lambda: (one := ledger.experiment(experiment_id)) and one.pause)
            eventually(lambda: waiting(ledger.trials(experiment_id)) == 2)
            failed = [one for one in ledger.trials(experiment_id) if one.failure]
        (folder.path / "mended").touch()

        code, told = folder.run("retry", "--experiment", experiment_id)
        eventually(lambda: rest.status() == "DONE", seconds=120)
        # NNI says DONE when the last process has gone, and that is after its entry was closed
        asked = {trial.id: trial.parameters for trial in rest.trials()}

    assert code == 0, told
    assert f"experiment {experiment_id} goes on" in told
    with ledger_of(folder) as ledger:
        trials = ledger.trials(experiment_id)
        again = {trial.retry_of: trial for trial in trials if trial.retry_of}
        assert set(again) == {trial.id for trial in failed}
        for trial in failed:
            repeated = again[trial.id]
            assert visible_point(repeated.parameters) == trial.parameters
            assert asked[repeated.id] == {**trial.parameters, RETRY: trial.id}
            assert repeated.score == pytest.approx(trial.parameters["lr"], rel=1e-4)
        counted = counted_trials(trials)
        assert len(counted) == 6
        assert {trial.state for trial in counted} == {TrialState.SUCCEEDED}
    shown = folder.run("show", experiment_id)[1]
    assert f"6: 6 succeeded; {len(failed)} failures of before, run again since" in shown
    code, told = folder.run("retry", "--experiment", experiment_id)
    assert code == 1
    assert f"start it again with `nnictl resume {experiment_id}`" in told


RESUMED = """
import pathlib, sys, time
quality = sys.argv[1]
while not pathlib.Path("go" + quality).exists():
    time.sleep(0.1)
for epoch in range(300):
    time.sleep(0.01 if quality == "0.9" else 0.5)
    print(f"accuracy={quality}", flush=True)
"""


def test_resumed_trials_are_scored_stopped_and_cancelled_like_new_ones(experiment):
    """NNI calls none of its algorithms for them; what the ledger says holds all the same."""
    folder = experiment(
        space={"quality": {"_type": "choice", "_value": [0.1, 0.5, 0.9]}},
        ini=ini("python3 resumed.py ${quality}"),
        maxTrialNumber=6,  # 2.10.1 counts trials twice that it resumes
        trialConcurrency=3,
        tuner={"name": "GridSearch"},
    )
    (folder.path / "resumed.py").write_text(RESUMED)
    with running_nni(folder) as (experiment_id, _), ledger_of(folder) as ledger:
        ids = eventually(lambda: all_three(running(ledger, experiment_id)))
        by_quality = {ledger.trial(one).parameters["quality"]: one for one in ids}
    with ledger_of(folder) as ledger, resumed_nni(folder, experiment_id) as rest:
        eventually(lambda: running(ledger, experiment_id) == ids)
        rest.cancel_trial(by_quality[0.5])
        (folder.path / "go0.9").touch()
        eventually(lambda: ledger.trial(by_quality[0.9]).state.is_final)
        (folder.path / "go0.1").touch()
        eventually(lambda: all(ledger.trial(one).state.is_final for one in ids), seconds=120)
        eventually(lambda: not ids & {job.trial_id for job in ledger.live_jobs(experiment_id)})
        ended = {"SUCCEEDED", "USER_CANCELED"}
        eventually(lambda: {one.status for one in rest.trials() if one.id in ids} <= ended)

        ends = {quality: ledger.trial(trial_id) for quality, trial_id in by_quality.items()}
        assert {quality: trial.state for quality, trial in ends.items()} == {
            0.9: TrialState.SUCCEEDED,
            0.1: TrialState.STOPPED,
            0.5: TrialState.CANCELLED,
        }
        assert ends[0.9].score == 0.9
        assert ends[0.5].reason == "cancelled by a user, through NNI"
        order = ledger.standing_order(by_quality[0.1])
        assert (order.actor, order.action, order.reason) == ("assessor", "stop", ends[0.1].reason)
        shown = {trial.id: trial.status for trial in rest.trials()}
        assert {quality: shown[trial_id] for quality, trial_id in by_quality.items()} == {
            0.9: "SUCCEEDED",
            0.1: "USER_CANCELED",
            0.5: "USER_CANCELED",
        }


def running(ledger, experiment_id):
    return {job.trial_id for job in ledger.live_jobs(experiment_id) if job.job_id}


def all_three(trial_ids):
    return trial_ids if len(trial_ids) == 3 else None


@contextlib.contextmanager
def resumed_nni(folder, experiment_id):
    """`nnictl resume`, which gives its manager four seconds and is called again if that fails."""
    nnictl, port = Path(sys.executable).with_name("nnictl"), launch.free_port(9500)
    for attempt in range(1, 11):
        done = subprocess.run(
            [nnictl, "resume", experiment_id, "--port", str(port)],
            cwd=folder.path,
            env=folder.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            print(f"nnictl resume succeeded at attempt {attempt}")  # noqa: T201  (how often)
            break
    else:
        pytest.fail(done.stdout + done.stderr)
    rest = RestClient(f"http://127.0.0.1:{port}")
    try:
        yield rest
    finally:
        with contextlib.suppress(NniError):
            rest.stop()
        eventually(lambda: not processes_with(experiment_id))


def succeeded(trials):
    return [trial for trial in trials if trial.state is TrialState.SUCCEEDED]


def waiting(trials):
    return sum("waits, for the experiment is paused" in trial.reason for trial in trials)
