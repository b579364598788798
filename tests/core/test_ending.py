from __future__ import annotations

import http.server
import json
import os
import threading
import time

import pytest

from hpo_nni.core.ending import kill_instance, remove_filepath
from hpo_nni.core.optuna_tuner import OptunaTuner
from hpo_nni.core.pai_assessor import PAIAssessor
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import DecisionRecord, JobRecord, TrialState
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.faults import Fate, JobFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer

pytestmark = pytest.mark.nni

GONE = ProcessIdentity("h", "b", 1, 1)


@pytest.fixture
def trial(experiment):
    """A trial of a begun experiment, by its id."""
    PAIAssessor()
    experiment.begin_trial("T1")
    return "T1"


def start_job(experiment, trial_id, *, accepted=True, command="sleep 60", runner=GONE):
    platform = LocalPlatform(experiment.directory)
    spec = JobSpec(
        name=f"{trial_id}-cmd1",
        step="cmd1",
        command=command,
        directory=experiment.directory,
        log_directory=experiment.directory / "logs",
    )
    experiment.ledger.intend_job(
        JobRecord(
            name=spec.name,
            trial_id=trial_id,
            step="cmd1",
            platform="local",
            plan="",
            intended=1.0,
            host=runner.host,
            boot_id=runner.boot_id,
            pid=runner.pid,
            pid_started=runner.started,
        )
    )
    job = platform.submit(platform.plan(spec))
    if accepted:
        experiment.ledger.accept_job(spec.name, job.id)
    return job


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def nni_says(experiment):
    """A loopback server that answers as NNI's REST interface does about one trial."""
    servers = []

    def start(status, limit=None):
        profile = {"params": {"trialConcurrency": 1, "maxTrialDuration": limit}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                trial = {"trialJobId": self.path.rpartition("/")[2], "status": status}
                body = profile if self.path.endswith("/experiment") else trial
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_tuner_that_hears_of_an_end_ends_the_jobs_of_all_dead_trials(experiment):
    """NNI tells the assessor only of trials that reported, and the tuner not which one it was."""
    tuner = OptunaTuner()
    dead = ProcessIdentity(os.uname().nodename, "earlier-boot", 1, 1)
    living = ProcessIdentity.current()
    experiment.begin_trial("T1", runner=dead)
    experiment.begin_trial("T2", runner=living)
    job, other = (
        start_job(experiment, "T1", runner=dead),
        start_job(experiment, "T2", runner=living),
    )

    tuner.trial_end(99, success=False)

    until(lambda: not experiment.ledger.live_jobs(trial_id="T1"))
    assert job.status().state is JobState.CANCELLED
    assert other.status().state is JobState.RUNNING
    until(lambda: experiment.ledger.trial("T1").state.is_final)
    assert not experiment.ledger.trial("T2").state.is_final
    other.cancel()


@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "only intended"])
def test_a_killed_trials_job_ends_and_the_ledger_says_so(experiment, trial, accepted):
    job = start_job(experiment, trial, accepted=accepted)

    begin = time.monotonic()
    PAIAssessor().trial_end(trial, success=False)
    assert time.monotonic() - begin < 2.0  # NNI waits for this call

    until(lambda: not experiment.ledger.live_jobs(trial_id=trial))
    assert job.status().state is JobState.CANCELLED
    assert experiment.ledger.jobs(trial)[0].state == "cancelled"


def test_a_second_end_is_silent(experiment, trial, caplog):
    job = start_job(experiment, trial)
    assessor = PAIAssessor()
    for _ in range(3):
        assessor.trial_end(trial, success=False)

    until(lambda: not experiment.ledger.live_jobs(trial_id=trial))
    until(lambda: not any(t.name.startswith("kill-") for t in threading.enumerate()))
    assessor.trial_end(trial, success=False)
    until(lambda: not any(t.name.startswith("kill-") for t in threading.enumerate()))
    assert job.status().state is JobState.CANCELLED
    assert "could not be cancelled" not in caplog.text


def test_a_successful_end_touches_nothing(experiment, trial):
    job = start_job(experiment, trial)

    PAIAssessor().trial_end(trial, success=True)

    assert job.status().state is JobState.RUNNING
    assert experiment.ledger.trial(trial).state is TrialState.RUNNING
    kill_instance(trial_job_id=trial)
    until(lambda: job.status().state.is_final)


def test_a_stopped_trial_is_closed_as_stopped_with_the_verdicts_reason(experiment, trial):
    reason = "best score so far 0.1 is worse than 0.8"
    experiment.ledger.add_decision(DecisionRecord(trial, "assessor", "stop", reason, 1.0))

    remove_filepath(trial_id=trial)

    assert experiment.ledger.trial(trial).state is TrialState.STOPPED
    assert experiment.ledger.trial(trial).reason == reason


def test_a_trial_that_the_run_command_cancelled_is_closed_as_cancelled(experiment, trial):
    order = DecisionRecord(trial, "run", "cancel", "hpo-nni run was interrupted", 1.0)
    experiment.ledger.add_decision(order)

    remove_filepath(trial_id=trial)

    assert experiment.ledger.trial(trial).state is TrialState.CANCELLED
    assert experiment.ledger.trial(trial).reason == "hpo-nni run was interrupted"


def test_a_stop_from_before_a_resume_does_not_count(experiment, trial):
    experiment.ledger.add_decision(DecisionRecord(trial, "assessor", "stop", "too bad", 1.0))
    experiment.end_trial(trial, TrialState.STOPPED)
    experiment.begin_trial(trial)

    remove_filepath(trial_id=trial)

    assert experiment.ledger.trial(trial).state is TrialState.RUNNING


@pytest.mark.parametrize(
    "status, state",
    [
        ("USER_CANCELED", TrialState.CANCELLED),
        ("SYS_CANCELED", TrialState.CANCELLED),
        ("EARLY_STOPPED", TrialState.STOPPED),  # not by us: by NNI's own assessor
        ("FAILED", TrialState.FAILED),
        ("RUNNING", TrialState.RUNNING),
        ("SUCCEEDED", TrialState.RUNNING),  # the runner has the last word, and the score
    ],
)
def test_other_trials_end_as_nni_says(experiment, monkeypatch, nni_says, status, state):
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", f"ws://127.0.0.1:{nni_says(status)}/tuner")
    PAIAssessor()
    experiment.begin_trial("T1")

    remove_filepath(trial_id="T1")

    assert experiment.ledger.trial("T1").state is state


def test_a_trial_that_has_ended_stays_as_it_ended(experiment, trial):
    experiment.end_trial(trial, TrialState.FAILED)

    remove_filepath(trial_id=trial)

    assert experiment.ledger.trial(trial).state is TrialState.FAILED


def test_an_unanswering_nni_leaves_the_entry_to_the_runner(experiment, trial):
    remove_filepath(trial_id=trial)

    assert experiment.ledger.trial(trial).state is TrialState.RUNNING


@pytest.mark.parametrize("call", [kill_instance, remove_filepath])
@pytest.mark.parametrize("trial_id", ["unknown", "", None, 7])
def test_unknown_trials_and_odd_ids_are_silent(experiment, trial, call, trial_id):
    call(trial_id)


@pytest.mark.parametrize("call", [kill_instance, remove_filepath])
def test_outside_nni_there_is_nothing_to_end(monkeypatch, call):
    monkeypatch.delenv("NNI_LOG_DIRECTORY", raising=False)

    call("T1")


def test_a_trial_over_its_time_limit_is_cancelled(experiment, monkeypatch, nni_says):
    """NNI 2.10.1 has one status for that and for what an assessor stopped."""
    port = nni_says("EARLY_STOPPED", limit="0s")
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", f"ws://127.0.0.1:{port}/tuner")
    PAIAssessor()
    experiment.begin_trial("T1")

    remove_filepath(trial_id="T1")

    trial = experiment.ledger.trial("T1")
    assert (trial.state, trial.reason) == (TrialState.CANCELLED, "it reached maxTrialDuration")


def test_a_job_on_maxcompute_is_cancelled_with_ledger_and_settings_alone(
    experiment, trial, tmp_path, monkeypatch
):
    """The settings refer to the keys, and this process finds them in its environment."""
    (tmp_path / "trial.ini").write_text(
        "[odps_config]\nproject_name=demo\nodps_endpoint=env:HERE\n"
        "access_id=env:AK\naccess_key=env:SK\n",
        encoding="utf-8",
    )
    pair = {"an id": "a secret"}
    connection = Credentials(Secret("an id"), Secret("a secret"))
    with (
        OssServer(tmp_path / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo") as server,
    ):
        server.faults.add(JobFault(Fate.WAITS))
        for name, value in (("HERE", server.endpoint), ("AK", "an id"), ("SK", "a secret")):
            monkeypatch.setenv(name, value)
        platform = MaxComputePlatform(
            tmp_path, connect=lambda: MaxComputeConnection("demo", server.endpoint, connection)
        )
        plan = platform.plan(JobSpec(f"{trial}-cmd1", "select 1", tmp_path, tmp_path))
        record = JobRecord(
            plan.name, trial, "cmd1", "maxcompute", "", 1.0, "h", "b", 1, 1,
            settings_file=str(tmp_path / "trial.ini"),
        )  # fmt: skip
        experiment.ledger.intend_job(record)
        platform.submit(plan)  # whose answer the runner did not live to write down

        kill_instance(trial)

        until(lambda: not experiment.ledger.live_jobs(trial_id=trial))
        (instance,) = server.instances
        assert instance.stopped_by == "an id"
    assert experiment.ledger.jobs(trial)[0].state == "cancelled"
