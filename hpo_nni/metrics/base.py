"""What every metric source gives: points, each once, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class MetricPoint(NamedTuple):
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
       A file that is rewritten as a whole, such as one JSON document, is the exception: it is read
       again when it has changed, and gives the points that are new or different.
    2. A half-written last record is left for a later poll.
    3. A source that does not exist yet has no points; that is not an error. Neither is one that
       cannot be read for a while: that is logged once per reason, and tried again.
    4. A damaged record is skipped, logged and counted in `damaged`; where nothing behind it can be
       trusted, the rest of its file is given up, which is logged too. Nothing is raised.
    5. One `poll` reads a few MiB of a file at most; what is left comes with the next.
    """

    @property
    def damaged(self) -> int:
        """How many records could not be used."""
        ...

    @property
    def seen(self) -> Collection[str]:
        """The names that did occur, wanted or not, bounded in number: for "did you mean"."""
        ...

    def poll(self) -> Sequence[MetricPoint]:
        """Return what is new since the last call."""
        ...

    def finish(self) -> Sequence[MetricPoint]:
        """Return everything that is left, a last line without its end included, and let go.

        To be called once, when nothing is written any more; `poll` may not follow.
        """
        ...

    def account(self) -> str:
        """Say in half a sentence what was found and where, for the letter about a silent trial."""
        ...
