"""Stop a trial that will hardly become the best, within a risk that the user states."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import Verdict, interpolated
from hpo_nni.stopping.forecast import Curve, Prospect, allowed_chance, features, probability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.stopping.base import History

CROWD = 63  # peers that are looked at: as many as the forecast was fitted with
_RUNNING = {Direction.MAXIMIZE: "running_maxima", Direction.MINIMIZE: "running_minima"}
FIRST_VERDICT = 3  # evaluations; before, there is no trend


@dataclass(frozen=True)
class RiskRule:
    """Stop when the chance to become the best trial is too small for the risk that was stated.

    The chance is that of `forecast.probability`, to end above the best so far. That is the best
    score of any trial where trials end with their best score, and the best complete trial where
    they end with their last one. A trial that equals it goes on, and so does every trial before
    one is complete: until then nobody knows how long a trial is.

    Attributes:
        risk: the probability, per experiment, that its best configuration is stopped.
        best: whether a trial ends with its best score, and not with its last one.
        target: a score to be reached, where it is better than the best so far.
        last_step: the last training step of a trial; None: that of the longest complete trial.
    """

    direction: Direction
    risk: float = 0.01
    best: bool = True
    target: float | None = None
    last_step: int | None = None

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Compare the trial's chance with what the risk leaves to a trial."""
        step, sign = trial.steps[-1], self.direction.sign
        course = self._course()
        complete = [peer for peer in peers.values() if peer.is_complete]
        figures: dict[str, float] = {"step": step, "evaluations": len(trial.steps)}
        if not complete or len(trial.steps) < FIRST_VERDICT:
            what = "it has no trend yet" if complete else "no other trial is complete yet"
            return Verdict(keep=True, reason=what, figures=figures)
        level = sign * course(trial)[-1]
        finals = [sign * course(peer)[-1] for peer in complete]
        target = self._target(finals, peers)
        last_step = self.last_step or max(peer.steps[-1] for peer in complete)
        figures |= {"own": sign * level, "target": sign * target, "last_step": last_step}
        if level >= target or step >= last_step:
            what = "it is the best so far" if level >= target else "it is at its end"
            return Verdict(keep=True, reason=f"{what}: {sign * level:.6g}", figures=figures)
        origin = _origin(trial.steps)
        curve = Curve(
            tuple(one - origin for one in trial.steps), tuple(sign * one for one in trial.scores)
        )
        progress = (step - origin) / (last_step - origin)

        def at_step(peer: History) -> float | None:
            value = interpolated(peer.steps, course(peer), step)
            return None if value is None else sign * value

        leaders = heapq.nlargest(CROWD, zip(finals, range(0, -len(finals), -1), strict=True))
        prospect = self._prospect(
            level,
            target,
            progress,
            [(final, at_step(complete[-place])) for final, place in leaders],
            [at_step(peer) for peer in list(peers.values())[-CROWD:]],
        )
        chance = probability(features(curve, level, prospect))
        allowed = allowed_chance(self.risk, best=self.best)
        keep = chance >= allowed
        reason = (
            f"{sign * level:.6g} at step {step} of {last_step} has a chance of {chance:.2g} to end "
            f"better than {sign * target:.6g}, {'not ' * keep}less than the {allowed:.2g} that a "
            f"risk of {self.risk:g} leaves to a trial"
        )
        figures |= {
            "chance": chance,
            "allowed": allowed,
            "risk": self.risk,
            "complete": len(complete),
            "peers": prospect.peers,
            "better": prospect.better,
        }
        return Verdict(keep=keep, reason=reason, figures=figures)

    def _course(self) -> Callable[[History], Sequence[float]]:
        """What a trial would end with if it ended at each of its steps."""
        if not self.best:
            return attrgetter("scores")
        return attrgetter(_RUNNING[self.direction])

    def _target(self, finals: Sequence[float], peers: Mapping[str, History]) -> float:
        best = max(finals)
        if self.best:  # a score that was reached counts, whatever became of the trial
            course, sign = self._course(), self.direction.sign
            best = max(sign * course(peer)[-1] for peer in peers.values())
        return best if self.target is None else max(best, self.direction.sign * self.target)

    def _prospect(
        self,
        level: float,
        target: float,
        progress: float,
        leaders: Sequence[tuple[float, float | None]],
        peers: Sequence[float | None],
    ) -> Prospect:
        """Put together what others had at this step: complete trials, best first, and all."""
        ran = [(final, value) for final, value in leaders if value is not None]
        final, leader = ran[0] if ran else (target, level)
        others = [value for value in peers if value is not None]
        return Prospect(
            target=target,
            progress=progress,
            leader=leader,
            leader_gain=final - leader,
            greatest_gain=max((end - value for end, value in ran), default=0.0),
            better=sum(value > level for value in others),
            peers=len(others),
        )


def _origin(steps: Sequence[int]) -> int:
    """The step before the first evaluation: a run may go on from an older model's steps."""
    return max(0, 2 * steps[0] - steps[1])
