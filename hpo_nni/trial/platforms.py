"""Platforms, opened with what settings say: for a trial, or for a job that the ledger knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.platforms import PLATFORMS
from hpo_nni.trial.accounts import Accounts, load_accounts
from hpo_nni.trial.steps import MAXCOMPUTE

if TYPE_CHECKING:
    from hpo_nni.ledger.records import JobRecord
    from hpo_nni.platforms.base import Platform
    from hpo_nni.trial.settings import TrialSettings


def open_platform(settings: TrialSettings, directory: Path) -> Platform:
    """The platform that the settings name, for the jobs of this working directory."""
    options = {} if settings.grace_seconds is None else {"grace": settings.grace_seconds}
    return _open(settings.platform, directory, options, settings.accounts)


def reopen_platform(job: JobRecord, directory: Path) -> Platform:
    """The platform of a job, in a process that knows no more of it than the ledger does.

    Raises:
        SettingsError: the job's settings file is needed, and gone or faulty.
    """
    return _open(job.platform, directory, {}, accounts_of(job))


def accounts_of(job: JobRecord) -> Accounts:
    """Whose account a job runs on, from its settings file; none for jobs of this machine."""
    return load_accounts(Path(job.settings_file)) if job.platform == MAXCOMPUTE else Accounts()


def _open(name: str, directory: Path, options: dict[str, Any], accounts: Accounts) -> Platform:
    if name == MAXCOMPUTE:
        options = {"connect": accounts.connect_maxcompute}
    platform: Platform = PLATFORMS.load(name)(directory, **options)
    return platform
