"""`hpo-nni jobs` and `hpo-nni reap` on jobs of this machine, without NNI."""

from __future__ import annotations

import json
import os

import pytest

from hpo_nni.cli.main import main
from hpo_nni.ledger import LEDGER_NAME
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import JobRecord, TrialState
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.local import LocalPlatform

HERE = os.uname().nodename
DEAD = ProcessIdentity(HERE, "earlier-boot", 1, 1)
ELSEWHERE = ProcessIdentity("elsewhere", "its-boot", 1, 1)


@pytest.fixture
def start(book):
    """Begin a trial whose job runs; returns the job."""
    platform, started = LocalPlatform(book.folder, grace=0.2), []

    def start(number, runner=DEAD):
        trial = book.trial(number, TrialState.RUNNING, runner=runner)
        name = f"{trial}-cmd1"
        who = (runner.host, runner.boot_id, runner.pid, runner.started)
        book.ledger.intend_job(JobRecord(name, trial, "cmd1", "local", "", 1.0, *who))
        spec = JobSpec(name, "sleep 300", book.folder, book.folder / "out")
        started.append(platform.submit(platform.plan(spec)))
        book.ledger.accept_job(name, started[-1].id)
        return started[-1]

    book.experiment()
    yield start
    for job in started:
        job.cancel()


def test_jobs_shows_what_runs_where_and_why_it_should_not(book, start, capsys):
    dead, living = start(0), start(1, ProcessIdentity.current())

    assert main(["jobs", str(book.folder)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "experiment ExpA, trial 0, cmd1"
    assert lines[1] == f"  where      local: {dead.id}"
    assert lines[2].startswith("  state      running process ")
    assert lines[4] == "  runner     process 1, gone"
    assert lines[5] == f"  SHOULD END its runner has gone: hpo-nni reap {book.folder}"
    assert lines[6:8] == ["experiment ExpA, trial 1, cmd1", f"  where      local: {living.id}"]
    assert lines[10] == f"  runner     process {os.getpid()}, alive"
    assert lines[11:] == ["2 jobs may run"]


def test_jobs_says_what_cannot_be_asked_and_why(book, capsys):
    book.experiment()
    trial = book.trial(0, TrialState.RUNNING)
    who = (ELSEWHERE.host, ELSEWHERE.boot_id, ELSEWHERE.pid, ELSEWHERE.started)
    book.ledger.intend_job(JobRecord("one", trial, "cmd1", "local", "", 1.0, *who))
    book.ledger.intend_job(JobRecord("two", trial, "cmd2", "local", "", 1.0, *who))
    book.ledger.accept_job("two", "two")

    assert main(["jobs", str(book.folder)]) == 0

    printed = capsys.readouterr().out
    assert "where      local: no id yet; its name is one" in printed
    assert "the platform shows nothing of this name" in printed
    assert "unknown: there is no local job two" in printed
    assert printed.count("runner     process 1 on elsewhere") == 2


def test_jobs_shows_those_of_every_ledger_that_can_be_read(
    book, start, tmp_path, capsys, monkeypatch
):
    start(0)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / LEDGER_NAME).write_bytes(b"no database" * 100)
    index = tmp_path / "nni-experiments" / ".experiment"
    index.parent.mkdir()
    index.write_text(
        json.dumps({str(one): {"id": "x", "logDir": str(one)} for one in (book.folder, damaged)}),
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(tmp_path))

    assert main(["jobs"]) == 1

    printed = capsys.readouterr()
    assert printed.out.endswith("1 job may run\n")
    assert str(damaged) in printed.err


def test_jobs_of_a_directory_without_any(book, capsys):
    assert main(["jobs", str(book.folder)]) == 0

    assert capsys.readouterr().out == "no jobs may run\n"


@pytest.mark.parametrize("command", ["jobs", "reap"])
def test_a_folder_without_a_ledger_is_refused(tmp_path, command, capsys):
    assert main([command, str(tmp_path)]) == 2

    assert f"there is no ledger in {tmp_path}" in capsys.readouterr().err


def test_reap_ends_what_should_not_run_and_leaves_the_rest(book, start, capsys):
    dead, living = start(0), start(1, ProcessIdentity.current())

    assert main(["reap", str(book.folder)]) == 0

    assert dead.status().state is JobState.CANCELLED
    assert living.status().state is JobState.RUNNING
    assert [one.state for one in book.ledger.trials("ExpA")] == [
        TrialState.FAILED,
        TrialState.RUNNING,
    ]
    printed = capsys.readouterr().out
    assert printed.endswith("nothing is left that should not run\n")
    assert main(["reap", str(book.folder)]) == 0
    assert capsys.readouterr().out == "nothing is left that should not run\n"


def test_reap_says_by_its_exit_code_that_something_may_still_run(book, start, capsys):
    job = start(0)
    book.ledger.accept_job(job.id, "of which nothing is known")

    assert main(["reap", str(book.folder), "--seconds=0.3"]) == 1

    assert f"error: {job.id} may still run: there is no local job" in capsys.readouterr().err


def test_reap_leaves_other_hosts_alone_unless_they_are_gone(book, start, capsys):
    job = start(0, ELSEWHERE)

    assert main(["reap", str(book.folder)]) == 0
    assert "2 open on elsewhere: `hpo-nni reap" in capsys.readouterr().out
    assert job.status().state is JobState.RUNNING

    assert main(["reap", str(book.folder), "--gone-host=elsewhere"]) == 0
    assert job.status().state is JobState.CANCELLED
