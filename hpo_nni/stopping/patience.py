"""Stop a trial whose score keeps falling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.direction import Direction
    from hpo_nni.stopping.base import History


@dataclass(frozen=True)
class PatienceRule:
    """Stop after `patience` drops in a row.

    A drop is an evaluation that is strictly worse than the one before it; an equal or better one
    starts the count anew. Other trials play no part.

    Attributes:
        patience: at least 1.
    """

    direction: Direction
    patience: int

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:  # noqa: ARG002 - the seam's signature
        """Count the drops at the end of the trial's history."""
        newest_first = pairwise(reversed(trial.scores))
        drops = sum(
            1
            for _ in takewhile(
                lambda pair: self.direction.is_better(pair[1], than=pair[0]), newest_first
            )
        )
        keep = drops < self.patience
        reason = (
            f"{drops} drop{'s'[: drops != 1]} of the score in a row at step {trial.steps[-1]}, "
            f"{'fewer than' if keep else 'the patience of'} {self.patience}"
        )
        figures = {"step": trial.steps[-1], "drops": drops, "patience": self.patience}
        return Verdict(keep=keep, reason=reason, figures=figures)
