"""Messages to people about an experiment: each once, and not too many at a time.

The trials, the dispatcher and the reaper are processes of their own; what one of them has said the
others learn here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.ledger.records import NoticeRecord
from hpo_nni.ledger.rows import from_row, insert, select, to_row

if TYPE_CHECKING:
    from hpo_nni.ledger.database import Database

MOST = 10  # messages in SECONDS; DingTalk silences a robot for ten minutes after 20 in a minute
SECONDS = 60.0


class Notices:
    """The part of a Ledger that is about messages."""

    _database: Database

    def claim_notice(self, notice: NoticeRecord) -> tuple[int, int] | None:
        """Take it upon oneself to send a message that nobody has taken yet.

        Returns:
            How many messages were held back since the last one that was sent, and how many more may
            follow now. None where this one is known already, or is held back itself.
        """
        with self._database.transaction() as connection:
            known = select(NoticeRecord, "WHERE key = ?")
            if connection.execute(known, [notice.key]).fetchone() is not None:
                return None
            recent = (
                "SELECT count(*) FROM notices WHERE state NOT IN ('held', 'counted') AND time > ?"
            )
            (sent,) = connection.execute(recent, [notice.time - SECONDS]).fetchone()
            state = "held" if sent >= MOST else "sending"
            held = 0
            if state == "sending":
                counted = "UPDATE notices SET state = 'counted' WHERE state = 'held'"
                held = connection.execute(counted).rowcount
            connection.execute(insert(NoticeRecord), to_row(replace(notice, state=state)))
            return (held, MOST - 1 - sent) if state == "sending" else None

    def settle_notice(self, key: str, state: str, message: str = "") -> None:
        """Note what became of a message: `sent`, or `failed` and why."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE notices SET state = ?, message = ? WHERE key = ?", [state, message, key]
            )

    def notices(self) -> list[NoticeRecord]:
        """All messages, in the order in which they came up."""
        rows = self._database.read(select(NoticeRecord, "ORDER BY rowid"))
        return [from_row(NoticeRecord, row) for row in rows]
