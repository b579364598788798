"""What `hpo-nni run` does without NNI; the rest is in tests/process, under the real one."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.run import _interruptions, direction_of
from hpo_nni.direction import Direction


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
