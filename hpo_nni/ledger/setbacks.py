"""Failures in the ledger: their classes, what begins anew or goes on after them, and pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.records import EARLIER
from hpo_nni.ledger.rows import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.failures import Failure
    from hpo_nni.ledger.database import Database


class Setbacks:
    """The part of a Ledger that is about failures; nothing here raises for what is not known."""

    _database: Database
    _clock: Callable[[], float]

    def note_failure(self, trial_id: str, failure: Failure) -> None:
        """Note the class of a trial's failure, before its end; nothing for one that has ended."""
        self._change(
            "UPDATE trials SET failure = ?, evidence = ? WHERE id = ? AND state = 'running'",
            failure.kind,
            failure.evidence,
            trial_id,
        )

    def note_job_failure(self, name: str, failure: Failure) -> None:
        """Note the class of a job's failure."""
        self._change(
            "UPDATE jobs SET failure = ?, evidence = ? WHERE name = ?",
            failure.kind,
            failure.evidence,
            name,
        )

    def pause_experiment(self, experiment_id: str, why: str) -> bool:
        """Let no trial of an experiment start a job until `lift_pause`.

        Returns:
            True for the first that says so; the others find it paused.
        """
        statement = "UPDATE experiments SET pause = ? WHERE id = ? AND pause = ''"
        return self._change(statement, why, experiment_id) > 0

    def lift_pause(self, experiment_id: str) -> bool:
        """Let trials start jobs again; False where they may already."""
        statement = "UPDATE experiments SET pause = '', released = ? WHERE id = ? AND pause != ''"
        return self._change(statement, self._clock(), experiment_id) > 0

    def continue_trial(self, trial_id: str, origin: str, directory: str) -> None:
        """Note that a trial goes on with another one, under its names and in its directory."""
        statement = "UPDATE trials SET continues = ?, directory = ? WHERE id = ?"
        self._change(statement, origin, directory, trial_id)

    def set_evaluations_aside(self, trial_id: str) -> None:
        """Keep a trial's evaluations under other names of their sources: it begins anew.

        They get new numbers, so that who follows `news` hears of it.
        """
        columns = 'trial_id, step, "values", score, time'
        # those of an even earlier run, which have the name, are copied first to one of their own
        copy = (
            f"INSERT OR REPLACE INTO evaluations (source, {columns}) SELECT ? || source, {columns} "  # noqa: S608
            "FROM evaluations WHERE trial_id = ? ORDER BY number"
        )
        with self._database.transaction() as connection:
            query = "SELECT max(number) FROM evaluations WHERE trial_id = ?"
            (last,) = connection.execute(query, [trial_id]).fetchone()
            connection.execute(copy, [EARLIER, trial_id])
            connection.execute(
                "DELETE FROM evaluations WHERE trial_id = ? AND number <= ?", [trial_id, last]
            )

    def _change(self, statement: str, *values: Any) -> int:
        with self._database.transaction() as connection:
            return connection.execute(statement, list(map(encode, values))).rowcount
