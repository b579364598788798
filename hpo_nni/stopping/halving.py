"""Stop a trial that is not among the best of a rung: asynchronous successive halving.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", in the form in which
nothing is paused and promoted later: a trial stops at the first rung where it is not in the best
1/reduction of those that have reached the rung so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History, Verdict, interpolated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class HalvingRule:
    """Compare the best score so far with those of the peers, at certain evaluations only.

    Rungs are at `first_rung`, `first_rung * reduction`, `first_rung * reduction**2`, ...
    evaluations of the trial. A peer takes part with the best score that it had at the same training
    step, interpolated where its evaluations fall on other steps, whatever became of it. Of n trials
    that have reached a rung, this one counted, max(1, floor(n / reduction)) go on; equals go on
    together.

    Attributes:
        reduction: at least 2.
        first_rung: at least 1.
    """

    direction: Direction
    reduction: int = 3
    first_rung: int = 9

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Judge at a rung; between rungs a trial goes on."""
        evaluations, step = len(trial.steps), trial.steps[-1]
        rung = self._rung(evaluations)
        figures: dict[str, float] = {"step": step, "evaluations": evaluations}
        if rung is None:
            return Verdict(
                keep=True, reason=f"evaluation {evaluations} is not a rung", figures=figures
            )
        own = self._running_best(trial)[-1]
        found = [
            interpolated(peer.steps, self._running_best(peer), step) for peer in peers.values()
        ]
        values = [value for value in found if value is not None]
        reached = len(values) + 1
        places = max(1, reached // self.reduction)
        better = sum(self.direction.is_better(value, than=own) for value in values)
        keep = better < places
        reason = (
            f"best score so far {own:.6g} is number {better + 1} of the {reached} trials that have "
            f"reached step {step}; {places} of them go{'es'[: 2 * (places == 1)]} on"
        )
        figures |= {"rung": rung, "own": own, "place": better + 1, "peers": len(values)}
        return Verdict(keep=keep, reason=reason, figures=figures | {"places": places})

    def _rung(self, evaluations: int) -> int | None:
        """Return which rung this is, counted from 0; None where it is none."""
        at, number = self.first_rung, 0
        while at < evaluations:
            at, number = at * self.reduction, number + 1
        return number if at == evaluations else None

    def _running_best(self, history: History) -> Sequence[float]:
        if self.direction is Direction.MAXIMIZE:
            return history.running_maxima
        return history.running_minima
