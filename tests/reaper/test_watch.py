"""The reaper as a process, and its loop with a clock of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import ExperimentRecord, JobRecord, TrialRecord, TrialState
from hpo_nni.platforms.base import JobState
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.reaper import ensure_reaper
from hpo_nni.reaper.start import log_path
from hpo_nni.reaper.watch import RETRY_SECONDS, Reaper, await_death
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.orders import BY_DEATH

DEAD = ProcessIdentity(os.uname().nodename, "earlier-boot", 1, 1)
# A trial's process that has begun its trial and submitted a job, and waits to be killed.
RUNNER = """
import sys, time
from pathlib import Path
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import JobRecord, TrialRecord
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.local import LocalPlatform
from hpo_nni.reaper import ensure_reaper
folder, me, name = Path(sys.argv[1]), ProcessIdentity.current(), sys.argv[2]
ledger = Ledger.open(folder)
ledger.begin_trial(TrialRecord(name, "E", number=0, started=1.0, runner=me))
ensure_reaper(folder)
who = (me.host, me.boot_id, me.pid, me.started)
ledger.intend_job(JobRecord(f"{name}-cmd1", name, "cmd1", "local", "", 1.0, *who))
platform = LocalPlatform(folder, grace=0.2)
job = platform.submit(platform.plan(
    JobSpec(f"{name}-cmd1", "trap '' TERM; sleep 300", folder, folder / name)))
ledger.accept_job(f"{name}-cmd1", job.id)
print("running", flush=True)
time.sleep(300)
"""


def reapers(folder):
    """The pids of the reapers of a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if os.fsencode(folder) in words and any(b"reaper/__main__" in word for word in words):
            found.append(int(entry.name))
    return found


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path) as opened:
        opened.begin_experiment(ExperimentRecord("E", 1.0, "maximize"))
        yield opened


@pytest.fixture
def start(tmp_path):
    started = []

    def start(name):
        command = [sys.executable, "-c", RUNNER, str(tmp_path), name]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()
    eventually(lambda: not reapers(tmp_path))


def test_the_job_of_a_killed_runner_ends_and_so_does_the_reaper(ledger, start, tmp_path):
    runner = start("T")
    assert runner.stdout.readline() == "running\n"
    assert len(reapers(tmp_path)) == 1

    runner.kill()

    eventually(lambda: not ledger.live_jobs() and not ledger.open_trials())
    trial = ledger.trial("T")
    assert (trial.state, trial.reason) == (TrialState.FAILED, BY_DEATH)
    job = LocalPlatform(tmp_path).attach("T-cmd1")
    assert job.status().state is JobState.CANCELLED
    eventually(lambda: not reapers(tmp_path))
    log = log_path(tmp_path).read_text()
    assert "job T-cmd1 (T-cmd1): its runner has gone" in log
    assert "nothing is left to watch" in log
    assert "Traceback" not in log


def test_of_trials_that_begin_at_once_one_starts_the_reaper(ledger, start, tmp_path):
    runners = [start(f"T{number}") for number in range(4)]
    for runner in runners:
        assert runner.stdout.readline() == "running\n"

    assert len(reapers(tmp_path)) == 1
    for runner in runners:
        runner.kill()

    eventually(lambda: not ledger.live_jobs() and not ledger.open_trials())


def test_the_reaper_is_nobodys_child_and_holds_nothing_of_its_starter(ledger, start, tmp_path):
    runner = start("T")
    runner.stdout.readline()
    (reaper,) = reapers(tmp_path)

    stat = Path(f"/proc/{reaper}/stat").read_text()
    parent, group, session = stat[stat.rindex(")") + 2 :].split()[1:4]
    assert int(parent) != runner.pid
    assert int(session) not in {os.getsid(0), os.getsid(runner.pid)}
    assert int(group) != os.getpgid(runner.pid)
    files = {os.readlink(entry) for entry in Path(f"/proc/{reaper}/fd").iterdir()}  # noqa: PTH115
    ours = {"/dev/null", str(log_path(tmp_path)), "anon_inode:[pidfd]"}
    assert {one for one in files - ours if LEDGER_NAME not in one} == set()
    environment = Path(f"/proc/{reaper}/environ").read_bytes()
    assert b"NNI_TRIAL_JOB_ID" not in environment


def test_a_runner_that_ended_its_trial_itself_leaves_nothing_to_do(ledger, tmp_path):
    me = ProcessIdentity.current()
    ledger.begin_trial(TrialRecord("T", "E", number=0, started=1.0, runner=me))
    assert ensure_reaper(tmp_path)
    assert not ensure_reaper(tmp_path)  # there is one

    ledger.end_trial("T", TrialState.SUCCEEDED, "", 0.5)

    eventually(lambda: not reapers(tmp_path))
    assert ledger.trial("T").state is TrialState.SUCCEEDED


def test_a_directory_that_goes_away_ends_its_reaper(tmp_path):
    folder = tmp_path / "short-lived"
    with Ledger.open(folder) as ledger:
        ledger.begin_experiment(ExperimentRecord("E", 1.0, "maximize"))
        me = ProcessIdentity.current()
        ledger.begin_trial(TrialRecord("T", "E", number=0, started=1.0, runner=me))
        assert ensure_reaper(folder)
    (folder / LEDGER_NAME).unlink()

    eventually(lambda: not reapers(folder))


def test_a_directory_that_cannot_be_written_costs_the_reaper_only(tmp_path, caplog):
    assert not ensure_reaper(tmp_path / "missing")

    assert "no reaper watches" in caplog.text


def test_calls_for_what_does_not_end_become_rarer_and_news_are_called_for_at_once(ledger, tmp_path):
    now, calls = [0.0], []

    def call(directory):
        calls.append(now[0])
        return False

    def wait(processes, seconds):
        now[0] += max(seconds, 0.1)
        if now[0] > 400 and len(ledger.open_trials()) == 1:
            begin("U")
        if now[0] > 900:
            for trial in ledger.open_trials():
                for job in ledger.live_jobs(trial_id=trial.id):
                    ledger.end_job(job.name, "cancelled")
                ledger.end_trial(trial.id, TrialState.CANCELLED, "")

    def begin(name):
        ledger.begin_trial(TrialRecord(name, "E", number=0, started=1.0, runner=DEAD))
        who = (DEAD.host, DEAD.boot_id, DEAD.pid, DEAD.started)
        ledger.intend_job(JobRecord(f"{name}-cmd1", name, "cmd1", "local", "", 1.0, *who))

    begin("T")
    Reaper(tmp_path, call=call, wait=wait, clock=lambda: now[0]).run()

    before = [time for time in calls if time <= 400]
    pauses = [after - time for time, after in itertools.pairwise(before)]
    assert pauses[:5] == pytest.approx(RETRY_SECONDS[:5], abs=0.2)
    assert any(400 < time < 410 for time in calls)
    assert len(calls) < 20


def test_a_pause_ends_with_the_death_of_a_process():
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1)
    identity = ProcessIdentity.of(process.pid)
    process.stdin.close()

    begin = time.monotonic()
    await_death([identity], 300.0)

    assert time.monotonic() - begin < 250
    process.wait()
