"""The parent of one local job: it outlives the trial, writes down the exit, and leaves nothing.

Run as a script, by a bare interpreter (`python -I -S supervisor.py ...`) that costs some 10 ms and
9 MB, so it imports nothing of ours and little else. The platform imports the same functions to end
jobs whose supervisor is gone. Facts about processes are from proc(5).

A job's processes are those in the supervisor's session, and those that left it but still carry the
job's marker in their environment. The command has a process group of its own, so that a script's
`kill 0` does not reach the supervisor.

A job ends once. Its outcome is the target of a symbolic link, which is made whole or not at all, by
the first who comes, even on a full disk: `exit CODE`, where CODE is negative for a signal, or
`cancelled WHY`. `exit CODE oom`: it was killed while the kernel killed for want of memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False  # `typing` would cost a third of the start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHELL = "/bin/bash"
GO = b"!"
POLL = 0.05
DRAIN = 1.0  # for what a finished command left behind, to end by itself: `cmd > >(tee log)`
DEATH = 1.0  # from KILL to a verdict: a process in an uninterruptible call takes its time
OOM = "oom"
CGROUPS = "/sys/fs/cgroup"
KINDLY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Phase = tuple[int, float]  # a signal, or 0, and how long its effect is waited for


class Stat:
    """What `/proc/[pid]/stat` says of a process that has not ended."""

    __slots__ = ("session", "started")

    def __init__(self, session: int, started: int) -> None:
        self.session = session
        self.started = started


def read_stat(pid: int) -> Stat | None:
    """Look at a process; None if there is none, or one that has ended and was not waited for."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib costs 10 ms
            text = file.read()
    except OSError:
        return None
    # The second field is a name in brackets that may hold anything, brackets included.
    fields = text[text.rindex(b")") + 2 :].split()
    return None if fields[0] in b"ZX" else Stat(int(fields[3]), int(fields[19]))


def is_alive(pid: int, started: int) -> bool:
    """Whether this process, and not a later one with its number, still runs."""
    stat = read_stat(pid)
    return stat is not None and stat.started == started


def members(session: int, started: int, token: str) -> list[int]:
    """The processes of a job, without its supervisor.

    Args:
        session: the supervisor's pid; it leads the job's session.
        started: the supervisor's start time.
        token: the job's.
    """
    leader = read_stat(session)
    # While a session has members, the kernel does not reuse its number.
    is_ours = leader is None or leader.started == started
    needle = f"\0{marker(token)}=".encode()
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208  # as above
        stat = read_stat(pid)
        if stat is None or pid == session:
            continue
        if (is_ours and stat.session == session) or needle in b"\0" + _environment(pid):
            found.append(pid)
    return found


def end_processes(
    find: Callable[[], list[int]],
    phases: Sequence[Phase],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[int]:
    """Send each phase's signal to all that `find` finds until it finds none; return the rest."""
    left = find()
    for number, patience in phases:
        if left and number:
            send(left, number)
        deadline = clock() + patience
        while left and clock() < deadline:
            sleep(POLL)
            left = find()
            if number == signal.SIGKILL:
                send(left, number)  # to those that were born while the others died
    return left


def send(pids: Sequence[int], number: int) -> None:
    """Send a signal, and wake those that were stopped; silent for processes that are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)


def settle(outcome: str, words: str) -> None:
    """Write down how the job ended, unless somebody has."""
    with contextlib.suppress(FileExistsError):
        os.symlink(words, outcome)  # noqa: PTH211  # as above


def marker(token: str) -> str:
    """The name of the environment variable that all processes of a job inherit."""
    return f"HPO_NNI_JOB_{token}"


def oom_kills(own: str = "/proc/self/cgroup", mounted: str = CGROUPS) -> int:
    """How often the kernel has killed in this process's control group for want of memory.

    cgroups(7): version 2 counts in `memory.events`, version 1 in `memory.oom_control`. Inside a
    container the group's path may not be visible; then its root is the container's.
    """
    places = []
    for line in _read_lines(own):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            places += [f"{path}/memory.events", "/memory.events"]
        elif "memory" in controllers.split(","):
            places += [f"/memory{path}/memory.oom_control", "/memory/memory.oom_control"]
    for place in places:
        counts = [line.split() for line in _read_lines(mounted + place)]
        found = [int(count[1]) for count in counts if count[:1] == ["oom_kill"]]
        if found:
            return found[0]
    return 0


def main(outcome: str, token: str, grace: float, command: str) -> None:
    """Run a job to its end, once the word to go has come.

    The word comes when the job's record is on the disk. If the submitter dies before, its end of
    the pipe closes, and the job never starts.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, *KINDLY))
    if os.read(0, 1) != GO:
        settle(outcome, "cancelled before it started, by the death of its submitter")
        return
    kills = oom_kills()
    child = _start(token, command)
    words = _wait(child)
    if words in {"exit -9", "exit 137"} and oom_kills() > kills:
        words = f"{words} {OOM}"
    settle(outcome, words)
    me = read_stat(os.getpid())
    assert me is not None
    end_processes(
        lambda: members(os.getpid(), me.started, token),
        [
            (0, DRAIN if words.startswith("exit") else 0.0),
            (signal.SIGTERM, grace),
            (signal.SIGKILL, DEATH),
        ],
    )


def _start(token: str, command: str) -> int:
    return os.posix_spawn(
        SHELL,
        ["bash", "-c", command],
        {**os.environ, marker(token): "1"},
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)],
        setpgroup=0,
        setsigmask=(),
        # Python ignores some signals, and a background shell others; the job shall not inherit it.
        setsigdef=(*KINDLY, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ),
    )


def _wait(child: int) -> str:
    """Wait for the end of the command or the order to end it; return the outcome."""
    while True:
        got = signal.sigwaitinfo((signal.SIGCHLD, *KINDLY))
        if got.si_signo != signal.SIGCHLD:
            return _order(got)
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
    code = os.waitstatus_to_exitcode(status)
    if abs(code) % 128 in KINDLY:
        # A signal to the whole tree, as NNI 2.10.1 sends it, reaches its members one by one.
        late = signal.sigtimedwait(KINDLY, 0.2)
        if late is not None:
            return _order(late)
    return f"exit {code}"


def _order(got: signal.struct_siginfo) -> str:
    return f"cancelled by {signal.Signals(got.si_signo).name} from process {got.si_pid}"


def _read_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # as above
            return file.read().splitlines()
    except OSError:
        return []


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  # as above
            return file.read()
    except OSError:  # gone, or somebody else's
        return b""


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5])
