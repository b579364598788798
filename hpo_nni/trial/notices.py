"""Telling people what they would want to know while nobody looks.

`notify` only starts a process of its own and returns: whatever the webhook does, no trial, no
dispatcher and no reaper waits for it or fails with it. That process (`delivery.py`) reads
`[monitor_config]`, takes credentials out of the text, and asks the ledger whether it was said
already. Light enough for the reaper: standard library only.
"""

from __future__ import annotations

import enum
import json
import logging
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

LONGEST = 8000  # characters of a text on its way; it fits into a pipe, so that writing cannot block


class Kind(enum.Enum):
    """What happened."""

    FAILED = "failed"  # a trial
    BEST = "best"  # a trial scored better than all before
    UNCANCELLED = "uncancelled"  # a job that should not run could not be cancelled
    PAUSED = "paused"  # an experiment, for its trials fail again and again
    CREDENTIALS = "credentials"  # the reaper cannot reach a platform


@dataclass(frozen=True)
class Notice:
    """One thing to tell.

    Attributes:
        subject: what it is about: the id of a trial, the name of a job, ... Kind and subject are
            told once in an experiment.
        text: one or a few sentences.
        trial_id: empty where it is about no single trial.
    """

    kind: Kind
    experiment_id: str
    subject: str
    text: str
    trial_id: str = ""

    @property
    def key(self) -> str:
        """What it is about, in the ledger."""
        return f"{self.experiment_id}/{self.kind.value}/{self.subject}"

    def dump(self) -> str:
        """As text, for the process that delivers it."""
        facts = asdict(self) | {"kind": self.kind.value, "text": self.text[:LONGEST]}
        return json.dumps(facts)

    @classmethod
    def parse(cls, text: str) -> Notice:
        """Read what `dump` wrote."""
        facts = json.loads(text)
        return cls(**facts | {"kind": Kind(facts["kind"])})


_senders: list[subprocess.Popen[bytes]] = []


def notify(notice: Notice, *, directory: Path, settings_file: Path) -> None:
    """Have a notice delivered, if the settings name a webhook; never raises, never waits.

    Args:
        notice: what to tell.
        directory: that of the ledger, NNI's working directory.
        settings_file: the ini that may have a `[monitor_config]`; a job's record names it.
    """
    if not _names_a_webhook(settings_file):
        return
    _senders[:] = [sender for sender in _senders if sender.poll() is None]
    try:
        sender = subprocess.Popen(
            [sys.executable, "-m", "hpo_nni.trial.delivery", str(directory), str(settings_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _senders.append(sender)
        assert sender.stdin is not None
        with sender.stdin as pipe:
            pipe.write(notice.dump().encode("utf-8", "replace"))
    except OSError as error:
        logger.warning("a notice cannot be sent (%s): %s", error, notice.text[:200])


def _names_a_webhook(settings_file: Path) -> bool:
    """Whether it is worth a process to look closer."""
    try:
        return b"[monitor_config]" in settings_file.read_bytes()
    except OSError:
        return False
