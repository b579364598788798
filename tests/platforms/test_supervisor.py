from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpo_nni.platforms import supervisor


def test_those_that_do_not_die_are_returned_in_finite_time():
    now, beyond_all = [0.0], 2**22 + 1

    def sleep(seconds):
        now[0] += seconds

    left = supervisor.end_processes(
        lambda: [beyond_all],
        [(0, 1.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0)],
        clock=lambda: now[0],
        sleep=sleep,
    )

    assert left == [beyond_all]
    assert now[0] == pytest.approx(5.0, abs=0.3)


def test_none_left_takes_no_time():
    assert supervisor.end_processes(list, [(signal.SIGTERM, 3.0)], sleep=pytest.fail) == []


def test_outcome_is_written_once(tmp_path):
    path = tmp_path / "outcome"

    supervisor.settle(str(path), "exit 3")
    supervisor.settle(str(path), "cancelled later")

    assert str(path.readlink()) == "exit 3"


def test_own_stat_is_read():
    stat = supervisor.read_stat(os.getpid())

    assert stat.session == os.getsid(0)
    assert supervisor.is_alive(os.getpid(), stat.started)
    assert not supervisor.is_alive(os.getpid(), stat.started + 1)


def test_stat_of_a_process_with_a_wild_name_is_read(tmp_path):
    """A name may hold brackets and spaces; proc(5) does not escape them."""
    wild = tmp_path / "a) Z 1 (b"
    wild.symlink_to("/bin/sleep")
    process = subprocess.Popen([wild, "300"])
    try:
        assert supervisor.read_stat(process.pid).session == os.getsid(0)
    finally:
        process.kill()
        process.wait()


def test_ended_process_that_was_not_waited_for_counts_as_gone():
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert supervisor.read_stat(process.pid) is None
    process.wait()


def test_supervisor_loads_little():
    script = "import sys; sys.path.append(sys.argv[1]); import supervisor; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, Path(supervisor.__file__).parent],
        capture_output=True,
        text=True,
        check=True,
    )

    assert not {"typing", "re", "json", "subprocess", "pathlib"} & {*done.stdout.split()}


GROUPS = {
    "version 2": ("0::/job", "job/memory.events", "low 0\noom 3\noom_kill 2\n", 2),
    "version 2 in a container": ("0::/../x", "memory.events", "oom_kill 4\n", 4),
    "version 1": ("9:cpu:/\n4:memory:/a", "memory/a/memory.oom_control", "oom_kill 1\n", 1),
    "version 1 in a container": ("4:memory:/a", "memory/memory.oom_control", "oom_kill 5\n", 5),
    "a kernel that does not count": ("4:memory:/", "memory/memory.oom_control", "under_oom 0", 0),
    "no groups": ("", "memory.events", "oom_kill 1\n", 0),
}


@pytest.mark.parametrize("own, name, content, expected", GROUPS.values(), ids=GROUPS)
def test_the_kernels_kills_for_memory_are_counted(tmp_path, own, name, content, expected):
    group = tmp_path / "fs" / name
    group.parent.mkdir(parents=True)
    group.write_text(content)
    (tmp_path / "own").write_text(own)

    assert supervisor.oom_kills(str(tmp_path / "own"), str(tmp_path / "fs")) == expected
