"""Cancelling a job with nothing but what the ledger holds: from any process, at any time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hpo_nni.platforms.base import JobState
from hpo_nni.secrets import Redactor
from hpo_nni.trial.platforms import accounts_of, reopen_platform

if TYPE_CHECKING:
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import JobRecord


def cancel_recorded(ledger: Ledger, record: JobRecord) -> bool:
    """Cancel a job that the ledger calls alive, and write down how it ended once it has.

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
        if platform.absence_is_proof:
            # a runner that still lives is told so when it wants to note the platform's answer
            ledger.end_job(record.name, JobState.CANCELLED.value, "it was never submitted")
        return platform.absence_is_proof
    job.cancel()
    status = job.status()
    if status.state.is_final:
        redact = Redactor(accounts_of(record).secrets(os.environ))
        tail = redact(job.log_tail())
        ledger.end_job(record.name, status.state.value, redact(status.message), tail)
    return status.state.is_final
