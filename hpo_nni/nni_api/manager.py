"""Which process is NNI's manager: for its descendants, dispatcher and trials, and for others.

Both versions start it as `node ... main.js --port N --experiment-id ID ...`
(`nni/experiment/launcher.py`), and start dispatcher and trials below it, through shells. On another
machine (NNI's remote services) nothing of the kind is among a trial's ancestors.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_ID, _PORT, _PREFIX = "--experiment-id", "--port", "--url-prefix"


@dataclass(frozen=True)
class Manager:
    """NNI's manager of one experiment.

    Attributes:
        rest_url: of its REST interface, up to `/api`.
    """

    pid: int
    rest_url: str


def find_manager(experiment_id: str) -> Manager | None:
    """The manager above the calling process; None where there is none."""
    pid = os.getpid()
    while pid > 1:
        try:
            found, pid_above = _manager(pid, experiment_id), _parent(pid)
        except OSError:  # it ended meanwhile
            return None
        if found is not None:
            return found
        pid = pid_above
    return None


def running_manager(experiment_id: str) -> Manager | None:
    """The manager of an experiment, wherever on this machine it runs; None where none does."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile
                found = _manager(int(entry.name), experiment_id)
                if found is not None:
                    return found
    return None


def _manager(pid: int, experiment_id: str) -> Manager | None:
    """A process as a manager of the experiment; None if it is none; OSError if it has ended."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    if _after(words, _ID) != experiment_id or not _after(words, _PORT).isdecimal():
        return None
    prefix = _after(words, _PREFIX)
    url = f"http://localhost:{_after(words, _PORT)}" + (prefix and f"/{prefix}")
    return Manager(pid, url)


def _after(words: list[str], option: str) -> str:
    """The word that follows an option; empty where there is none."""
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat[stat.rindex(b")") + 2 :].split()[1])
