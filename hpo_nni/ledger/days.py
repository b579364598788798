"""Which days of an experiment count, and which are left out by all of its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.ledger.records import DayRecord, DayState
from hpo_nni.ledger.rows import from_row, insert, select, to_row

if TYPE_CHECKING:
    from hpo_nni.ledger.database import Database


_ONE = select(DayRecord, "WHERE experiment_id = ? AND step = ?")


class Days:
    """The part of a Ledger that is about the days of its experiments."""

    _database: Database

    def settle_day(self, day: DayRecord) -> DayRecord:
        """Note what one trial says of a day, and return what holds for all.

        The first that says whether it counts decides. Of several that wait for it, the first is
        kept: from its time on the wait is counted.

        Raises:
            LedgerError: its experiment or trial is not in the ledger.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(_ONE, [day.experiment_id, day.step]).fetchall()
            known = from_row(DayRecord, rows[0]) if rows else None
            if known is not None and (known.state.is_final or day.state is DayState.AWAITED):
                return known
            connection.execute(insert(DayRecord, verb="INSERT OR REPLACE"), to_row(day))
        return day

    def day(self, experiment_id: str, step: str) -> DayRecord | None:
        """What is settled about a day; None where nothing is."""
        rows = self._database.read(_ONE, [experiment_id, step])
        return from_row(DayRecord, rows[0]) if rows else None

    def days(self, experiment_id: str) -> list[DayRecord]:
        """All days of an experiment of which anything is settled, by their steps."""
        rows = self._database.read(
            select(DayRecord, "WHERE experiment_id = ? ORDER BY step"), [experiment_id]
        )
        return [from_row(DayRecord, row) for row in rows]

    def days_left_out(self, experiment_id: str) -> dict[str, DayRecord]:
        """Those that no trial of an experiment counts, by their steps."""
        return {day.step: day for day in self.days(experiment_id) if day.state is DayState.LEFT_OUT}
