"""What every stopping rule sees and says: histories in, a verdict with its reason out."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Series:
    """The finite values of one raw metric; its steps need not be those of the score."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class History:
    """What is known of one trial: its finite scores, and what stands beside them.

    Attributes:
        steps: training steps, strictly increasing.
        scores: the weighted score at each step; finite; as long as `steps`.
        is_complete: whether the trial has ended by itself, with a score: nothing follows.
        metrics: the raw metrics by name, those without a weight too.
        nonfinite: the metric whose newest value is NaN or infinite; empty where none is.
        seconds: from the trial's beginning to its newest evaluation; 0 where that is not known.
    """

    steps: tuple[int, ...]
    scores: tuple[float, ...]
    is_complete: bool = field(default=False, repr=False)
    metrics: Mapping[str, Series] = field(default_factory=dict, hash=False, repr=False)
    nonfinite: str = field(default="", repr=False)
    seconds: float = field(default=0.0, repr=False)

    @classmethod
    def of(cls, points: Iterable[tuple[int, float | None]]) -> History:
        """Order what was reported: any order, repeated steps (the last wins), gaps and non-numbers.

        >>> History.of([(2, 0.5), (1, 0.4), (3, None), (2, 0.6)])
        History(steps=(1, 2), scores=(0.4, 0.6))
        """
        last = {step: score for step, score in points if score is not None and math.isfinite(score)}
        steps = tuple(sorted(last))
        return cls(steps, tuple(float(last[step]) for step in steps))

    @cached_property
    def running_means(self) -> tuple[float, ...]:
        """The mean of all scores up to each step, as long as `steps`."""
        return tuple(total / n for n, total in enumerate(accumulate(self.scores), start=1))

    @cached_property
    def running_maxima(self) -> tuple[float, ...]:
        """The largest score up to each step, as long as `steps`."""
        return tuple(accumulate(self.scores, max))

    @cached_property
    def running_minima(self) -> tuple[float, ...]:
        """The smallest score up to each step, as long as `steps`."""
        return tuple(accumulate(self.scores, min))

    @cached_property
    def highest(self) -> float:
        """The largest score."""
        return max(self.scores)

    @cached_property
    def lowest(self) -> float:
        """The smallest score."""
        return min(self.scores)

    def score_at(self, step: int) -> float | None:
        """Return the score at a step; see `interpolated`.

        >>> History((10, 20), (0.4, 0.6)).score_at(15)
        0.5
        """
        return interpolated(self.steps, self.scores, step)

    def running_mean_at(self, step: int) -> float | None:
        """Return the running mean at a step; see `interpolated`."""
        return interpolated(self.steps, self.running_means, step)


def interpolated(steps: Sequence[int], values: Sequence[float], step: int) -> float | None:
    """Return the value at `step`, on the straight line between the evaluations on its two sides.

    None before the first and after the last evaluation: nothing is known there, and a trial that
    ended earlier is no measure for one that went further.
    """
    after = bisect_left(steps, step)
    if after == len(steps):
        return None
    if steps[after] == step:
        return values[after]
    if after == 0:
        return None
    before = after - 1
    share = (step - steps[before]) / (steps[after] - steps[before])
    # Both sides weighted: exact where they are equal, and without the overflow of a difference.
    return values[before] * (1 - share) + values[after] * share


@dataclass(frozen=True)
class Verdict:
    """Whether a trial may go on, and why.

    Attributes:
        keep: False to stop the trial.
        reason: one sentence for people.
        figures: the numbers it was decided by, for the ledger.
    """

    keep: bool
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)


class StoppingRule(Protocol):
    """A pure function of histories: the same histories, the same verdict, live or in a replay."""

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Judge a trial that has just been evaluated.

        Args:
            trial: its own history so far; at least one evaluation.
            peers: the histories of all other trials of the experiment by trial id, in the order
                in which they began: running, finished and stopped ones alike.
        """
        ...
