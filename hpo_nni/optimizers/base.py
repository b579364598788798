"""Ask for a point, tell how it went: the seam of everything that proposes points."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Outcome(enum.Enum):
    """How a point went."""

    COMPLETE = "complete"  # it ran to its end, and its score is final
    STOPPED = "stopped"  # early, as worse than others: its score is a bound, not a result
    INFEASIBLE = "infeasible"  # nothing can run there (out of memory, diverged): keep away
    FAILED = "failed"  # for a reason that says nothing about the point, or it gave no number
    RUNNING = "running"  # asked for by somebody else: its result is still to come
    CANCELLED = "cancelled"  # by a person or a limit: nothing is known about the point


@dataclass(frozen=True)
class Observation:
    """What is known about one point.

    Attributes:
        point: key -> value, as it was asked for, or from elsewhere: imported, a person's own.
        outcome: how it went.
        score: finite; None where there is none. Of a stopped trial, the last one.
        step: the training step at which the score was measured; 0 where that is not known.
        metrics: raw metrics by name, all finite, where they are known: for objectives and
            constraints. Two observations that differ in nothing else are equal.
    """

    point: Mapping[str, Any]
    outcome: Outcome
    score: float | None = None
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)


class Optimizer(Protocol):
    """Proposes points of one search space, for one direction.

    1. `ask` may be called again before the last points have been told; what was asked for and not
       yet told is pending, and the next point takes that into account.
    2. `tell` takes observations in any order, of points that were never asked for too; the caller
       sees to it that they lie in the search space.
    3. Same seed, same calls: same points. Nothing depends on clocks.
    4. Nothing heavy is imported or built before the first `ask` or `tell`.
    """

    def ask(self) -> dict[str, Any] | None:
        """Propose a point; None when the space has no further ones."""
        ...

    def tell(self, observations: Sequence[Observation]) -> None:
        """Learn how points went, each observation once."""
        ...
