"""Metrics that were read before, given again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.metrics.base import MetricPoint


class RecordedSource:
    """A MetricSource of points that are known already.

    >>> from hpo_nni.metrics.base import MetricPoint
    >>> source = RecordedSource([MetricPoint(1, {"auc": 0.5})])
    >>> len(source.poll()), len(source.poll()), len(source.finish())
    (1, 0, 0)
    """

    damaged = 0

    def __init__(self, points: Sequence[MetricPoint]) -> None:
        self._left = list(points)
        self.seen = frozenset(name for point in points for name in point.values)
        self._count = len(points)

    def poll(self) -> list[MetricPoint]:
        """All of them, the first time."""
        left, self._left = self._left, []
        return left

    def finish(self) -> list[MetricPoint]:
        """What `poll` has not given."""
        return self.poll()

    def account(self) -> str:
        """Say what there was."""
        return f"the ledger holds {self._count} points of when it was trained"
