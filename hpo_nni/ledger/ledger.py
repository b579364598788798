"""The record of truth of one working directory.

Every write is one transaction that is on the disk when the call returns. Secrets must not be in
what callers hand over: plans, parameters, settings and messages are stored as they come.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.daily_runs import DailyRuns
from hpo_nni.ledger.database import Database
from hpo_nni.ledger.days import Days
from hpo_nni.ledger.inputs import Inputs
from hpo_nni.ledger.job_entries import JobEntries
from hpo_nni.ledger.notices import Notices
from hpo_nni.ledger.questions import Questions
from hpo_nni.ledger.records import (
    ORDERS,
    DecisionRecord,
    EvaluationRecord,
    ExperimentRecord,
    Known,
    TrialRecord,
    TrialState,
    last_order,
)
from hpo_nni.ledger.rows import from_row, insert, select, to_row
from hpo_nni.ledger.setbacks import Setbacks
from hpo_nni.ledger.trainings import Trainings
from hpo_nni.ledger.writing import add, change, find

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from hpo_nni.ledger.process_identity import ProcessIdentity


class Ledger(Questions, JobEntries, Notices, Setbacks, Days, Trainings, DailyRuns, Inputs):
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
            known = find(connection, ExperimentRecord, experiment.id)
            if known is None:
                add(connection, experiment, f"experiment {experiment.id}")
                return
            changes = {
                "direction": known.direction or experiment.direction,
                "project": known.project or experiment.project,
                "rest_url": known.rest_url or experiment.rest_url,
                "settings": {**experiment.settings, **known.settings},
            }
            change(connection, "experiments", ("id", known.id), changes)

    def note_settings(self, experiment_id: str, changes: Mapping[str, Any]) -> None:
        """Note what holds now of an experiment's settings; other settings stay as they are.

        A file that is rewritten while its experiment runs is read by every trial, so here, unlike
        in `begin_experiment`, the last that speaks wins. Unknown experiments are left alone.
        """
        with self._database.transaction() as connection:
            known = find(connection, ExperimentRecord, experiment_id)
            if known is not None and {**known.settings, **changes} != dict(known.settings):
                settings = {**known.settings, **changes}
                change(connection, "experiments", ("id", known.id), {"settings": settings})

    def set_rest_url(self, experiment_id: str, url: str) -> None:
        """Note where NNI's REST interface is now."""
        with self._database.transaction() as connection:
            change(connection, "experiments", ("id", experiment_id), {"rest_url": url})

    def set_manager(self, experiment_id: str, manager: ProcessIdentity, rest_url: str = "") -> None:
        """Note which process is NNI's manager of an experiment now, and where it answers.

        Another one than before means that the experiment was resumed: a halt or a pause is over
        then, for who resumes it has mended what was wrong.
        """
        with self._database.transaction() as connection:
            known = find(connection, ExperimentRecord, experiment_id)
            if known is not None and (known.manager, known.rest_url) == (manager, rest_url):
                return
            changes: dict[str, Any] = {"manager": manager, "rest_url": rest_url}
            if known is not None and known.manager != manager:
                changes |= {"halted": None, "halt_reason": "", "pause": ""}
                changes |= {"released": self._clock()} if known.pause else {}
            change(connection, "experiments", ("id", experiment_id), changes)

    def halt_experiment(self, experiment_id: str, reason: str) -> None:
        """Order all trials of an experiment to end, and let it begin no further job.

        It holds until NNI's manager of the experiment is another one; the first reason stays.
        """
        with self._database.transaction() as connection:
            known = find(connection, ExperimentRecord, experiment_id)
            if known is None or known.halted is None:
                changes = {"halted": self._clock(), "halt_reason": reason}
                change(connection, "experiments", ("id", experiment_id), changes)

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
            known = find(connection, TrialRecord, trial.id)
            if known is None or known.experiment_id != trial.experiment_id:
                add(connection, trial, f"trial {trial.id} of experiment {trial.experiment_id}")
                self._turn(connection, trial.id, trial.state, trial.score)
                return
            # its entry is open still where its process and NNI were killed a moment ago
            if known.state.is_final or known.runner not in {None, trial.runner}:
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
            change(connection, "trials", ("id", trial.id), changes)
            self._turn(connection, trial.id, TrialState.RUNNING, None)

    def set_configs(self, trial_id: str, paths: Sequence[str]) -> None:
        """Note where a trial's own copies of the base configs are."""
        with self._database.transaction() as connection:
            change(connection, "trials", ("id", trial_id), {"configs": tuple(paths)})

    def set_reason(self, trial_id: str, reason: str) -> None:
        """Note why a trial stands as it does, while it runs: what it waits for."""
        with self._database.transaction() as connection:
            trial = find(connection, TrialRecord, trial_id)
            if trial is None or not trial.state.is_final:
                change(connection, "trials", ("id", trial_id), {"reason": reason})

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
            known = find(connection, TrialRecord, trial_id)
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
            change(connection, "trials", ("id", trial_id), changes)
            self._turn(connection, trial_id, state, _finite(score))
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
                trial = find(connection, TrialRecord, decision.trial_id)
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

    def _resumption(self, known: TrialRecord) -> DecisionRecord:
        before = "another process ran it, and has not said how it ended"
        if known.state.is_final:
            before = f"it had ended as {known.state.value}: {known.reason}"
        return DecisionRecord(
            trial_id=known.id,
            actor="runner",
            action="resume",
            reason=f"it runs again; {before}",
            time=self._clock(),
            figures={} if known.score is None else {"score": known.score},
        )


def _decisions(connection: sqlite3.Connection, trial_id: str) -> list[DecisionRecord]:
    query = select(DecisionRecord, "WHERE trial_id = ? ORDER BY number")
    return [from_row(DecisionRecord, row) for row in connection.execute(query, [trial_id])]


def _finite(score: float | None) -> float | None:
    return score if score is not None and math.isfinite(score) else None
