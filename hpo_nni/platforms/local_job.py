"""A job on this machine, as any process on it sees it: its record, its state, its end."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

from hpo_nni.errors import PlatformError
from hpo_nni.platforms import supervisor
from hpo_nni.platforms.base import JobState, JobStatus
from hpo_nni.platforms.tail import tail

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SLACK = 2.0  # beyond the grace, for the supervisor to do what it was told


@dataclass(frozen=True)
class LocalRecord:
    """What another process needs to know of a job; kept as JSON beside its outcome.

    Attributes:
        host, boot_id, pid, started: the supervisor, as in the ledger's ProcessIdentity.
        token: random; marks the job's processes (see `supervisor.marker`) and its outcome.
        grace: seconds from TERM to KILL.
    """

    name: str
    host: str
    boot_id: str
    pid: int
    started: int
    token: str
    grace: float
    stdout: str
    stderr: str

    @classmethod
    def of(cls, pid: int, **rest: str | float) -> LocalRecord:
        """Describe the job of a supervisor that this process has just started."""
        stat = supervisor.read_stat(pid)
        if stat is None:
            raise PlatformError(f"the supervisor of job {rest['name']} ended before it began")
        machine = {"host": os.uname().nodename, "boot_id": _boot_id()}
        return cls(pid=pid, started=stat.started, **machine, **rest)  # type: ignore[arg-type]

    def claim(self, path: Path) -> None:
        """Write the record where there is none; raises FileExistsError where there is."""
        draft = path.with_name(f"{path.name}.{self.pid}")
        try:
            draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
            path.hardlink_to(draft)  # whole, or not at all, and the first only
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> LocalRecord | None:
        """Read a record; None if there is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


class LocalJob:
    """A job of LocalPlatform, in the process that submitted it or any other on the host.

    Args:
        record: what it was submitted as.
        outcome: the symbolic link that says how it ended.
        clock: seconds that only grow.
        sleep: waits that many seconds.
        child: the supervisor, where it is a child of this process.
    """

    def __init__(
        self,
        record: LocalRecord,
        outcome: Path,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        child: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._record = record
        self._outcome = outcome
        self._clock = clock
        self._sleep = sleep
        self._child = child

    @property
    def id(self) -> str:
        """Its name."""
        return self._record.name

    def status(self) -> JobStatus:
        """Say how it stands: final once none of its processes is left.

        Raises:
            PlatformError: it belongs to another host.
        """
        if self._is_supervised():
            return JobStatus(JobState.RUNNING, f"process {self._record.pid}")
        left = self._members()
        if left:
            listed = ", ".join(map(str, left))
            return JobStatus(JobState.RUNNING, f"its supervisor is gone; processes {listed}")
        return self._ending()

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines, those of standard error at the end."""
        files = (Path(self._record.stdout), Path(self._record.stderr))
        rows = [row for file in files for row in tail(file, lines)]
        return "\n".join(rows[-lines:]) if lines > 0 else ""

    def cancel(self) -> None:
        """End it and all its processes: TERM, then KILL after the grace period.

        Returns when they are gone, which takes up to the grace period. Should the caller die while
        it waits, the supervisor goes on; should the supervisor be gone, the caller does its work.

        Raises:
            PlatformError: it belongs to another host, or processes of it do not die.
        """
        if not self._is_supervised() and not self._members():
            return
        supervisor.settle(str(self._outcome), f"cancelled by process {os.getpid()}")
        if self._is_supervised():
            supervisor.send([self._record.pid], SIGTERM)
            self._await_supervisor()
        phases = [(int(SIGTERM), self._record.grace), (int(SIGKILL), supervisor.DEATH)]
        if self._is_supervised():  # it was told in vain, and the grace is over
            supervisor.send([self._record.pid], SIGKILL)
            phases = phases[1:]
        left = supervisor.end_processes(self._members, phases, clock=self._clock, sleep=self._sleep)
        if left:
            raise PlatformError(
                f"job {self.id} does not die: processes {', '.join(map(str, left))}",
                hint="they hang in the kernel (a disk, a GPU, a network file system?) or belong "
                "to another user; cancel it again later",
            )

    def _await_supervisor(self) -> None:
        deadline = self._clock() + self._record.grace + SLACK
        while self._is_supervised() and self._clock() < deadline:
            self._sleep(supervisor.POLL)

    def _is_supervised(self) -> bool:
        record = self._record
        if record.host != os.uname().nodename:
            raise PlatformError(
                f"job {self.id} runs on {record.host}", hint="ask or cancel it there"
            )
        if self._child is not None:
            self._child.poll()  # or it would stay as a zombie of this process
        return record.boot_id == _boot_id() and supervisor.is_alive(record.pid, record.started)

    def _members(self) -> list[int]:
        record = self._record
        if record.boot_id != _boot_id():
            return []
        return supervisor.members(record.pid, record.started, record.token)

    def _ending(self) -> JobStatus:
        try:
            words = str(self._outcome.readlink())
        except FileNotFoundError:
            return JobStatus(JobState.LOST, "it is gone, and its supervisor was killed")
        kind, _, rest = words.partition(" ")
        if kind == "cancelled":
            return JobStatus(JobState.CANCELLED, words)
        code, _, note = rest.partition(" ")
        state = JobState.SUCCEEDED if code == "0" else JobState.FAILED
        words = describe_exit(int(code))
        if note == supervisor.OOM:
            words += ": the machine or its container ran out of memory"
        return JobStatus(state, words, int(code))


def outcome_path(record: Path, token: str) -> Path:
    """Where a job's outcome is written: beside its record, and never twice by the same path."""
    return record.with_name(f"{record.stem}.{token}.outcome")


def describe_exit(code: int) -> str:
    """An exit code in words; negative for a signal, as `subprocess` has it.

    >>> describe_exit(3), describe_exit(-9), describe_exit(139)
    ('exit code 3', 'killed by SIGKILL', 'exit code 139 (SIGSEGV)')
    """
    signal = ""
    with contextlib.suppress(ValueError):
        signal = Signals(-code if code < 0 else code - 128).name
    if code < 0:
        return f"killed by {signal or f'signal {-code}'}"
    return f"exit code {code} ({signal})" if signal else f"exit code {code}"


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()
