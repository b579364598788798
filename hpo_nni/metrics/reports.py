"""What NNI hears of a trial's evaluations: which numbers, and how often."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection

    from hpo_nni.metrics.score import Evaluation

T = TypeVar("T")

DEFAULT = "default"
REPORTS_PER_INTERVAL = 200


def report_values(evaluation: Evaluation) -> dict[str, float]:
    """The dict that NNI shows: `default` is the score, beside every raw metric that is finite.

    A raw metric that is itself called `default` is shown as `raw_default`.

    Raises:
        ValueError: the evaluation has no score; such a one is never reported.
    """
    if evaluation.score is None:
        raise ValueError(f"step {evaluation.step} of {evaluation.source} has no score to report")
    finite = {name: value for name, value in evaluation.values.items() if math.isfinite(value)}
    return {
        DEFAULT: evaluation.score,
        **{_shown_name(name, finite): value for name, value in finite.items()},
    }


def _shown_name(name: str, others: Collection[str]) -> str:
    if name != DEFAULT:
        return name
    while name == DEFAULT or name in others:
        name = f"raw_{name}"
    return name


class RateLimit(Generic[T]):
    """Decides which intermediate results go on to NNI, whose dispatcher chokes on too many.

    The first goes on at once; then at most one per interval, the newest; the last one in the end,
    by `flush`. After each 200 that went on, the interval doubles, so that even a trial of weeks
    reports a bounded number. Time is an argument, in seconds, and must not go back.

    >>> limit = RateLimit(1.0)
    >>> [limit.offer("a", 0.0), limit.offer("b", 0.1), limit.offer("c", 0.2)]
    ['a', None, None]
    >>> [limit.due(0.5), limit.due(1.0), limit.offer("d", 1.5), limit.flush(), limit.flush()]
    [None, 'c', None, 'd', None]
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = -math.inf
        self._held: list[T] = []
        self._passed = 0

    def offer(self, item: T, now: float) -> T | None:
        """Take a new result; return it if it goes on now, or keep it in place of an older one."""
        self._held = [item]
        return self.due(now)

    def due(self, now: float) -> T | None:
        """Return the result that was kept, if its time has come."""
        if now < self._next:
            return None
        item = self.flush()
        if item is not None:
            self._passed += 1
            self._next = now + self._interval * 2 ** (self._passed // REPORTS_PER_INTERVAL)
        return item

    def flush(self) -> T | None:
        """Return the result that was kept, whatever the time; the trial ends."""
        return self._held.pop() if self._held else None
