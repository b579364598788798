"""Jobs in the ledger: intended before a platform hears of them, and followed to their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.records import ExperimentRecord, JobRecord, TrialRecord
from hpo_nni.ledger.writing import add, change, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.ledger.database import Database

FINAL_JOB_STATES = frozenset({"succeeded", "failed", "cancelled", "lost"})


class JobEntries:
    """The part of a Ledger that is about jobs."""

    _database: Database
    _clock: Callable[[], float]

    def intend_job(self, job: JobRecord) -> None:
        """Note that a job is about to be submitted.

        Raises:
            LedgerError: the name exists, the trial has ended or never began, or its experiment
                was halted. Nothing may be submitted then.
        """
        with self._database.transaction() as connection:
            trial = find(connection, TrialRecord, job.trial_id)
            if trial is not None and trial.state.is_final:
                raise LedgerError(
                    f"no job may start for trial {trial.id}, which has ended: "
                    f"{trial.state.value}, {trial.reason}"
                )
            of = trial.experiment_id if trial is not None else ""
            experiment = find(connection, ExperimentRecord, of)
            if experiment is not None and experiment.halted is not None:
                raise LedgerError(
                    f"no job may start in experiment {experiment.id}: {experiment.halt_reason}"
                )
            add(connection, job, f"job {job.name} of trial {job.trial_id}")

    def accept_job(self, name: str, job_id: str) -> bool:
        """Note the platform's id of an intended job.

        Returns:
            False if somebody has ended the job since it was intended: then cancel what the
            platform accepted.
        """
        with self._database.transaction() as connection:
            known = find(connection, JobRecord, name)
            alive = known is not None and known.ended is None
            changes = {"job_id": job_id} | ({"state": "running"} if alive else {})
            change(connection, "jobs", ("name", name), changes)
            return alive

    def observe_job(self, name: str, *, is_running: bool, since: float | None = None) -> None:
        """Note whether a job runs or waits for its resources; nothing changes once it has ended.

        Args:
            name: the job's.
            is_running: whether it has what it needs, and costs.
            since: from when that has been so; by default, from now on.
        """
        with self._database.transaction() as connection:
            known = find(connection, JobRecord, name)
            if known is None or known.ended is not None:
                return
            if is_running != (known.running_since is not None):
                at = self._clock() if since is None else since
                change(
                    connection, "jobs", ("name", name), _clocked(known, at, is_running=is_running)
                )

    def end_job(self, name: str, state: str, message: str = "", log_tail: str = "") -> bool:
        """Note how a job ended, by a final JobState's value; True for the first that says so."""
        if state not in FINAL_JOB_STATES:
            raise ValueError(f"a job cannot end as {state!r}")
        changes = {"state": state, "message": message, "log_tail": log_tail}
        with self._database.transaction() as connection:
            known = find(connection, JobRecord, name)
            if known is not None and known.ended is not None:
                return False
            ended = self._clock()
            clocked = {} if known is None else _clocked(known, ended, is_running=False)
            change(connection, "jobs", ("name", name), {**changes, "ended": ended, **clocked})
            return True

    def set_missing(self, name: str) -> float:
        """Note that a job is not to be found; returns since when, in seconds since the epoch."""
        with self._database.transaction() as connection:
            known = find(connection, JobRecord, name)
            since = known.missing_since if known else None
            if since is None:
                since = self._clock()
                change(connection, "jobs", ("name", name), {"missing_since": since})
            return since

    def explain_job(self, name: str, message: str) -> bool:
        """Note why a job that should not run cannot be cancelled yet; True if that is news."""
        with self._database.transaction() as connection:
            known = find(connection, JobRecord, name)
            if known is not None and (known.ended is not None or known.message == message):
                return False
            change(connection, "jobs", ("name", name), {"message": message})
            return True


def _clocked(job: JobRecord, at: float, *, is_running: bool) -> dict[str, Any]:
    """What changes where a job begins or ceases to run at a moment."""
    return {"ran": job.seconds_run(at), "running_since": at if is_running else None}
