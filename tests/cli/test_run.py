"""What `hpo-nni run` does without NNI; the rest is in tests/process, under the real one."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.run import _cancel_jobs, _interruptions, direction_of
from hpo_nni.direction import Direction
from hpo_nni.ledger.records import JobRecord, TrialState
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.local import LocalPlatform


def test_faulty_files_are_refused_before_nni_is_touched(files, capsys):
    (files / "base.config").unlink()

    assert main(["run", "config.yml"]) == 2

    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert "there is no file base.config" in printed.err
    assert printed.out == ""
    assert not (files / "expdir").exists()


def test_a_taken_port_is_refused(files, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        assert main(["run", "config.yml", f"--port={port}"]) == 1

    assert f"error: port {port} is taken" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruptions_of_any_number_are_one_request_and_end_with_the_experiment(number):
    before = signal.getsignal(number)
    with _interruptions() as interrupted:
        assert not interrupted.requested
        for _ in range(3):
            os.kill(os.getpid(), number)
        assert interrupted.requested

    assert signal.getsignal(number) is before


def test_the_direction_is_the_experiments(book):
    assert direction_of(book.ledger, "ExpA") is Direction.MAXIMIZE
    book.experiment(direction="minimize")
    assert direction_of(book.ledger, "ExpA") is Direction.MINIMIZE


def test_what_the_ledger_calls_alive_is_cancelled(book, capsys):
    """A running job, one that was never submitted, and one on another host."""
    book.experiment()
    trial = book.trial(0, TrialState.RUNNING)
    platform = LocalPlatform(book.folder, grace=0.2)
    spec = JobSpec("running", "sleep 300", book.folder, book.folder / "out")
    job = platform.submit(platform.plan(spec))
    for name in "running", "intended":
        book.ledger.intend_job(
            JobRecord(name, trial, "cmd1", "local", "", time.time(), "host", "boot", 1, 1)
        )
    book.ledger.accept_job("running", job.id)

    _cancel_jobs(book.ledger, "ExpA")

    assert not book.ledger.live_jobs("ExpA")
    states = {record.name: (record.state, record.message) for record in book.ledger.jobs(trial)}
    assert states["intended"] == ("cancelled", "it was never submitted")
    assert states["running"][0] == "cancelled"
    assert job.status().state.value == "cancelled"


def test_a_job_that_cannot_be_cancelled_is_told_of(book, capsys):
    book.experiment()
    trial = book.trial(0, TrialState.RUNNING)
    book.ledger.intend_job(
        JobRecord("lost", trial, "cmd1", "local", "", time.time(), "host", "boot", 1, 1)
    )
    book.ledger.accept_job("lost", "lost")  # its record was removed

    _cancel_jobs(book.ledger, "ExpA")

    assert "cannot cancel job lost yet: there is no local job lost" in capsys.readouterr().err
