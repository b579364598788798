"""A whole experiment under the real NNI: stops, cancels, limits, states, and what is left of it."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api import launch
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.testing.processes import eventually, processes_with

pytestmark = pytest.mark.nni

# What NNI shows for each way in which a trial ends, per version: docs/guide/states.md
STATES = {
    2: {
        TrialState.SUCCEEDED: "SUCCEEDED",
        TrialState.STOPPED: "EARLY_STOPPED",
        TrialState.CANCELLED: "USER_CANCELED",
        TrialState.FAILED: "FAILED",
    },
    3: {
        TrialState.SUCCEEDED: "SUCCEEDED",
        TrialState.STOPPED: "USER_CANCELED",
        TrialState.CANCELLED: "USER_CANCELED",
        TrialState.FAILED: "FAILED",
    },
}


NNI_STATUSES = {"WAITING", "RUNNING", *STATES[2].values()}


def address(output: list[str]) -> str:
    """The address of the web page, once `hpo-nni run` has printed it."""
    return eventually(lambda: re.search(r"http://127\.0\.0\.1:\d+", "".join(output)))[0]


class Running:
    """`hpo-nni run` in the background, its output collected line by line."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        self.process = folder.cli("run", "config.yml", *arguments)
        self.output = []
        self._reader = threading.Thread(target=lambda: self.output.extend(self.process.stdout))
        self._reader.start()
        self.rest = RestClient(address(self.output))
        self.id = self.rest.experiment_id()

    def ledger(self):
        return Ledger.open(self.folder.working_directory)

    def running_job(self):
        """The id of a trial whose job runs."""
        with self.ledger() as ledger:
            live = [job for job in ledger.live_jobs(self.id) if job.job_id]
            return live[0].trial_id if live else None

    def end(self, timeout=180):
        code = self.process.wait(timeout)
        self._reader.join()
        return code, "".join(self.output)


@pytest.fixture
def run(experiment):
    started = []

    def start(folder, *arguments):
        started.append(Running(folder, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
            one.end()


def nnis_own_record(folder, experiment_id, of=None):
    """Parameters and final metric of each trial, as NNI stores, shows and exports them."""
    path = folder.working_directory / experiment_id / "db" / "nni.sqlite"
    connection = sqlite3.connect(path)
    events = connection.execute("SELECT trialJobId, data FROM TrialJobEvent WHERE data LIKE '{%'")
    points = {trial_id: json.loads(data)["parameters"] for trial_id, data in events}
    finals = connection.execute("SELECT trialJobId, data FROM MetricData WHERE type='FINAL'")
    scores = {trial_id: json.loads(json.loads(data))["default"] for trial_id, data in finals}
    connection.close()
    return {trial_id: (points[trial_id], scores[trial_id]) for trial_id in of or points}


def statuses_in_nni(folder, experiment_id):
    """The last status of each trial in NNI's own database, which its page shows."""
    path = folder.working_directory / experiment_id / "db" / "nni.sqlite"
    connection = sqlite3.connect(path)
    events = connection.execute("SELECT trialJobId, event FROM TrialJobEvent ORDER BY rowid")
    last = {trial_id: event for trial_id, event in events if event in NNI_STATUSES}
    connection.close()
    return last


def test_twelve_trials_with_a_stop_and_a_cancel_end_in_the_stated_states(experiment, run):
    """Some succeed, at least one is stopped early, one is cancelled while its job runs."""
    folder = experiment(
        maxTrialNumber=12,
        space={
            "model.quality": {"_type": "uniform", "_value": [0, 1]},
            "model.stubborn": {"_type": "choice", "_value": [1]},
        },
    )
    running = run(folder)
    cancelled = eventually(running.running_job)
    running.rest.cancel_trial(cancelled)

    code, output = running.end()

    assert code == 0, output
    with running.ledger() as ledger:
        trials = {trial.id: trial for trial in ledger.trials(running.id)}
        assert len(trials) == 12
        assert trials[cancelled].state is TrialState.CANCELLED
        assert "cancelled by a user" in trials[cancelled].reason
        stopped = [t for t in trials.values() if t.state is TrialState.STOPPED]
        assert stopped, output
        assert all("median" in trial.reason for trial in stopped)
        assert not ledger.live_jobs(running.id)
        jobs = [job for trial_id in trials for job in ledger.jobs(trial_id)]
        assert {job.state for job in jobs} <= {"succeeded", "cancelled"}
    expected = STATES[nni_version()[0]]
    shown = statuses_in_nni(folder, running.id)
    assert shown == {key: expected[trial.state] for key, trial in trials.items()}
    assert not processes_with(running.id), "a process of the experiment survived it"


def test_each_trial_runs_and_reports_under_its_own_parameters(experiment):
    """Forty trials at concurrency 8 under NNI's own TPE: ledger, database and job agree."""
    folder = experiment(
        maxTrialNumber=40,
        trialConcurrency=8,
        tuner={"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}},
        assessor=None,
        space={
            "model.quality": {"_type": "uniform", "_value": [0, 1]},
            "train.epochs": {"_type": "choice", "_value": [1]},
            "train.seconds": {"_type": "choice", "_value": [0.01]},
        },
    )
    del_assessor(folder)
    code, output = folder.run("run", "config.yml", timeout=400)

    assert code == 0, output
    with Ledger.open(folder.working_directory) as ledger:
        experiment_id = ledger.experiments()[-1].id
        trials = ledger.trials(experiment_id)
        assert [trial.state for trial in trials] == [TrialState.SUCCEEDED] * 40
        for trial in trials:
            quality = trial.parameters["model.quality"]
            # one epoch: accuracy = quality / 2, loss = 1 - accuracy
            assert trial.score == pytest.approx(quality / 2 - 0.1 * (1 - quality / 2))
            assert f"quality: {quality!r}" in Path(trial.configs[0]).read_text()
        assert nnis_own_record(folder, experiment_id) == {
            trial.id: (trial.parameters, pytest.approx(trial.score)) for trial in trials
        }


def del_assessor(folder):
    content = json.loads(folder.config.read_text())
    content.pop("assessor")
    folder.config.write_text(json.dumps(content))


def test_interrupt_cancels_every_running_job_before_it_returns(experiment, run):
    folder = experiment(
        maxTrialNumber=4,
        space={
            "model.quality": {"_type": "uniform", "_value": [0.4, 0.6]},
            "model.stubborn": {"_type": "choice", "_value": [1]},
            "train.seconds": {"_type": "choice", "_value": [30]},
        },
    )
    running = run(folder)
    eventually(running.running_job)

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 1, output
    assert not processes_with(running.id)
    with running.ledger() as ledger:
        trials = ledger.trials(running.id)
        assert {trial.state for trial in trials} == {TrialState.CANCELLED}
        # a trial that NNI began in the same moment has no order of ours yet, but NNI's own signal:
        # TERM from NNI 2.10.1, INT from NNI 3.0
        told = {"hpo-nni run was interrupted"} | {
            f"the experiment was stopped (signal {name})" for name in ("SIGTERM", "SIGINT")
        }
        assert "hpo-nni run was interrupted" in {trial.reason for trial in trials} <= told
        assert not ledger.live_jobs(running.id)


def test_limits_changed_on_the_web_page_are_followed(experiment, run):
    folder = experiment(maxTrialNumber=20, trialConcurrency=1)
    running = run(folder)
    eventually(running.running_job)

    running.rest.change("MAX_TRIAL_NUM", "maxTrialNumber", 3)
    running.rest.change("TRIAL_CONCURRENCY", "trialConcurrency", 2)
    code, output = running.end()

    assert code == 0, output
    assert "/3 trials done" in output
    with running.ledger() as ledger:
        assert len(ledger.trials(running.id)) == 3


def test_a_time_limit_set_on_the_web_page_ends_the_experiment(experiment, run):
    """No new trial begins after it; what runs is finished, and its result kept."""
    folder = experiment(maxTrialNumber=500, trialConcurrency=1)
    running = run(folder)
    eventually(running.running_job)

    running.rest.change("MAX_EXEC_DURATION", "maxExperimentDuration", "8s")
    code, output = running.end()

    assert code == 0, output
    with running.ledger() as ledger:
        trials = ledger.trials(running.id)
        assert 0 < len(trials) < 500
        assert {trial.state for trial in trials} <= {TrialState.SUCCEEDED, TrialState.STOPPED}


def resume(folder, experiment_id, port):
    """`nnictl resume`, which gives its manager four seconds and is called again if that fails."""
    nnictl = Path(sys.executable).with_name("nnictl")
    for attempt in range(1, 11):
        done = subprocess.run(
            [nnictl, "resume", experiment_id, "--port", str(port)],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder.path,
            env=folder.environment,
        )
        if done.returncode == 0:
            print(f"nnictl resume succeeded at attempt {attempt}")  # noqa: T201  (how often)
            return
    pytest.fail(done.stdout + done.stderr)


def test_a_resumed_experiment_goes_on_with_the_right_parameters(experiment, run):
    """Interrupted in the middle, resumed by NNI itself: every trial's record is its own."""
    folder = experiment(
        maxTrialNumber=12,
        trialConcurrency=4,
        tuner={"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}},
    )
    del_assessor(folder)
    running = run(folder)
    eventually(lambda: finished(running) >= 4)
    running.process.send_signal(signal.SIGINT)
    running.end()

    port = launch.free_port(9500)
    resume(folder, running.id, port)
    rest = RestClient(f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: rest.status() == "DONE", seconds=180)
    finally:
        rest.stop()

    eventually(lambda: not processes_with(running.id))
    with running.ledger() as ledger:
        succeeded = {t.id: t for t in ledger.trials(running.id) if t.state is TrialState.SUCCEEDED}
        record = nnis_own_record(folder, running.id, of=succeeded)
        assert len(succeeded) > 4
        assert record == {
            key: (trial.parameters, pytest.approx(trial.score)) for key, trial in succeeded.items()
        }


def finished(running):
    with running.ledger() as ledger:
        return sum(trial.state is TrialState.SUCCEEDED for trial in ledger.trials(running.id))
