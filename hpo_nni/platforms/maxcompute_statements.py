"""Rows that statements select on MaxCompute, for who asks and reads, and runs no jobs."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from hpo_nni.errors import PlatformError
from hpo_nni.platforms.maxcompute_service import MaxComputeService, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.platforms.maxcompute_service import MaxComputeConnection

__all__ = ["MaxComputeStatements", "Rows"]

_FAILED = {"FAILED", "CANCELLED"}


class MaxComputeStatements:
    """Select statements on one account.

    Args:
        connect: gives the account when it is first needed.
    """

    def __init__(self, connect: Callable[[], MaxComputeConnection]) -> None:
        self._connect = connect

    def reach(self) -> None:
        """Ask the service for something small; raises PlatformError where that cannot be done."""
        self._service.recent(time.time())

    def begin(self, statement: str) -> str:
        """Submit a statement; returns its instance's id."""
        return self._service.run_sql(statement, {})

    def result(self, query: str) -> Rows | None:
        """Return the rows, the first 10,000 of them; None while the statement runs.

        Raises:
            PlatformError: it failed, in the service's words.
        """
        tasks = self._service.tasks(query)
        if any(task.status in _FAILED for task in tasks):
            words = self._service.result(query) or "the service does not say why"
            raise PlatformError(f"the statement failed: {words}")
        is_over = tasks and all(task.status == "SUCCESS" for task in tasks)
        return self._service.rows(query) if is_over else None

    @cached_property
    def _service(self) -> MaxComputeService:
        return MaxComputeService(self._connect())
