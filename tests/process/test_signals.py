"""Trials that are told to end, in real processes: who survives, and what the ledger says."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
import uuid
from pathlib import Path

import psutil
import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import DecisionRecord, ExperimentRecord, TrialState
from hpo_nni.testing.nni import EXPERIMENT, FileNni, HttpNni
from hpo_nni.testing.processes import eventually, processes_with
from hpo_nni.trial.orders import BY_ASSESSOR, BY_LIMIT, BY_NNIS_END, BY_USER

# It, a child and a grandchild in a session of its own take no notice of polite signals.
JOB = """
import json, signal, subprocess, sys, time
DEAF = '''
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
'''
with open(sys.argv[2], "a") as file:
    file.write(json.dumps({"step": 1, "accuracy": 0.5, "loss": 0.25}) + "\\n")
subprocess.Popen([sys.executable, "-c", DEAF])
subprocess.Popen(["setsid", sys.executable, "-c", DEAF])
exec(DEAF)
"""
QUICK = 'import sys; open(sys.argv[2], \'a\').write(\'{"step": 1, "accuracy": 0.5, "loss": 0}\\n\')'
SOON = 20  # seconds that everything here may take on a loaded machine


class Trial:
    """A trial's process under one of the two lines of NNI."""

    def __init__(self, folder, nni):
        self.folder = folder
        self.nni = nni
        self.process = None

    @property
    def command(self):
        return [sys.executable, "-m", "hpo_nni.trial", "--config=trial.ini"]

    def start(self, command=None):
        self.process = subprocess.Popen(
            command or self.command,
            cwd=self.folder.path,
            env=self.folder.environment | self.nni.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self

    def await_job(self):
        """Wait until the job and what it started take no notice of signals."""
        log = self.nni.directory / "cmd1.stdout"
        eventually(lambda: log.is_file() and log.read_text().count("deaf") == 3, seconds=SOON)
        eventually(lambda: self.nni.metrics, seconds=SOON)
        return self

    def end(self):
        """The exit code and what was printed."""
        output, _ = self.process.communicate(timeout=SOON)
        return self.process.returncode, output

    def survivors(self):
        return processes_with(self.nni.trial_id)

    @contextlib.contextmanager
    def ledger(self):
        with Ledger.open(self.nni.folder) as ledger:
            yield ledger

    def entry(self):
        with self.ledger() as ledger:
            return ledger.trial(self.nni.trial_id)

    def jobs(self):
        with self.ledger() as ledger:
            return [(job.state, job.message) for job in ledger.jobs(self.nni.trial_id)]


@pytest.fixture
def make(experiment, tmp_path):
    """Make a trial: `make(HttpNni, job=QUICK)`; what is left of it is ended after the test."""
    made = []

    def make(kind, job=JOB):
        folder = experiment(name=f"exp{len(made)}")
        (folder.path / "job.py").write_text(job, encoding="utf-8")
        ini = folder.path / "trial.ini"
        ini.write_text(ini.read_text().replace("name = local", "name = local\ngrace_seconds = 0.5"))
        working_directory = tmp_path / f"expdir{len(made)}"
        made.append(
            Trial(folder, kind(working_directory, f"t{uuid.uuid4().hex}", {"model.quality": 0.5}))
        )
        return made[-1]

    yield make
    for trial in made:
        trial.nni.close()
        for line in trial.survivors():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split(":")[0]), signal.SIGKILL)
        if trial.process is not None:
            trial.process.wait()
            trial.process.stdout.close()


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_job_with_all_its_processes_and_then_the_trial(make, kind, number):
    trial = make(kind).start().await_job()

    trial.process.send_signal(number)
    code, output = trial.end()

    assert code == -number, output
    assert not trial.survivors()
    ((state, message),) = trial.jobs()
    assert state == "cancelled"
    assert f"process {trial.process.pid}" in message
    entry = trial.entry()
    assert (entry.state, entry.score) == (TrialState.CANCELLED, None)
    expected = number.name if kind is FileNni else BY_USER
    assert expected in entry.reason
    assert not trial.nni.finals()


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_more_signals_while_it_cleans_up_change_nothing(make, kind):
    trial = make(kind).start().await_job()

    def keep_interrupting():
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(trial.process.pid, number)
        return trial.process.poll() is not None

    eventually(keep_interrupting, seconds=SOON)
    code, output = trial.end()

    assert code in {-signal.SIGTERM, -signal.SIGINT}, output
    assert "Traceback" not in output
    assert not trial.survivors()
    assert [state for state, _ in trial.jobs()] == ["cancelled"]
    assert trial.entry().state is TrialState.CANCELLED


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_a_signal_to_the_whole_tree_is_no_failure_of_the_job(make, kind):
    """NNI 2.10.1 sends TERM to the trial, its job and the job's children, in any order."""
    sleeps = "import time, sys; open(sys.argv[2], 'a').write('{}\\n'); time.sleep(300)"
    trial = make(kind, job=sleeps).start()
    eventually((trial.nni.directory / "metrics.jsonl").is_file, seconds=SOON)

    tree = psutil.Process(trial.process.pid).children(recursive=True)
    for process in reversed(tree):
        process.send_signal(signal.SIGTERM)
    trial.process.send_signal(signal.SIGTERM)
    code, output = trial.end()

    assert code == -signal.SIGTERM, output
    assert [state for state, _ in trial.jobs()] == ["cancelled"]
    assert trial.entry().state is TrialState.CANCELLED
    assert not trial.survivors()


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_the_end_of_the_shell_that_nni_started_ends_the_trial(make, kind):
    """NNI 3.0 signals the shell of a compound command only, and nobody tells the trial."""
    trial = make(kind)
    line = f"'{sys.executable}' -m hpo_nni.trial --config=trial.ini; true"
    trial.start(["sh", "-c", line]).await_job()

    trial.process.kill()

    entry = eventually(lambda: (found := trial.entry()).state.is_final and found, seconds=SOON)
    eventually(lambda: not trial.survivors(), seconds=SOON)
    assert entry.state is TrialState.CANCELLED
    if kind is FileNni:
        assert "the process that started the trial has gone" in entry.reason
    assert [state for state, _ in trial.jobs()] == ["cancelled"]


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_a_signal_before_the_submission_starts_no_job(make, kind):
    """The trial is held while it reads its ini, which is a pipe here."""
    trial = make(kind, job=QUICK)
    ini = trial.folder.path / "trial.ini"
    text = ini.read_text()
    ini.unlink()
    os.mkfifo(ini)
    trial.start()

    writer = eventually(lambda: open_for_writing(ini), seconds=SOON)  # there is a reader now
    trial.process.send_signal(signal.SIGTERM)
    await_no_pending_signal(trial.process.pid)
    with os.fdopen(writer, "w") as pipe:
        pipe.write(text)
    code, output = trial.end()

    assert code == -signal.SIGTERM, output
    assert trial.entry().state is TrialState.CANCELLED
    assert trial.jobs() == []
    assert not trial.survivors()


def open_for_writing(fifo):
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def await_no_pending_signal(pid):
    def pending():
        status = Path(f"/proc/{pid}/status").read_text()
        return [line for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]

    eventually(lambda: all(int(line.split()[1], 16) == 0 for line in pending()), seconds=SOON)


def test_a_signal_while_nni_3_has_no_parameters_yet_just_ends_the_process(make):
    trial = make(HttpNni)
    trial.nni.is_prepared = False
    trial.start()
    eventually(lambda: trial.nni.requests, seconds=SOON)

    trial.process.terminate()
    code, output = trial.end()

    assert code == -signal.SIGTERM, output
    assert not (trial.nni.folder / "hpo_nni.sqlite").exists()


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_the_verdict_of_the_assessor_is_how_the_trial_ended(make, kind):
    trial = make(kind).start().await_job()
    with trial.ledger() as ledger:
        ledger.add_decision(
            DecisionRecord(trial.nni.trial_id, "assessor", "stop", "below the median", time.time())
        )

    trial.process.send_signal(signal.SIGINT)
    code, output = trial.end()

    assert code == -signal.SIGINT, output
    entry = trial.entry()
    assert (entry.state, entry.reason) == (TrialState.STOPPED, "below the median")
    assert [state for state, _ in trial.jobs()] == ["cancelled"]


@pytest.mark.parametrize(
    "case",
    [
        ("USER_CANCELED", "RUNNING", {}, BY_USER),
        ("EARLY_STOPPED", "RUNNING", {"maxTrialDuration": "1s"}, BY_LIMIT),
        ("EARLY_STOPPED", "RUNNING", {}, BY_ASSESSOR),
        ("RUNNING", "RUNNING", {"maxTrialDuration": "1s"}, BY_LIMIT),
        ("RUNNING", "STOPPING", {}, "the experiment was stopped (signal SIGTERM)"),
    ],
)
@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_nni_is_asked_who_ended_the_trial(make, tmp_path, kind, case):
    """The manager of 2.10.1 is known from the ledger, where the dispatcher has written it."""
    status, experiment, limits, reason = case
    trial = make(kind)
    is_file = kind is FileNni
    manager = HttpNni(tmp_path / "manager", trial.nni.trial_id, {}) if is_file else trial.nni
    with contextlib.closing(manager), trial.ledger() as ledger:
        ledger.begin_experiment(
            ExperimentRecord(EXPERIMENT, time.time(), "maximize", rest_url=manager.url)
        )
        trial.start().await_job()
        manager.status, manager.experiment_status = status, experiment
        manager.limits |= limits

        trial.process.terminate()
        code, output = trial.end()

    assert code == -signal.SIGTERM, output
    state = TrialState.STOPPED if reason == BY_ASSESSOR else TrialState.CANCELLED
    assert (trial.entry().state, trial.entry().reason) == (state, reason)


@pytest.mark.parametrize("kind", [FileNni, HttpNni])
def test_a_report_that_nni_does_not_take_ends_the_job_and_the_trial(make, kind):
    trial = make(kind)
    trial.nni.refuse_metrics()

    code, output = trial.start().end()

    assert code == 1, output
    entry = trial.entry()
    assert entry.state is TrialState.FAILED
    assert entry.reason in output
    expected = "cannot report to NNI through" if kind is FileNni else "refused a metric"
    assert expected in entry.reason
    assert [state for state, _ in trial.jobs()] == ["cancelled"]
    assert not trial.survivors()


def test_a_manager_that_is_gone_ends_the_job_and_the_trial(make):
    trial = make(HttpNni).start().await_job()

    trial.nni.close()
    append_metric(trial)
    code, output = trial.end()

    assert code == 1, output
    entry = trial.entry()
    assert entry.state is TrialState.CANCELLED
    assert entry.reason.startswith(BY_NNIS_END)
    assert "NNI's manager does not answer" in entry.reason
    assert [state for state, _ in trial.jobs()] == ["cancelled"]
    assert not trial.survivors()


def append_metric(trial):
    with (trial.nni.directory / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "accuracy": 0.6, "loss": 0.2}\n')


def test_a_manager_that_closes_before_it_kills_has_ended_the_trial(make):
    """`nnictl stop` closes REST first; a report then fails, and the signal comes afterwards."""
    trial = make(HttpNni).start().await_job()

    trial.nni.close()
    append_metric(trial)
    eventually(lambda: [state for state, _ in trial.jobs()] == ["cancelled"], seconds=SOON)
    trial.process.send_signal(signal.SIGINT)
    code, output = trial.end()

    assert code == -signal.SIGINT, output
    entry = trial.entry()
    assert entry.state is TrialState.CANCELLED
    assert entry.reason == "the experiment was stopped (signal SIGINT)"


def test_the_result_is_in_the_ledger_before_nni_hears_of_it(make):
    trial = make(HttpNni, job=QUICK)
    known = []
    trial.nni.on_metric = lambda metric: known.append((metric["type"], trial.entry()))

    code, output = trial.start().end()

    assert code == 0, output
    assert [kind for kind, _ in known] == ["PERIODICAL", "FINAL"]
    entry = known[-1][1]
    assert (entry.state, entry.score) == (TrialState.SUCCEEDED, 0.5)
    assert trial.nni.finals() == [{"default": 0.5, "accuracy": 0.5, "loss": 0.0}]


def test_a_final_result_that_nni_does_not_take_is_kept(make):
    trial = make(HttpNni, job=QUICK)

    def refuse(metric):
        if metric["type"] == "PERIODICAL":
            trial.nni.refuse_metrics()

    trial.nni.on_metric = refuse
    code, output = trial.start().end()

    assert code == 1, output
    assert "NNI refused a metric" in output
    entry = trial.entry()
    assert (entry.state, entry.score) == (TrialState.SUCCEEDED, 0.5)


@pytest.mark.nni
def test_the_end_of_the_terminal_ends_the_experiment_and_its_jobs(experiment):
    """`hpo-nni run` in a window that is closed; what it prints then goes nowhere."""
    slow = {"_type": "choice", "_value": [30]}
    folder = experiment(space={"train.seconds": slow, "model.stubborn": slow})
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hpo_nni.cli", "run", "config.yml"],
        cwd=folder.path,
        env=folder.environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )
    os.close(slave)
    ledger = folder.working_directory / "hpo_nni.sqlite"
    eventually(ledger.is_file)
    with Ledger.open(folder.working_directory) as ledger:
        eventually(lambda: [job for job in ledger.live_jobs() if job.job_id])
        (record,) = ledger.experiments()

        os.close(master)
        process.wait(90)

        assert not ledger.live_jobs()
        trials = ledger.trials(record.id)
        assert {trial.state for trial in trials} == {TrialState.CANCELLED}
        assert {trial.reason for trial in trials} == {"hpo-nni run was interrupted"}
    assert not processes_with(record.id)
