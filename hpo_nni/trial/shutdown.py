"""Being told to stop: signals, in any number, and the death of the shell that NNI started.

A handler only notes the signal; the runner acts on it between two steps, so that a job is never
left between "submitted" and "written down". NNI 2.10.1 sends TERM to the whole tree; NNI 3.0 sends
INT to the first process only, and where the trial command is a compound one, that is a shell: then
nobody tells us, but the shell is gone, and our parent is another.

The handler writes to a pipe, and who waits reads from it: `threading.Event` has a lock that a
handler may find taken by the very thread it interrupts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818  (it is not an error: the trial was told to end)
    """The trial was told to end."""


class Shutdown:
    """Notes that this process should end.

    Args:
        watch_parent: whether the end of the parent process counts; it does under NNI.
    """

    def __init__(self, *, watch_parent: bool) -> None:
        self._signal: int | None = None
        self._parent = os.getppid() if watch_parent else None
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def install(self) -> None:
        """Take over the signals; to be called in the main thread, before anything is submitted.

        A hang-up that is ignored, as under `nohup`, stays ignored.
        """
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    @property
    def requested(self) -> bool:
        """Whether this process should end."""
        return self._signal is not None or self._is_orphaned

    @property
    def _is_orphaned(self) -> bool:
        return self._parent is not None and os.getppid() != self._parent

    @property
    def cause(self) -> str:
        """What told us, for the ledger."""
        if self._signal is None:
            return "the process that started the trial has gone"
        return f"signal {signal.Signals(self._signal).name}"

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until a signal comes; returns `requested`."""
        if not self.requested:
            select.select([self._wake], [], [], seconds)
        return self.requested

    def pause(self, seconds: float) -> None:
        """Sleep; raises Interrupted as soon as this process should end."""
        if self.wait(seconds):
            raise Interrupted

    def resign(self) -> None:
        """End this process by the signal that it got.

        NNI 3.0 reads the status of a cancelled trial from it: any exit code would turn it into
        SUCCEEDED or FAILED.
        """
        number = self._signal or signal.SIGTERM
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signal = self._signal or number
        with contextlib.suppress(BlockingIOError):  # full of earlier signals
            os.write(self._waker, b"!")
