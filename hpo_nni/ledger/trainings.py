"""Days that were trained, by what went into them, and which trials walk through which.

A day is taken in two moves, for between them somebody has to look at files: `trainings_of` shows
what is there, and `use_training` or `claim_training` go through only if that is still so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo_nni.ledger.records import Training, TrainingUse
from hpo_nni.ledger.rows import encode, from_row, insert, select, to_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from hpo_nni.ledger.database import Database


class Trainings:
    """The part of a Ledger that is about trained days."""

    _database: Database
    _clock: Callable[[], float]

    def trainings_of(self, digest: str) -> list[Training]:
        """All trainings with this hash, those that go on too, the first one in front."""
        rows = self._database.read(
            select(Training, "WHERE hash = ? ORDER BY begun, rowid"), [digest]
        )
        return [from_row(Training, row) for row in rows]

    def trainings(self) -> list[Training]:
        """All trainings, the first one in front."""
        rows = self._database.read(select(Training, "ORDER BY begun, rowid"))
        return [from_row(Training, row) for row in rows]

    def training_uses(self, experiment_id: str | None = None) -> list[TrainingUse]:
        """Which trials walk through which days, of one experiment or of all."""
        rows = self._database.read(
            select(
                TrainingUse,
                "WHERE trial_id IN (SELECT id FROM trials WHERE experiment_id = "
                "coalesce(?, experiment_id)) ORDER BY time, rowid",
            ),
            [experiment_id],
        )
        return [from_row(TrainingUse, row) for row in rows]

    def use_training(self, day: Training, trial_id: str, step: str) -> bool:
        """Note that a trial goes on from a day that was trained before.

        Returns:
            False where it has been trained anew since, or is being pruned.
        """
        with self._database.transaction() as connection:
            if _key(day) not in _keys(connection, day.hash) or day.ended is None or day.pruned:
                return False
            self._note_use(connection, TrainingUse(trial_id, step, day.hash, day.trial_id))
            return True

    def claim_training(self, claim: Training, seen: Sequence[Training]) -> bool:
        """Note that a trial is about to train a day.

        Args:
            claim: without an end; a training of the same trial is replaced.
            seen: what `trainings_of` showed.

        Returns:
            False where that has changed since.
        """
        with self._database.transaction() as connection:
            if _keys(connection, claim.hash) != {_key(day) for day in seen}:
                return False
            connection.execute(insert(Training, verb="INSERT OR REPLACE"), to_row(claim))
            use = TrainingUse(claim.trial_id, claim.step, claim.hash, claim.trial_id)
            self._note_use(connection, use)
            return True

    def end_training(self, claim: Training, version: str, points: Any) -> bool:
        """Note that a claimed day has been trained and measured; False if it is claimed no more."""
        statement = (
            "UPDATE trainings SET ended = ?, version = ?, points = ? "
            "WHERE hash = ? AND trial_id = ? AND begun = ? AND ended IS NULL"
        )
        values = [self._clock(), version, encode(points), claim.hash, claim.trial_id, claim.begun]
        with self._database.transaction() as connection:
            return connection.execute(statement, values).rowcount > 0

    def release_training(self, claim: Training) -> None:
        """Let others train a claimed day: this trial did not get to its end."""
        key = [claim.hash, claim.trial_id]
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM training_uses WHERE hash = ? AND trial_id = ?", key)
            statement = "DELETE FROM trainings WHERE hash = ? AND trial_id = ? AND ended IS NULL"
            connection.execute(statement, key)

    def mark_pruned(self, choose: Callable[[], Sequence[Training]]) -> list[Training]:
        """Let nobody use some trainings any more, for their models are about to be deleted.

        Args:
            choose: reads this ledger and says which; nobody writes to it meanwhile.
        """
        statement = "UPDATE trainings SET pruned = ? WHERE hash = ? AND trial_id = ?"
        with self._database.transaction() as connection:
            chosen = list(choose())
            now = self._clock()
            rows = [(now, one.hash, one.trial_id) for one in chosen]
            connection.executemany(statement, rows)
        return chosen

    def note_deleted(self, training: Training) -> None:
        """Note that nothing lies at a pruned model's place any more."""
        statement = "UPDATE trainings SET version = '' WHERE hash = ? AND trial_id = ? AND pruned"
        with self._database.transaction() as connection:
            connection.execute(statement, [training.hash, training.trial_id])

    def _note_use(self, connection: sqlite3.Connection, use: TrainingUse) -> None:
        row = to_row(replace(use, time=self._clock()))
        connection.execute(insert(TrainingUse, verb="INSERT OR REPLACE"), row)


def _key(day: Training) -> tuple[object, ...]:
    return day.trial_id, day.begun, day.ended, day.pruned


def _keys(connection: sqlite3.Connection, digest: str) -> set[tuple[object, ...]]:
    statement = "SELECT trial_id, begun, ended, pruned FROM trainings WHERE hash = ?"
    return set(connection.execute(statement, [digest]).fetchall())
