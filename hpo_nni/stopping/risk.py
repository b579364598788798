"""Stop a trial that will hardly become the best, within a risk that the user states."""

from __future__ import annotations

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
_BEST = {
    Direction.MAXIMIZE: attrgetter("highest"),
    Direction.MINIMIZE: attrgetter("lowest"),
}
_RUNNING = {
    Direction.MAXIMIZE: attrgetter("running_maxima"),
    Direction.MINIMIZE: attrgetter("running_minima"),
}
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
        finals = [sign * final for final in map(self._final(), complete)]
        target = self._target(finals, peers)
        last_step = self.last_step or max([peer.steps[-1] for peer in complete])
        figures |= {"own": sign * level, "target": sign * target, "last_step": last_step}
        if level >= target or step >= last_step:
            what = "it is the best so far" if level >= target else "it is at its end"
            return Verdict(keep=True, reason=f"{what}: {sign * level:.6g}", figures=figures)
        origin = _origin(trial.steps)
        curve = Curve(
            tuple(one - origin for one in trial.steps), tuple(sign * one for one in trial.scores)
        )
        progress = (step - origin) / (last_step - origin)
        ends, others = self._ends(step, complete, finals), self._others(step, peers)
        prospect = Prospect(
            target=target,
            progress=progress,
            ends=ends or [(target, level)],
            ahead=max((gain for _, gain in others), default=0.0),
            better=sum(value > level for value, _ in others),
            peers=len(others),
        )
        chance = probability(features(curve, level, prospect), best=self.best)
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
        return _RUNNING[self.direction]

    def _final(self) -> Callable[[History], float]:
        """What a trial ends with; quickly, for it is asked of all trials at every verdict."""
        return _BEST[self.direction] if self.best else _newest

    def _target(self, finals: Sequence[float], peers: Mapping[str, History]) -> float:
        sign, best = self.direction.sign, max(finals)
        if self.best:  # a score that was reached counts, whatever became of the trial
            best = max([sign * score for score in map(self._final(), peers.values())])
        return best if self.target is None else max(best, sign * self.target)

    def _ends(
        self, step: int, complete: Sequence[History], finals: Sequence[float]
    ) -> list[tuple[float, float]]:
        """What the best complete trials ended with, and had at this step; the best one first."""
        course, sign, found = self._course(), self.direction.sign, []
        for k in sorted(range(len(finals)), key=finals.__getitem__, reverse=True)[:CROWD]:
            value = interpolated(complete[k].steps, course(complete[k]), step)
            if value is not None:
                found.append((finals[k], sign * value))
        return found

    def _others(self, step: int, peers: Mapping[str, History]) -> list[tuple[float, float]]:
        """What the latest trials had at this step, and how much they have gained since."""
        course, best, sign, found = self._course(), _BEST[self.direction], self.direction.sign, []
        for peer in list(peers.values())[-CROWD:]:
            value = interpolated(peer.steps, course(peer), step)
            if value is not None:
                went_on = peer.steps[-1] > step
                found.append((sign * value, sign * (best(peer) - value) if went_on else 0.0))
        return found


def _newest(history: History) -> float:
    return history.scores[-1]


def _origin(steps: Sequence[int]) -> int:
    """The step before the first evaluation: a run may go on from an older model's steps."""
    return max(0, 2 * steps[0] - steps[1])
