"""Tables that a trial reads metrics from, with the account and the patience of the trial."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from hpo_nni.trial.retry import Retrier

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.platforms.maxcompute_statements import MaxComputeStatements, Rows
    from hpo_nni.trial.accounts import Accounts

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds between two looks at a statement that runs


class TrialTables:
    """The tables of one account; it is resolved when the first statement is submitted.

    Args:
        accounts: references to it.
        pause: sleeps so many seconds; may raise, to give up.
    """

    def __init__(self, accounts: Accounts, pause: Callable[[float], object]) -> None:
        self._accounts = accounts
        self._pause = pause
        self._retrier = Retrier(pause)

    def reach(self) -> None:
        """Ask the service for something small; raises PlatformError where that cannot be done."""
        self._tables.reach()

    def begin(self, statement: str) -> str:
        """Submit a statement, once; returns what `result` takes."""
        return self._tables.begin(statement)

    def result(self, query: str) -> Rows | None:
        """Return the rows; None while the statement runs."""
        return self._tables.result(query)

    def select(self, statement: str) -> Rows:
        """Submit a statement and wait for its rows; faults that may pass are tried again.

        There is no limit to the wait: a queue is no fault.
        """
        query = self._retrier(lambda: self._tables.begin(statement))
        seconds = FIRST_PAUSE
        while (rows := self._retrier(lambda: self._tables.result(query))) is None:
            self._pause(seconds)
            seconds = min(LONGEST_PAUSE, 2 * seconds)
        return rows

    @cached_property
    def _tables(self) -> MaxComputeStatements:
        from hpo_nni.platforms.maxcompute_statements import MaxComputeStatements  # noqa: PLC0415 - as odps

        return MaxComputeStatements(self._accounts.connect_maxcompute)
