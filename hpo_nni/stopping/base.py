"""What every stopping rule sees and says: histories in, a verdict with its reason out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class History:
    """The finite scores of one trial.

    Attributes:
        steps: training steps, strictly increasing.
        scores: the weighted score at each step; finite; as long as `steps`.
    """

    steps: tuple[int, ...]
    scores: tuple[float, ...]


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
