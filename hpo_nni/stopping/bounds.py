"""Stop only what cannot win any more: what each metric can still do, through the signed weights.

The metrics of a score may arrive at different steps, and two of them may pull in opposite
directions. Here each metric gets an interval in which it can end, from limits that the user states;
a positive weight takes the upper end of it, a negative one the lower. Nothing is estimated, so a
trial that could still win is never stopped.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hpo_nni.stopping.base import History, Series

_SLACK = 1e-9  # of what rounding in the sums may do, relative to their terms


@dataclass(frozen=True)
class Limits:
    """What a metric cannot do, however the training goes.

    Attributes:
        lowest, highest: it never leaves these: 0 and 1 for an AUC, 0 and infinity for a loss.
        change: how much it can change in one training step.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    change: float = math.inf

    def reach(self, series: Series | None, since: float, last_step: int) -> tuple[float, float]:
        """The interval that holds all values after the step `since` and up to `last_step`.

        >>> Limits(0, 1, change=0.01).reach(None, -math.inf, 20)
        (0, 1)
        """
        if series is None or not series.values:
            return self.lowest, self.highest
        steps = max(0, last_step - series.steps[-1])
        room = self.change * steps if steps else 0.0  # not infinity times 0
        value = series.values[-1]
        # Values that other metrics have yet to catch up with can still become part of a score.
        pending = series.values[bisect_right(series.steps, since) :]
        low = min(value - room, *pending, value)
        high = max(value + room, *pending, value)
        return max(self.lowest, low), min(self.highest, high)


@dataclass(frozen=True)
class SafeRule:
    """Stop when no course of the metrics within their limits leads to a score as good as the best.

    Attributes:
        weights: metric -> weight, signed.
        limits: metric -> limits; a metric without them can be anything.
        last_step: the last training step of a trial; None: the last one of the complete peers.
        best: whether a trial's score is its best one, and not its last one.
    """

    direction: Direction
    weights: Mapping[str, float]
    limits: Mapping[str, Limits]
    last_step: int | None = None
    best: bool = True

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Compare the best that the trial can still reach with the best complete peer."""
        complete = [peer for peer in peers.values() if peer.is_complete and peer.scores]
        if not complete:
            return Verdict(keep=True, reason="no other trial is complete yet")
        last_step = self.last_step or max(peer.steps[-1] for peer in complete)
        incumbent = self.direction.best(self._final(peer) for peer in complete)
        reachable = self.reachable(trial, last_step)
        slack = _SLACK * (abs(incumbent) + abs(reachable)) if math.isfinite(reachable) else 0.0
        keep = self.direction.sign * (reachable - incumbent) >= -slack
        reason = f"it can still reach {reachable:.6g}; the best complete trial has {incumbent:.6g}"
        figures = {"reachable": reachable, "incumbent": incumbent, "last_step": last_step}
        return Verdict(keep=keep, reason=reason, figures=figures)

    def reachable(self, trial: History, last_step: int) -> float:
        """The best score that the trial can still end with."""
        sign, total = self.direction.sign, 0.0
        weighted = {metric: weight for metric, weight in self.weights.items() if weight}
        since = _settled(trial, weighted)
        for metric, weight in weighted.items():
            limits, series = self.limits.get(metric, Limits()), trial.metrics.get(metric)
            low, high = limits.reach(series, since, last_step)
            total += weight * (high if sign * weight > 0 else low)
        if self.best and trial.scores:
            return self.direction.best([total, self.direction.best(trial.scores)])
        return total

    def _final(self, peer: History) -> float:
        return self.direction.best(peer.scores) if self.best else peer.scores[-1]


@dataclass(frozen=True)
class ParetoRule:
    """Stop when a complete peer is at least as good in every objective, whatever still happens.

    Attributes:
        objectives: metric -> which way is better.
        limits: as in SafeRule.
        last_step: as in SafeRule.
    """

    objectives: Mapping[str, Direction]
    limits: Mapping[str, Limits]
    last_step: int | None = None

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Look for a complete peer that dominates the best corner of what the trial can reach."""
        complete = {
            name: peer
            for name, peer in peers.items()
            if peer.is_complete and all(self._last(peer, metric) for metric in self.objectives)
        }
        if not complete:
            return Verdict(keep=True, reason="no other trial is complete yet")
        last_step = self.last_step or max(
            peer.metrics[metric].steps[-1]
            for peer in complete.values()
            for metric in self.objectives
        )
        corner = {metric: self._corner(trial, metric, last_step) for metric in self.objectives}
        for name, peer in complete.items():
            gaps = [
                direction.sign * (peer.metrics[metric].values[-1] - corner[metric])
                for metric, direction in self.objectives.items()
            ]
            if min(gaps) >= 0 and max(gaps) > 0:
                reason = (
                    f"trial {name} is as good or better in {_listed(self.objectives)}, for good"
                )
                return Verdict(keep=False, reason=reason, figures=corner)
        return Verdict(keep=True, reason="no complete trial dominates it for good", figures=corner)

    def _corner(self, trial: History, metric: str, last_step: int) -> float:
        limits, series = self.limits.get(metric, Limits()), trial.metrics.get(metric)
        low, high = limits.reach(series, math.inf, last_step)
        return high if self.objectives[metric] is Direction.MAXIMIZE else low

    def _last(self, peer: History, metric: str) -> bool:
        return metric in peer.metrics and bool(peer.metrics[metric].values)


def _settled(trial: History, metrics: Iterable[str]) -> float:
    """The step up to which all of the metrics have been measured."""
    found = [trial.metrics.get(metric) for metric in metrics]
    return min((one.steps[-1] if one and one.steps else -math.inf for one in found), default=0.0)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
