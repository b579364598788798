"""The reaper's loop: it looks, calls `hpo-nni reap` when something should not run, and waits.

It lives as long as a trial, a job or NNI's manager of this host does. It imports the standard
library and the ledger only; what platforms need is loaded by a child that ends again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import LedgerError
from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.ledger.leftovers import find_leftovers
from hpo_nni.reaper.start import take

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hpo_nni.ledger.leftovers import Leftovers
    from hpo_nni.ledger.process_identity import ProcessIdentity

LOOK_SECONDS = 5.0  # between two looks while nobody dies; a death ends the pause
BLIND_SECONDS = 1.0  # the same where the kernel does not tell of deaths
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  # between calls for what does not end
CHILD_SECONDS = 600.0  # a call that takes longer hangs


def main(directory: str, lock: int) -> None:
    """Watch a directory until there is nothing left to watch; `lock` is held."""
    os.set_inheritable(lock, False)
    reaper = Reaper(Path(directory))
    while True:
        reaper.run()
        fcntl.flock(lock, fcntl.LOCK_UN)
        # a trial that began in the last moment saw the lock, and relies on us
        if not reaper.has_work() or not take(lock):
            return


class Reaper:
    """One working directory, watched.

    Args:
        directory: it holds the ledger.
        call: cancels what should not run; True if nothing of it is left.
        wait: sleeps so many seconds, or until one of these processes ends.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        directory: Path,
        *,
        call: Callable[[Path], bool] | None = None,
        wait: Callable[[Collection[ProcessIdentity], float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._call = call or call_reap
        self._wait = wait or await_death
        self._clock = clock
        self._failures = 0
        self._next_call = 0.0
        self._tried: set[str] = set()
        self._ledger: Ledger | None = None

    def run(self) -> None:
        """Watch until there is nothing left to watch."""
        say(f"watching {self._directory}")
        while (found := self._look()) is not None:
            if not found and not found.watched:
                say("nothing is left to watch")
                return
            if found:
                self._reap(found)
            else:
                self._failures, self._tried = 0, set()
            pause = LOOK_SECONDS
            if found:
                pause = max(0.0, min(pause, self._next_call - self._clock()))
            self._wait(found.watched, pause)

    def has_work(self) -> bool:
        """Whether there is something to watch or to cancel."""
        found = self._look()
        return found is not None and bool(found or found.watched)

    def _look(self) -> Leftovers | None:
        """Look at the ledger; None if it is gone for good."""
        while (self._directory / LEDGER_NAME).is_file():
            try:
                self._ledger = self._ledger or Ledger.open(self._directory)
                return find_leftovers(self._ledger, time.time())
            except LedgerError as error:
                say(f"the ledger cannot be read: {error}")
                if self._ledger is not None:
                    self._ledger.close()
                self._ledger = None
                self._wait((), RETRY_SECONDS[-1])
        say("the ledger is gone")
        return None

    def _reap(self, found: Leftovers) -> None:
        names = names_of(found)
        if names - self._tried:  # something new: no reason to be slow
            self._failures = 0
        elif self._clock() < self._next_call:
            return
        for line in describe(found):
            say(line)
        self._tried = names
        done = self._call(self._directory)
        self._failures = 0 if done else self._failures + 1
        pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1] if not done else 0.0
        self._next_call = self._clock() + pause


def names_of(found: Leftovers) -> set[str]:
    """A name for each thing that has to be done."""
    return {
        *(f"job {job.name}" for job, _ in found.jobs),
        *(f"runner {trial.id}" for trial, _ in found.runners),
        *(f"trial {trial.id}" for trial in found.trials),
    }


def describe(found: Leftovers) -> list[str]:
    """A line for each thing that has to be done."""
    return [
        *(f"job {job.name} ({job.job_id or 'no id yet'}): {why}" for job, why in found.jobs),
        *(f"trial {trial.id} is to be told to end: {why}" for trial, why in found.runners),
        *(f"trial {trial.id} is open, and its process has gone" for trial in found.trials),
    ]


def call_reap(directory: Path) -> bool:
    """Run `hpo-nni reap DIRECTORY`, whose output goes to our log; True for exit code 0."""
    root = Path(__file__).parent.parent.parent  # where `-m` finds us, installed or not
    command = [sys.executable, "-m", "hpo_nni.cli", "reap", str(directory)]
    try:
        done = subprocess.run(command, cwd=root, timeout=CHILD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"hpo-nni reap could not do it: {error}")
        return False
    return done.returncode == 0


def await_death(processes: Collection[ProcessIdentity], seconds: float) -> None:
    """Sleep, but not longer than until one of these processes of this host has ended."""
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(seconds, BLIND_SECONDS))
        return
    with contextlib.ExitStack() as opened:
        poll = select.poll()
        for process in processes:
            try:
                handle = os.pidfd_open(process.pid)
            except ProcessLookupError:
                return
            except OSError:  # an old kernel, or too many files
                seconds = min(seconds, BLIND_SECONDS)
                continue
            opened.callback(os.close, handle)
            poll.register(handle, select.POLLIN)
        poll.poll(seconds * 1000)


def say(text: str) -> None:
    """Write a line to the log."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{stamp} reaper {os.getpid()}: {text}", flush=True)  # noqa: T201  # its log
