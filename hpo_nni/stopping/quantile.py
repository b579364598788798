"""Stop a trial that is worse than a quantile of the others at the same training step.

With its defaults this is the median rule of the first PAIAssessor: the best score so far against
the scores that the other trials had at this step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import History


@dataclass(frozen=True)
class QuantileRule:
    """Stop when strictly worse than the quantile `proportion` of the peers at the same step.

    *Same step* is the trial's latest training step, not a position in a list. A peer takes part
    with the value it had exactly there, or, where its evaluations fall on other steps, with the
    value on the straight line between its evaluations before and after. A peer that ended or
    stands before this step, or was first evaluated after it, does not take part; how a peer ended
    (finished, stopped, cancelled) makes no difference. Without peers the trial is kept.

    The quantile is one of the peers' values, never a mean of two: sorted from worst to best, the
    one at index floor(proportion * (peers - 1)). For 0.5 that is the lower median when maximising
    and the upper one when minimising.

    Attributes:
        proportion: from 0 (only the worst peer must be beaten) to 1 (the best one must be).
        moving_avg: compare running averages (the trial's mean score so far against the peers'
            mean scores up to that step) in place of the best score so far against the peers'
            scores at that step.
    """

    direction: Direction
    proportion: float = 0.5
    moving_avg: bool = False

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Compare the trial at its latest step with all peers that have been there."""
        step = trial.steps[-1]
        own = trial.running_means[-1] if self.moving_avg else self.direction.best(trial.scores)
        values = self._peer_values(step, peers)
        figures = {"step": step, "evaluations": len(trial.steps), "own": own, "peers": len(values)}
        what = "mean score" if self.moving_avg else "best score so far"
        if not values:
            reason = f"no other trial has been evaluated at step {step} yet; {what} {own:.6g}"
            return Verdict(keep=True, reason=reason, figures=figures)
        threshold = self._quantile(values)
        keep = not self.direction.is_better(threshold, than=own)
        reason = (
            f"{what} {own:.6g} is {'not worse' if keep else 'worse'} than {threshold:.6g}, "
            f"the {self._quantile_name()} of {len(values)} other trial{'s'[: len(values) != 1]} "
            f"at step {step}"
        )
        figures |= {"threshold": threshold, "proportion": self.proportion}
        return Verdict(keep=keep, reason=reason, figures=figures)

    def _peer_values(self, step: int, peers: Mapping[str, History]) -> list[float]:
        if self.moving_avg:
            found = [peer.running_mean_at(step) for peer in peers.values()]
        else:
            found = [peer.score_at(step) for peer in peers.values()]
        return [value for value in found if value is not None]

    def _quantile(self, values: list[float]) -> float:
        worst_first = sorted(values, reverse=self.direction is Direction.MINIMIZE)
        # 0.29 * 100 is 28.999...: the tolerance keeps the index that was meant.
        return worst_first[int(self.proportion * (len(values) - 1) + 1e-9)]

    def _quantile_name(self) -> str:
        return "median" if self.proportion == 0.5 else f"{self.proportion:g} quantile"
