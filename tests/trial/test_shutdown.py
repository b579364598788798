from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hpo_nni.testing.processes import eventually
from hpo_nni.trial.shutdown import SIGNALS, Shutdown


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def shutdown():
    shutdown = Shutdown(watch_parent=False)
    shutdown.install()
    return shutdown


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_with_its_name(shutdown, number):
    assert not shutdown.requested

    os.kill(os.getpid(), number)

    assert shutdown.requested
    assert shutdown.cause == f"signal {number.name}"


def test_the_first_of_many_signals_is_the_cause(shutdown):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(70_000):  # more than a pipe holds
        shutdown._note(signal.SIGTERM, None)

    assert shutdown.cause == "signal SIGINT"
    assert shutdown.wait(300)


def test_a_signal_ends_the_wait(shutdown):
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    begun = time.monotonic()

    assert shutdown.wait(300)
    assert time.monotonic() - begun < 60


def test_without_a_signal_the_wait_takes_its_time(shutdown):
    assert not shutdown.wait(0.01)


def test_under_nohup_a_hang_up_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    shutdown = Shutdown(watch_parent=False)
    shutdown.install()

    os.kill(os.getpid(), signal.SIGHUP)

    assert not shutdown.requested


CHILD = """
import sys
from hpo_nni.trial.shutdown import Shutdown
shutdown = Shutdown(watch_parent=True)
shutdown.install()
print("ready", flush=True)
while not shutdown.wait(0.02):
    pass
print(shutdown.cause, flush=True)
shutdown.resign()
"""


def test_the_end_of_the_parent_is_a_request():
    parent = subprocess.Popen(
        ["sh", "-c", f"'{sys.executable}' -c '{CHILD}'; true"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "ready\n"

    parent.kill()
    parent.wait()

    assert parent.stdout.read() == "the process that started the trial has gone\n"
    parent.stdout.close()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_that_resigns_ends_by_its_signal(number):
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"

    child.send_signal(number)

    eventually(lambda: child.poll() is not None)
    assert child.returncode == -number
    assert child.stdout.read() == f"signal {number.name}\n"
    child.stdout.close()
