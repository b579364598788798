"""Which way is better: the one place that knows what `optimize_mode` means."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Direction(enum.Enum):
    """The direction of optimisation, as users spell it in `optimize_mode`."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> int:
        """1 to maximise, -1 to minimise: `sign * score` is always better when larger."""
        return 1 if self is Direction.MAXIMIZE else -1

    def is_better(self, score: float, than: float) -> bool:
        """Whether `score` is strictly better.

        >>> Direction.MINIMIZE.is_better(0.1, than=0.2)
        True
        """
        return self.sign * score > self.sign * than

    def best(self, scores: Iterable[float]) -> float:
        """The best of at least one finite score; raises ValueError for none.

        >>> Direction.MINIMIZE.best([0.3, 0.1, 0.2])
        0.1
        """
        return max(scores, key=lambda score: self.sign * score)
