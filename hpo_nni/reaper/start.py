"""Seeing to it that a working directory has its reaper on this host, from any process."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

logger = logging.getLogger(__name__)

_SCRIPT = Path(__file__).with_name("__main__.py")


def ensure_reaper(directory: Path) -> bool:
    """Start the reaper unless it runs; whether it was started.

    Cheap where it runs: one lock is tried. The lock is that of the reaper's log file; it is taken
    here and handed over, so that of several that start at once one starts it. Call this when the
    ledger holds what shall be watched: a reaper looks once more after it has given up its lock.

    Never raises: a trial goes on without it, for the other lines of defence still stand.
    """
    log = log_path(directory)
    try:
        lock = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if not take(lock):
                return False
            _start(directory, lock, log)
        finally:
            os.close(lock)
    except OSError as error:
        logger.warning("no reaper watches %s: %s", directory, error)
        return False
    return True


def log_path(directory: Path) -> Path:
    """The reaper's log file, which is its lock, too; one for each host."""
    return directory / f"hpo_nni_reaper.{os.uname().nodename}.log"


def take(lock: int) -> bool:
    """Take the lock; False if another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(directory: Path, lock: int, log: Path) -> None:
    with log.open("ab") as output:  # opened again: a lock that its children held would outlive it
        subprocess.run(
            [sys.executable, "-S", str(_SCRIPT), str(directory.absolute()), str(lock)],
            pass_fds=(lock,),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={key: value for key, value in os.environ.items() if not key.startswith("NNI_")},
            start_new_session=True,
            check=False,  # it detaches itself, and says the rest in its log
        )
