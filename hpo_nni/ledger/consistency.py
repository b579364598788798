"""What must hold in every ledger, whoever was killed while writing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.errors import LedgerError
from hpo_nni.ledger.rows import TABLES, from_row, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hpo_nni.ledger.database import Database

# A sentence about what is wrong, and the query whose rows name what it is wrong with.
RULES: tuple[tuple[str, str], ...] = (
    (
        "trial {}: whether it has ended and when contradict each other",
        "SELECT id FROM trials WHERE (state = 'running') != (ended IS NULL)",
    ),
    (
        "trial {}: it succeeded without a score",
        "SELECT id FROM trials WHERE state = 'succeeded' AND score IS NULL",
    ),
    (
        "trial {}: it ended without a reason",
        "SELECT id FROM trials WHERE state NOT IN ('running', 'succeeded') AND reason = ''",
    ),
    (
        "trial {}: it ended before it began",
        "SELECT id FROM trials WHERE ended < coalesce(begun, started) - 60",  # a clock was set back
    ),
    (
        "trial {}: its last turn is not its state",
        (
            "SELECT id FROM trials WHERE state IS NOT (SELECT state FROM turns "
            "WHERE trial_id = trials.id ORDER BY turns.number DESC LIMIT 1)"
        ),
    ),
    (
        "trial {}: it runs again, or goes on with, a trial that is not there",
        """
        SELECT id FROM trials
        WHERE (retry_of != '' AND retry_of NOT IN (SELECT id FROM trials))
        OR (continues != '' AND continues NOT IN (SELECT id FROM trials))
        """,
    ),
    (
        "trial {}: it succeeded while a job of its own was open",
        (
            "SELECT DISTINCT trials.id FROM trials JOIN jobs ON trial_id = trials.id "
            "WHERE trials.state = 'succeeded' AND jobs.ended IS NULL"
        ),
    ),
    (
        "trial {}: several jobs of it are open",
        "SELECT trial_id FROM jobs WHERE ended IS NULL GROUP BY trial_id HAVING count(*) > 1",
    ),
    (
        "experiment {}: two of its trials have one number",
        (
            "SELECT DISTINCT experiment_id FROM trials WHERE number >= 0 "
            "GROUP BY experiment_id, number HAVING count(*) > 1"
        ),
    ),
    (
        "job {}: whether it has ended and when contradict each other",
        (
            "SELECT name FROM jobs WHERE "
            "(state IN ('succeeded', 'failed', 'cancelled', 'lost')) != (ended IS NOT NULL)"
        ),
    ),
    (
        "job {}: it ran, and no platform ever took it up",
        "SELECT name FROM jobs WHERE job_id IS NULL AND state IN ('running', 'succeeded')",
    ),
    (
        "job {}: it has ended, and its time still counts",
        "SELECT name FROM jobs WHERE ended IS NOT NULL AND running_since IS NOT NULL",
    ),
    (
        "trial {}: an evaluation of it has a score that is no number",
        (
            "SELECT DISTINCT trial_id FROM evaluations WHERE score IS NOT NULL "
            "AND (typeof(score) NOT IN ('real', 'integer') OR abs(score) > 1.797e308)"
        ),
    ),
)


def find_faults(database: Database) -> Iterator[str]:
    """Everything that contradicts itself, a sentence each; nothing for a ledger that is sound."""
    for (line,) in database.read("PRAGMA integrity_check"):
        if line != "ok":
            yield f"the file is damaged: {line}"
    for table, row, parent, _ in database.read("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} belongs to something that is not in {parent}"
    for sentence, query in RULES:
        for (name,) in database.read(query):
            yield sentence.format(name)
    for kind, table in TABLES.items():
        for number, row in enumerate(database.read(select(kind, ""))):
            try:
                from_row(kind, row)
            except LedgerError as error:
                yield f"row {number} of {table}: {error.message}"
