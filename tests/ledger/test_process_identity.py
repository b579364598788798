from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from hpo_nni.ledger.process_identity import ProcessIdentity

IDENTIFY = (
    "import sys; from hpo_nni.ledger.process_identity import ProcessIdentity as P; "
    "me = P.current(); print(me.pid, me.started, flush=True); sys.stdin.read()"
)


@pytest.fixture
def other():
    """Another living process, which ends when its standard input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", IDENTIFY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def identity_of(process):
    pid, started = map(int, process.stdout.readline().split())
    return replace(ProcessIdentity.current(), pid=pid, started=started)


def test_this_process_is_here_and_alive():
    me = ProcessIdentity.current()

    assert me == ProcessIdentity.current()
    assert me.is_here
    assert me.is_alive()


def test_process_is_dead_once_it_has_ended_even_before_it_was_waited_for(other):
    identity = identity_of(other)
    assert identity.is_alive()

    other.stdin.close()
    assert other.stdout.read() == ""  # end of file: the process is at its end

    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # which leaves it as a zombie
    assert not identity.is_alive()


@pytest.mark.parametrize("change", [{"started": 1}, {"boot_id": "before"}, {"pid": 2**22 + 1}])
def test_later_process_with_the_same_number_is_another(change):
    assert not replace(ProcessIdentity.current(), **change).is_alive()


def test_process_of_another_host_is_not_judged():
    elsewhere = replace(ProcessIdentity.current(), host="elsewhere")

    assert not elsewhere.is_here
    with pytest.raises(ValueError, match="elsewhere"):
        elsewhere.is_alive()
