"""Which process is responsible for a row, told apart from any later one with the same number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of one machine; equal values are the same process.

    Attributes:
        host: the machine's name.
        boot_id: changes when the machine starts; process numbers begin anew then.
        started: in clock ticks since that start (field 22 of proc(5), `/proc/[pid]/stat`).
    """

    host: str
    boot_id: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Identify the calling process."""
        me = cls.of(os.getpid())
        assert me is not None, "a process can see itself in /proc"
        return me

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Identify a process of this machine; None if it has ended."""
        started = _start_time(pid)
        return None if started is None else cls(os.uname().nodename, _boot_id(), pid, started)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Read what `str` wrote; None for an empty text.

        >>> ProcessIdentity.parse("here 0b-1c 12 345")
        ProcessIdentity(host='here', boot_id='0b-1c', pid=12, started=345)
        """
        if not text:
            return None
        host, boot_id, pid, started = text.split()
        return cls(host, boot_id, int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.host} {self.boot_id} {self.pid} {self.started}"

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that `is_alive` can be asked."""
        return self.host == os.uname().nodename

    def signal(self, number: int) -> bool:
        """Send it a signal; whether it was there to take it.

        Raises:
            ValueError: it belongs to another machine.
            PermissionError: it belongs to another user.
        """
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def is_alive(self) -> bool:
        """Whether it still runs; one that has ended and was not waited for does not.

        Raises:
            ValueError: it belongs to another machine, about whose processes nothing is known.
        """
        if not self.is_here:
            raise ValueError(f"process {self.pid} belongs to {self.host}: ask there")
        return self.boot_id == _boot_id() and self.started == _start_time(self.pid)


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second field is a name in brackets that may hold anything, brackets included.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in b"ZX" else int(fields[19])
