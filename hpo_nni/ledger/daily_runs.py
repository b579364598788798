"""What became of the days of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.ledger.records import DailyRunRecord
from hpo_nni.ledger.rows import from_row, insert, select, to_row

if TYPE_CHECKING:
    from hpo_nni.ledger.database import Database


class DailyRuns:
    """The part of a Ledger that is about `hpo-nni daily`."""

    _database: Database

    def put_daily_run(self, run: DailyRunRecord) -> None:
        """Note how a day stands, in place of what was known of it."""
        with self._database.transaction() as connection:
            connection.execute(insert(DailyRunRecord, verb="INSERT OR REPLACE"), to_row(run))

    def daily_runs(self, project: str | None = None) -> list[DailyRunRecord]:
        """All days of a project, or of all of them, the oldest first."""
        rows = self._database.read(
            select(DailyRunRecord, "WHERE project = coalesce(?, project) ORDER BY day"), [project]
        )
        return [from_row(DailyRunRecord, row) for row in rows]

    def daily_projects(self) -> list[str]:
        """The names of all projects that have a day."""
        return [name for (name,) in self._database.read("SELECT DISTINCT project FROM daily_runs")]
