"""Being told to stop: signals, in any number, and the death of the shell that NNI started.

A handler only notes the signal; the runner acts on it between two steps, so that a job is never
left between "submitted" and "written down". NNI 2.10.1 sends TERM to the whole tree; NNI 3.0 sends
INT to the first process only, and where the trial command is a compound one, that is a shell: then
nobody tells us, but the shell is gone, and our parent is another.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Shutdown:
    """Notes that the trial should end.

    Args:
        watch_parent: whether the end of the parent process counts; it does under NNI.
    """

    def __init__(self, *, watch_parent: bool) -> None:
        self._event = threading.Event()
        self._signal: int | None = None
        self._parent = os.getppid() if watch_parent else None

    def install(self) -> None:
        """Take over the signals; to be called in the main thread, before anything is submitted."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    @property
    def requested(self) -> bool:
        """Whether the trial should end."""
        if self._parent is not None and os.getppid() != self._parent:
            self._event.set()
        return self._event.is_set()

    @property
    def cause(self) -> str:
        """What told us, for the ledger."""
        if self._signal is None:
            return "the process that started the trial has gone"
        return f"signal {signal.Signals(self._signal).name}"

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until the trial should end; returns `requested`."""
        self._event.wait(seconds)
        return self.requested

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
        self._event.set()
