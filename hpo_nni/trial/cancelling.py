"""Cancelling a job with nothing but what the ledger holds: from any process, at any time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from hpo_nni.platforms.base import JobState
from hpo_nni.secrets import Redactor
from hpo_nni.trial.platforms import accounts_of, reopen_platform

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import JobRecord

# A request that was under way when its sender died: how long it may take until it can be found.
ABSENCE_SECONDS = 600.0
NEVER_ACCEPTED = "it was never accepted: nothing of its name appeared in the 10 minutes in which "
NEVER_ACCEPTED += "it was looked for"


def cancel_recorded(
    ledger: Ledger, record: JobRecord, *, clock: Callable[[], float] = time.time
) -> bool:
    """Cancel a job that the ledger calls alive, and write down how it ended once it has.

    An intent without a job is closed at once where the platform's word is proof, else when it has
    been looked for in vain for ABSENCE_SECONDS since its runner's end.

    Args:
        ledger: that knows it.
        record: as it stands there.
        clock: seconds since the epoch.

    Returns:
        False while it may still run: then it is for the caller to ask again. That includes an
        intent of which the platform shows nothing yet but may have heard.

    Raises:
        SettingsError: the account that it needs leads nowhere.
        PlatformError: the platform refuses or does not answer.
    """
    platform = reopen_platform(record, ledger.path.parent)
    job = platform.attach(record.job_id) if record.job_id else platform.find(record.name)
    if job is None:
        # a runner that still lives is told so when it wants to note the platform's answer
        if platform.absence_is_proof:
            ledger.end_job(record.name, JobState.CANCELLED.value, "it was never submitted")
            return True
        if clock() - _missing_since(ledger, record, clock) < ABSENCE_SECONDS:
            return False
        ledger.end_job(record.name, JobState.CANCELLED.value, NEVER_ACCEPTED)
        return True
    job.cancel()
    status = job.status()
    if status.state.is_final:
        redact = Redactor(accounts_of(record).secrets(os.environ))
        tail = redact(job.log_tail())
        ledger.end_job(record.name, status.state.value, redact(status.message), tail)
    return status.state.is_final


def _missing_since(ledger: Ledger, record: JobRecord, clock: Callable[[], float]) -> float:
    """Since when it could have been found if it were there; a living runner may yet submit it."""
    if record.runner.is_here and record.runner.is_alive():
        return clock()
    return ledger.set_missing(record.name)
