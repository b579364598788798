"""Jobs that are cancelled with nothing but what the ledger holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import ExperimentRecord, JobRecord, TrialRecord
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.cancelling import ABSENCE_SECONDS, NEVER_ACCEPTED, cancel_recorded

GONE = ProcessIdentity("h", "b", 1, 1)
PAIR = {"an id": "a secret"}
SETTINGS = """\
[odps_config]
project_name=demo
odps_endpoint={endpoint}
access_id=env:AK
access_key=env:SK
"""


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        ledger.begin_experiment(ExperimentRecord("E1", 1.0, "maximize"))
        ledger.begin_trial(TrialRecord("T1", "E1", number=0, started=1.0))
        yield ledger


def test_an_intent_that_never_arrives_is_closed_ten_minutes_after_its_runners_end(
    ledger, tmp_path, monkeypatch
):
    for name, value in zip(("AK", "SK"), *PAIR.items(), strict=True):
        monkeypatch.setenv(name, value)
    file = tmp_path / "trial.ini"
    with (
        OssServer(tmp_path / "oss", PAIR, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, PAIR, "demo") as server,
    ):
        file.write_text(SETTINGS.format(endpoint=server.endpoint), encoding="utf-8")
        record = intent(ledger, "maxcompute", str(file))
        first = ledger.set_missing(record.name)

        assert not cancel_recorded(ledger, record, clock=lambda: first + ABSENCE_SECONDS - 1)
        assert cancel_recorded(ledger, record, clock=lambda: first + ABSENCE_SECONDS)

    (job,) = ledger.jobs("T1")
    assert (job.state, job.message) == ("cancelled", NEVER_ACCEPTED)


def test_an_intent_of_a_living_runner_is_not_missing_yet(ledger, tmp_path, monkeypatch):
    for name, value in zip(("AK", "SK"), *PAIR.items(), strict=True):
        monkeypatch.setenv(name, value)
    file, me = tmp_path / "trial.ini", ProcessIdentity.current()
    with (
        OssServer(tmp_path / "oss", PAIR, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, PAIR, "demo") as server,
    ):
        file.write_text(SETTINGS.format(endpoint=server.endpoint), encoding="utf-8")
        record = intent(ledger, "maxcompute", str(file), me)

        assert not cancel_recorded(ledger, record)

    assert ledger.live_jobs() == [record]


def intent(ledger, platform, settings_file="", runner=GONE):
    record = JobRecord(
        name="T1-cmd1",
        trial_id="T1",
        step="cmd1",
        platform=platform,
        plan="",
        intended=1.0,
        host=runner.host,
        boot_id=runner.boot_id,
        pid=runner.pid,
        pid_started=runner.started,
        settings_file=settings_file,
    )
    ledger.intend_job(record)
    return record


def test_a_local_job_is_cancelled_and_its_end_written_down(ledger, tmp_path):
    platform = LocalPlatform(tmp_path)
    record = intent(ledger, "local")
    job = platform.submit(platform.plan(JobSpec(record.name, "sleep 60", tmp_path, tmp_path)))
    ledger.accept_job(record.name, job.id)

    eventually(lambda: cancel_recorded(ledger, *ledger.live_jobs()))

    assert not ledger.live_jobs()
    assert ledger.jobs("T1")[0].state == "cancelled"


def test_an_intent_of_which_this_machine_knows_nothing_was_never_submitted(ledger):
    record = intent(ledger, "local")

    assert cancel_recorded(ledger, record)

    (job,) = ledger.jobs("T1")
    assert (job.state, job.message) == ("cancelled", "it was never submitted")


def test_an_intent_that_may_still_reach_maxcompute_stays_open(ledger, tmp_path, monkeypatch):
    for name, value in zip(("AK", "SK"), *PAIR.items(), strict=True):
        monkeypatch.setenv(name, value)
    file = tmp_path / "trial.ini"
    with (
        OssServer(tmp_path / "oss", PAIR, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, PAIR, "demo") as server,
    ):
        file.write_text(SETTINGS.format(endpoint=server.endpoint), encoding="utf-8")
        record = intent(ledger, "maxcompute", str(file))

        assert not cancel_recorded(ledger, record)

    (job,) = ledger.live_jobs()
    assert job == replace(record, missing_since=job.missing_since)
    assert job.missing_since is not None


def test_an_account_that_leads_nowhere_is_named(ledger, tmp_path, monkeypatch):
    monkeypatch.delenv("AK", raising=False)
    file = tmp_path / "trial.ini"
    file.write_text(SETTINGS.format(endpoint="http://127.0.0.1:1/api"), encoding="utf-8")

    with pytest.raises(SettingsError, match="AK"):
        cancel_recorded(ledger, intent(ledger, "maxcompute", str(file)))
