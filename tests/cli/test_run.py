"""What `hpo-nni run` does without NNI; the rest is in tests/process, under the real one."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from hpo_nni.cli.main import main
from hpo_nni.cli.run import (
    BUDGET_SECONDS,
    IDLE_SECONDS,
    _patience,
    direction_of,
    interruptions,
)
from hpo_nni.direction import Direction
from hpo_nni.trial.budget import AWAITED, FACTS, STOPPED, STOPPED_AT


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
def testinterruptions_of_any_number_are_one_request_and_end_with_the_experiment(number):
    at_first = signal.signal(number, _unexpected)  # under nohup, a hang-up would stay ignored
    try:
        with interruptions() as interrupted:
            assert not interrupted.requested
            for _ in range(3):
                os.kill(os.getpid(), number)
            assert interrupted.requested

        assert signal.getsignal(number) is _unexpected
    finally:
        signal.signal(number, at_first)


def _unexpected(number, _):
    raise AssertionError(f"signal {number} came when nobody had sent one")


def test_the_direction_is_the_experiments(book):
    assert direction_of(book.ledger, "ExpA") is Direction.MAXIMIZE
    book.experiment(direction="minimize")
    assert direction_of(book.ledger, "ExpA") is Direction.MINIMIZE


def noted(book, *, stopped_at, awaited=0, reason="the budget has no room"):
    facts = {"currency": "", "budget": 5.0, "trial_cost": 0.0}
    changes = {FACTS: facts, STOPPED: reason, STOPPED_AT: stopped_at, AWAITED: awaited}
    book.ledger.note_settings("ExpA", changes)


def test_a_tuner_that_the_budget_stopped_is_waited_for_unless_it_has_said_its_last_word(book):
    """Only a refusal after the last trial's end, with nothing on its way, is the last word."""
    book.experiment()
    assert _patience(book.ledger, "ExpA") == IDLE_SECONDS
    book.trial(0, score=0.5)
    ended = book.ledger.trial("ExpA-Tr0").ended

    found = []
    for changes in (
        {"stopped_at": ended + 1},
        {"stopped_at": ended - 1},
        {"stopped_at": ended + 1, "awaited": 1},
        {"stopped_at": ended + 1, "reason": ""},
    ):
        noted(book, **changes)
        found.append(_patience(book.ledger, "ExpA"))
    assert found == [IDLE_SECONDS, BUDGET_SECONDS, BUDGET_SECONDS, BUDGET_SECONDS]
