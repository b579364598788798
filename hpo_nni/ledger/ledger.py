"""The record of truth of one working directory.

Every write is one transaction that is on the disk when the call returns. Secrets must not be in
what callers hand over: plans, parameters, settings and messages are stored as they come.
"""

from __future__ import annotations

import math
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.database import Database
from hpo_nni.ledger.notices import Notices
from hpo_nni.ledger.questions import Questions
from hpo_nni.ledger.records import (
    ORDERS,
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    JobRecord,
    Known,
    TrialRecord,
    TrialState,
    last_order,
)
from hpo_nni.ledger.rows import Record, encode, from_row, insert, select, to_row
from hpo_nni.ledger.setbacks import Setbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from hpo_nni.ledger.process_identity import ProcessIdentity

FINAL_JOB_STATES = frozenset({"succeeded", "failed", "cancelled", "lost"})


class Ledger(Questions, Notices, Setbacks):
    """What ran in one working directory, with what, what it measured, and how it ended.

    Usable from several threads, and from any number of processes that each open their own. A
    statement about a trial, experiment or job that is not in the ledger raises LedgerError unless
    its docstring says otherwise; so does everything that SQLite refuses.

    Args:
        database: open and migrated.
        clock: seconds since the epoch, for what the ledger itself dates.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(cls, directory: Path, clock: Callable[[], float] = time.time) -> Ledger:
        """Open the ledger of a working directory; make both where they are missing.

        Raises:
            LedgerError: the directory is on a network file system or not writable, or the file is
                damaged or newer than this code.
        """
        return cls(Database(directory), clock)

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._database.path

    def close(self) -> None:
        """Close the file; a second time is silent."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def begin_experiment(self, experiment: ExperimentRecord) -> None:
        """Note an experiment; for one that is known, add only what was missing or empty.

        So the first that speaks wins: the tuner, which NNI starts before any trial.

        Raises:
            LedgerError: its id, upper and lower case taken as one, is another experiment's.
        """
        with self._database.transaction() as connection:
            known = _known(connection, ExperimentRecord, experiment.id)
            if known is None:
                _insert(connection, experiment, f"experiment {experiment.id}")
                return
            changes = {
                "direction": known.direction or experiment.direction,
                "project": known.project or experiment.project,
                "rest_url": known.rest_url or experiment.rest_url,
                "settings": {**experiment.settings, **known.settings},
            }
            _update(connection, "experiments", ("id", known.id), changes)

    def note_settings(self, experiment_id: str, changes: Mapping[str, Any]) -> None:
        """Note what holds now of an experiment's settings; other settings stay as they are.

        A file that is rewritten while its experiment runs is read by every trial, so here, unlike
        in `begin_experiment`, the last that speaks wins. Unknown experiments are left alone.
        """
        with self._database.transaction() as connection:
            known = _known(connection, ExperimentRecord, experiment_id)
            if known is not None and {**known.settings, **changes} != dict(known.settings):
                settings = {**known.settings, **changes}
                _update(connection, "experiments", ("id", known.id), {"settings": settings})

    def set_rest_url(self, experiment_id: str, url: str) -> None:
        """Note where NNI's REST interface is now."""
        with self._database.transaction() as connection:
            _update(connection, "experiments", ("id", experiment_id), {"rest_url": url})

    def set_manager(self, experiment_id: str, manager: ProcessIdentity, rest_url: str = "") -> None:
        """Note which process is NNI's manager of an experiment now, and where it answers.

        Another one than before means that the experiment was resumed: a halt or a pause is over
        then, for who resumes it has mended what was wrong.
        """
        with self._database.transaction() as connection:
            known = _known(connection, ExperimentRecord, experiment_id)
            if known is not None and (known.manager, known.rest_url) == (manager, rest_url):
                return
            changes: dict[str, Any] = {"manager": manager, "rest_url": rest_url}
            if known is not None and known.manager != manager:
                changes |= {"halted": None, "halt_reason": "", "pause": ""}
                changes |= {"released": self._clock()} if known.pause else {}
            _update(connection, "experiments", ("id", experiment_id), changes)

    def halt_experiment(self, experiment_id: str, reason: str) -> None:
        """Order all trials of an experiment to end, and let it begin no further job.

        It holds until NNI's manager of the experiment is another one; the first reason stays.
        """
        with self._database.transaction() as connection:
            known = _known(connection, ExperimentRecord, experiment_id)
            if known is None or known.halted is None:
                changes = {"halted": self._clock(), "halt_reason": reason}
                _update(connection, "experiments", ("id", experiment_id), changes)

    def begin_trial(self, trial: TrialRecord) -> None:
        """Note that a trial runs.

        For one that is known (NNI resumes trials under their ids), it runs again: how it had ended
        becomes a decision `resume`, and its jobs, evaluations, first beginning and, unless new
        ones are given, parameters stay.

        Raises:
            LedgerError: its experiment is unknown, or its id is in use: anywhere in this ledger
                or, upper and lower case taken as one, in its experiment.
        """
        with self._database.transaction() as connection:
            known = _known(connection, TrialRecord, trial.id)
            if known is None or known.experiment_id != trial.experiment_id:
                _insert(connection, trial, f"trial {trial.id} of experiment {trial.experiment_id}")
                self._turn(connection, trial.id, trial.state, trial.score)
                return
            if known.state.is_final:
                connection.execute(insert(DecisionRecord), to_row(self._resumption(known)))
            changes = {
                "number": trial.number,
                "begun": trial.begun or trial.started,
                "directory": trial.directory,
                "parameters": trial.parameters or known.parameters,
                "is_baseline": trial.is_baseline or known.is_baseline,
                "runner": trial.runner,
                "state": TrialState.RUNNING,
                "reason": "",
                "ended": None,
                "score": None,
                "failure": "",
                "evidence": "",
                "retry_of": trial.retry_of or known.retry_of,
                "continues": trial.continues or known.continues,
            }
            _update(connection, "trials", ("id", trial.id), changes)
            self._turn(connection, trial.id, TrialState.RUNNING, None)

    def set_configs(self, trial_id: str, paths: Sequence[str]) -> None:
        """Note where a trial's own copies of the base configs are."""
        with self._database.transaction() as connection:
            _update(connection, "trials", ("id", trial_id), {"configs": tuple(paths)})

    def set_reason(self, trial_id: str, reason: str) -> None:
        """Note why a trial stands as it does, while it runs: what it waits for."""
        with self._database.transaction() as connection:
            trial = _known(connection, TrialRecord, trial_id)
            if trial is None or not trial.state.is_final:
                _update(connection, "trials", ("id", trial_id), {"reason": reason})

    def end_trial(
        self, trial_id: str, state: TrialState, reason: str, score: float | None = None
    ) -> bool:
        """Note how a trial ended; the first that says so wins.

        A stopping rule that spoke before a trial had ended wins over the trial's success: NNI
        kills the trial, and both must tell the same story. The score stays.

        Returns:
            True if this call ended it; False if it had ended, or never began here (NNI also
            announces the end of trials that never ran).
        """
        if not state.is_final:
            raise ValueError(f"a trial cannot end as {state.value}")
        with self._database.transaction() as connection:
            known = _known(connection, TrialRecord, trial_id)
            if known is None or known.state.is_final:
                return False
            order = last_order(_decisions(connection, trial_id))
            if state is TrialState.SUCCEEDED and order is not None and order.action == "stop":
                state, reason = TrialState.STOPPED, order.reason
            changes = {
                "state": state,
                "reason": reason,
                "score": _finite(score),
                "ended": self._clock(),
            }
            _update(connection, "trials", ("id", trial_id), changes)
            self._turn(connection, trial_id, state, _finite(score))
            return True

    def intend_job(self, job: JobRecord) -> None:
        """Note that a job is about to be submitted.

        Raises:
            LedgerError: the name exists, the trial has ended or never began, or its experiment
                was halted. Nothing may be submitted then.
        """
        with self._database.transaction() as connection:
            trial = _known(connection, TrialRecord, job.trial_id)
            if trial is not None and trial.state.is_final:
                raise LedgerError(
                    f"no job may start for trial {trial.id}, which has ended: "
                    f"{trial.state.value}, {trial.reason}"
                )
            of = trial.experiment_id if trial is not None else ""
            experiment = _known(connection, ExperimentRecord, of)
            if experiment is not None and experiment.halted is not None:
                raise LedgerError(
                    f"no job may start in experiment {experiment.id}: {experiment.halt_reason}"
                )
            _insert(connection, job, f"job {job.name} of trial {job.trial_id}")

    def accept_job(self, name: str, job_id: str) -> bool:
        """Note the platform's id of an intended job.

        Returns:
            False if somebody has ended the job since it was intended: then cancel what the
            platform accepted.
        """
        with self._database.transaction() as connection:
            known = _known(connection, JobRecord, name)
            alive = known is not None and known.ended is None
            changes = {"job_id": job_id} | ({"state": "running"} if alive else {})
            _update(connection, "jobs", ("name", name), changes)
            return alive

    def observe_job(self, name: str, *, is_running: bool, since: float | None = None) -> None:
        """Note whether a job runs or waits for its resources; nothing changes once it has ended.

        Args:
            name: the job's.
            is_running: whether it has what it needs, and costs.
            since: from when that has been so; by default, from now on.
        """
        with self._database.transaction() as connection:
            known = _known(connection, JobRecord, name)
            if known is None or known.ended is not None:
                return
            if is_running != (known.running_since is not None):
                at = self._clock() if since is None else since
                _update(
                    connection, "jobs", ("name", name), _clocked(known, at, is_running=is_running)
                )

    def end_job(self, name: str, state: str, message: str = "", log_tail: str = "") -> bool:
        """Note how a job ended, by a final JobState's value; True for the first that says so."""
        if state not in FINAL_JOB_STATES:
            raise ValueError(f"a job cannot end as {state!r}")
        changes = {"state": state, "message": message, "log_tail": log_tail}
        with self._database.transaction() as connection:
            known = _known(connection, JobRecord, name)
            if known is not None and known.ended is not None:
                return False
            ended = self._clock()
            clocked = {} if known is None else _clocked(known, ended, is_running=False)
            _update(connection, "jobs", ("name", name), {**changes, "ended": ended, **clocked})
            return True

    def set_missing(self, name: str) -> float:
        """Note that a job is not to be found; returns since when, in seconds since the epoch."""
        with self._database.transaction() as connection:
            known = _known(connection, JobRecord, name)
            since = known.missing_since if known else None
            if since is None:
                since = self._clock()
                _update(connection, "jobs", ("name", name), {"missing_since": since})
            return since

    def explain_job(self, name: str, message: str) -> bool:
        """Note why a job that should not run cannot be cancelled yet; True if that is news."""
        with self._database.transaction() as connection:
            known = _known(connection, JobRecord, name)
            if known is not None and (known.ended is not None or known.message == message):
                return False
            _update(connection, "jobs", ("name", name), {"message": message})
            return True

    def add_evaluations(self, evaluations: Sequence[EvaluationRecord]) -> None:
        """Note metrics, all or none; scores that are not finite are stored as None.

        A second evaluation of the same trial, source and step replaces the first: it comes from
        a job that ran again.
        """
        rows = [to_row(replace(record, score=_finite(record.score))) for record in evaluations]
        with self._database.transaction() as connection:
            connection.executemany(insert(EvaluationRecord, verb="INSERT OR REPLACE"), rows)

    def add_decision(self, decision: DecisionRecord, known: Known | None = None) -> bool:
        """Note what was done to a trial, by whom and why.

        Args:
            decision: the record.
            known: of a verdict, what it was made from: the moment is noted, too.

        Returns:
            False for an order to stop or cancel a trial that has ended: it is not noted.
        """
        with self._database.transaction() as connection:
            if decision.action in ORDERS:
                trial = _known(connection, TrialRecord, decision.trial_id)
                if trial is not None and trial.state.is_final:
                    return False
            connection.execute(insert(DecisionRecord), to_row(decision))
            if known is not None:
                connection.execute(
                    "INSERT INTO assessments (trial_id, evaluation, turn) VALUES (?, ?, ?)",
                    [decision.trial_id, known.evaluation, known.turn],
                )
            return True

    def _turn(
        self,
        connection: sqlite3.Connection,
        trial_id: str,
        state: TrialState,
        score: float | None,
    ) -> None:
        connection.execute(
            "INSERT INTO turns (trial_id, state, score, time) VALUES (?, ?, ?, ?)",
            [trial_id, state.value, score, self._clock()],
        )

    def _resumption(self, ended: TrialRecord) -> DecisionRecord:
        return DecisionRecord(
            trial_id=ended.id,
            actor="runner",
            action="resume",
            reason=f"it runs again; it had ended as {ended.state.value}: {ended.reason}",
            time=self._clock(),
            figures={} if ended.score is None else {"score": ended.score},
        )


def _clocked(job: JobRecord, at: float, *, is_running: bool) -> dict[str, Any]:
    """What changes where a job begins or ceases to run at a moment."""
    return {"ran": job.seconds_run(at), "running_since": at if is_running else None}


def _decisions(connection: sqlite3.Connection, trial_id: str) -> list[DecisionRecord]:
    query = select(DecisionRecord, "WHERE trial_id = ? ORDER BY number")
    return [from_row(DecisionRecord, row) for row in connection.execute(query, [trial_id])]


def _known(connection: sqlite3.Connection, kind: type[Record], key: str) -> Record | None:
    column = "name" if kind is JobRecord else "id"
    row = connection.execute(select(kind, f"WHERE {column} = ?"), [encode(key)]).fetchone()
    return None if row is None else from_row(kind, row)


def _insert(connection: sqlite3.Connection, record: Record, what: str) -> None:
    try:
        connection.execute(insert(type(record)), to_row(record))
    except sqlite3.IntegrityError as error:
        if "FOREIGN KEY" in str(error):
            raise LedgerError(f"{what} belongs to something that is not in the ledger") from error
        raise LedgerError(
            f"the ledger already holds what {what} would be called",
            hint="ids and names are used once in a working directory, and upper and lower case "
            "count as one: choose another name, or start again under a new id",
        ) from error


def _update(
    connection: sqlite3.Connection, table: str, key: tuple[str, str], changes: Mapping[str, Any]
) -> None:
    column, value = key
    settings = ", ".join(f'"{name}" = ?' for name in changes)
    cursor = connection.execute(
        f'UPDATE {table} SET {settings} WHERE "{column}" = ?',  # noqa: S608  # our own names
        [*map(encode, changes.values()), encode(value)],
    )
    if cursor.rowcount == 0:
        raise LedgerError(f"the ledger has no {value!r} among its {table}")


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None
