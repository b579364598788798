"""Sweeping up what should not run: real jobs, real processes, the ledger."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    DecisionRecord,
    ExperimentRecord,
    JobRecord,
    TrialRecord,
    TrialState,
)
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.testing.nni import HttpNni
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.orders import BY_DEATH, BY_USER
from hpo_nni.trial.reaping import ALL_GONE, BY_MANAGER, Sweep

HERE = os.uname().nodename
DEAD = ProcessIdentity(HERE, "earlier-boot", 1, 1)
ENOUGH = 60.0


class Place:
    """A working directory with one experiment."""

    def __init__(self, folder):
        self.folder = folder
        self.ledger = Ledger.open(folder)
        self.platform = LocalPlatform(folder, grace=0.2)
        self.ledger.begin_experiment(ExperimentRecord("E", 1.0, "maximize"))

    def trial(self, name, runner=DEAD):
        self.ledger.begin_trial(TrialRecord(name, "E", number=0, started=1.0, runner=runner))

    def job(self, trial, runner=DEAD, *, submit=True):
        who = (runner.host, runner.boot_id, runner.pid, runner.started)
        name = f"{trial}-cmd1"
        self.ledger.intend_job(JobRecord(name, trial, "cmd1", "local", "", 1.0, *who))
        if not submit:
            return None
        spec = JobSpec(name, "trap '' TERM; sleep 300", self.folder, self.folder / "logs")
        job = self.platform.submit(self.platform.plan(spec))
        self.ledger.accept_job(name, job.id)
        return job

    def ending(self, trial):
        entry = self.ledger.trial(trial)
        return entry.state, entry.reason


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "dir")
    yield made
    for record in made.ledger.live_jobs():
        if record.job_id and made.platform.find(record.name):
            made.platform.attach(record.job_id).cancel()
    made.ledger.close()


@pytest.fixture
def process():
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield started
    started.kill()
    started.wait()


def test_the_job_of_a_dead_runner_ends_and_its_trial_is_closed(place):
    place.trial("T")
    job = place.job("T")
    told = []

    assert Sweep(place.ledger, tell=told.append).run(ENOUGH)

    assert job.status().state is JobState.CANCELLED
    assert not place.ledger.live_jobs()
    assert place.ending("T") == (TrialState.FAILED, BY_DEATH)
    assert told == [
        "job T-cmd1 has ended (its runner has gone)",
        f"trial T is failed: {BY_DEATH}",
    ]


def test_an_intent_of_a_dead_runner_was_never_submitted_here(place):
    place.trial("T")
    place.job("T", submit=False)

    assert Sweep(place.ledger).run(ENOUGH)

    (job,) = place.ledger.jobs("T")
    assert (job.state, job.message) == ("cancelled", "it was never submitted")


def test_a_job_that_was_submitted_but_not_noted_is_found_by_its_name(place):
    place.trial("T")
    place.job("T", submit=False)
    spec = JobSpec("T-cmd1", "sleep 300", place.folder, place.folder / "logs")
    job = place.platform.submit(place.platform.plan(spec))

    assert Sweep(place.ledger).run(ENOUGH)

    assert job.status().state is JobState.CANCELLED


def test_an_order_says_how_the_trial_of_a_dead_runner_ended(place):
    place.trial("T")
    place.ledger.add_decision(DecisionRecord("T", "assessor", "stop", "too low", time.time()))

    assert Sweep(place.ledger).run(ENOUGH)

    assert place.ending("T") == (TrialState.STOPPED, "too low")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("FAILED", (TrialState.FAILED, BY_DEATH)),
        ("USER_CANCELED", (TrialState.CANCELLED, BY_USER)),
    ],
)
def test_nni_says_how_the_trial_of_a_dead_runner_ended(place, tmp_path, status, expected):
    with contextlib.closing(HttpNni(tmp_path, "T", {})) as nni:
        place.ledger.set_manager("E", ProcessIdentity.current(), nni.url)
        place.trial("T")
        sweep = Sweep(place.ledger)

        assert not sweep.once()  # NNI still calls it running
        assert sweep.remaining == {"T": "NNI has not noticed its end yet"}
        nni.status = status
        assert sweep.run(ENOUGH)

    assert place.ending("T") == expected


def test_a_trial_of_which_everybody_has_gone_is_cancelled(place):
    place.ledger.set_manager("E", DEAD, "http://127.0.0.1:1")
    place.trial("T")

    assert Sweep(place.ledger).run(ENOUGH)

    assert place.ending("T") == (TrialState.CANCELLED, ALL_GONE)


def test_a_trial_whose_nni_has_gone_is_told_to_end(place, process):
    place.ledger.set_manager("E", DEAD)
    place.trial("T", ProcessIdentity.of(process.pid))
    sweep = Sweep(place.ledger)

    assert not sweep.once()
    process.wait(ENOUGH)
    assert sweep.run(ENOUGH)

    assert process.returncode == -15
    assert place.ending("T") == (TrialState.CANCELLED, BY_MANAGER)


def test_what_cannot_be_cancelled_is_noted_once_with_the_reason(place):
    place.trial("T")
    place.job("T", submit=False)
    place.ledger.accept_job("T-cmd1", "T-cmd1")  # its record was removed
    sweep = Sweep(place.ledger)

    assert not sweep.run(0.5)

    assert "there is no local job T-cmd1" in sweep.remaining["T-cmd1"]
    (job,) = place.ledger.live_jobs()
    assert job.message.startswith("it should not run (its runner has gone), but cannot be canc")
    (noted,) = place.ledger.decisions("T")
    assert (noted.actor, noted.action) == ("reaper", "cannot cancel")


def test_without_credentials_a_job_stays_open_with_the_reason(place, tmp_path, monkeypatch):
    """No use in trying again: this process will not get them."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    settings = tmp_path / "trial.ini"
    settings.write_text(
        "[odps_config]\nproject_name=p\nodps_endpoint=http://127.0.0.1:1/api\n"
        "access_id=env:NO_SUCH_KEY\naccess_key=env:NO_SUCH_KEY\n"
    )
    place.trial("T")
    who = (DEAD.host, DEAD.boot_id, DEAD.pid, DEAD.started)
    record = JobRecord("J", "T", "cmd1", "maxcompute", "", 1.0, *who, settings_file=str(settings))
    place.ledger.intend_job(record)
    sweep = Sweep(place.ledger)

    assert not sweep.run(float("inf"))

    assert "NO_SUCH_KEY" in sweep.remaining["J"]
    (job,) = place.ledger.live_jobs()
    assert "NO_SUCH_KEY" in job.message
    assert [one.action for one in place.ledger.decisions("T")] == ["cannot cancel"]
    assert not place.ledger.trial("T").state.is_final
    assert not Sweep(place.ledger).run(float("inf"))  # a second time it is no news
    assert len(place.ledger.decisions("T")) == 1


def test_what_another_host_runs_is_left_to_it(place):
    other = ProcessIdentity("elsewhere", "its-boot", 1, 1)
    place.trial("T", other)
    place.job("T", other, submit=False)
    sweep = Sweep(place.ledger)

    assert sweep.run(0.0)

    assert sweep.elsewhere() == {"elsewhere": 2}
    assert len(place.ledger.live_jobs()) == 1


def test_a_trial_that_ends_is_waited_for_when_all_is_to_end(place, process):
    place.trial("T", ProcessIdentity.of(process.pid))
    sweep = Sweep(place.ledger, experiment_id="E", is_ending=True)

    assert not sweep.once()
    assert sweep.remaining == {"T": "it is ending"}
    place.ledger.end_trial("T", TrialState.CANCELLED, "by itself")
    assert sweep.once()


def test_two_sweeps_at_once_do_not_mind_each_other(place):
    place.trial("T")
    place.job("T")
    script = (
        "import sys; from pathlib import Path; from hpo_nni.ledger import Ledger\n"
        "from hpo_nni.trial.reaping import Sweep\n"
        "assert Sweep(Ledger.open(Path(sys.argv[1]))).run(60.0)"
    )
    command = [sys.executable, "-c", script, str(place.folder)]
    both = [subprocess.Popen(command) for _ in range(2)]

    assert [one.wait(120) for one in both] == [0, 0]
    assert place.ending("T") == (TrialState.FAILED, BY_DEATH)
    eventually(lambda: not place.ledger.live_jobs())


def test_people_are_told_of_a_trial_whose_process_was_killed(place, webhook, monkeypatch):
    monkeypatch.setenv("WEBHOOK", webhook.url)
    ini = place.folder / "trial.ini"
    ini.write_text("[monitor_config]\nurl=env:WEBHOOK\n", encoding="utf-8")
    place.trial("T")
    who = (HERE, "earlier-boot", 1, 1)
    place.ledger.intend_job(
        JobRecord("T-cmd1", "T", "cmd1", "local", "", 1.0, *who, settings_file=str(ini))
    )

    assert Sweep(place.ledger).run(ENOUGH)

    eventually(lambda: webhook.requests)
    assert BY_DEATH in webhook.bodies[0]["text"]["content"]
