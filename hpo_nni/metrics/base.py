"""What every metric source gives: points, each once, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class MetricPoint:
    """Metrics that were measured at one step; others of the same step may follow in later points.

    Attributes:
        step: the training step, or the position (from 1) in sources that know no steps.
        values: metric name -> value, as measured: NaN and infinity included.
        time: seconds since the epoch when it was written, where the source tells.
    """

    step: int
    values: Mapping[str, float]
    time: float | None = None


class MetricSource(Protocol):
    """Somewhere metrics appear while a job runs.

    1. `poll` returns each point once, in the order it was written, and never reads a byte twice.
    2. A half-written last record is left for a later poll.
    3. A source that does not exist yet has no points; that is not an error.
    4. A damaged record is skipped, logged and counted in `damaged`, or raises MetricError; which
       of the two each source says.
    """

    damaged: int

    def poll(self) -> Sequence[MetricPoint]:
        """Return what is new since the last call."""
        ...
