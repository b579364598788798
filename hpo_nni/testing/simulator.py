"""A virtual clock under real tuners and stopping rules: recorded curves instead of jobs.

Trials take the time that their curves say, in a clock that jumps from report to report; so
thousands of them run in seconds. Everything is in the order of time, and at one time in that of the
places in which trials run, so the same source, judge and curves give the same run.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.stopping.base import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.base import Optimizer
    from hpo_nni.stopping.base import StoppingRule, Verdict


@dataclass(frozen=True)
class Curve:
    """What a trial would report if nobody stopped it.

    Attributes:
        scores: in the order of the reports; NaN where a report has no score.
        seconds: how long one evaluation takes, in virtual time.
        stride: training steps from one report to the next.
    """

    scores: tuple[float, ...]
    seconds: float = 1.0
    stride: int = 1

    def final(self, direction: Direction, *, best: bool) -> float | None:
        """The score it ends with, best so far or last; None where it has none."""
        finite = [score for score in self.scores if math.isfinite(score)]
        if not finite:
            return None
        return direction.best(finite) if best else finite[-1]


class Source(Protocol):
    """Where the next trial comes from."""

    def ask(self) -> Curve | None:
        """The curve of the next trial; None when there is no further one."""
        ...

    def tell(self, number: int, reported: Sequence[float], *, complete: bool) -> None:
        """Learn how trial `number`, counted from 0 in the order of `ask`, went."""
        ...


class Judge(Protocol):
    """Who says whether a trial goes on."""

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:
        """Whether a trial that has reported these scores, the newest last, is stopped."""
        ...

    def ended(self, number: int, *, complete: bool) -> None:
        """Learn that a trial ended: by itself, or not."""
        ...


@dataclass(frozen=True)
class SimulatedTrial:
    """How one trial went.

    Attributes:
        evaluations: how many it has made.
        complete: whether it ran to its end.
        ended: in virtual seconds.
        stopped: whether the judge stopped it; neither is true of a trial that the end of the
            simulation cut short.
    """

    curve: Curve
    evaluations: int
    complete: bool
    ended: float
    stopped: bool = False


@dataclass(frozen=True)
class Run:
    """What came of a simulation; trials in the order of their beginning."""

    trials: tuple[SimulatedTrial, ...]

    @property
    def share(self) -> float:
        """The evaluations that were made, of those that all trials together would have made."""
        whole = sum(len(trial.curve.scores) for trial in self.trials)
        return sum(trial.evaluations for trial in self.trials) / whole

    @property
    def seconds(self) -> float:
        """When the last trial ended."""
        return max((trial.ended for trial in self.trials), default=0.0)

    def regret(self, direction: Direction, *, best: bool) -> float:
        """How far the best complete trial is behind the best of all, had all been complete.

        Infinite if no trial with a score is complete.
        """
        ends = [(trial.complete, trial.curve.final(direction, best=best)) for trial in self.trials]
        all_scores = [score for _, score in ends if score is not None]
        complete = [score for is_complete, score in ends if is_complete and score is not None]
        if not complete:
            return math.inf
        return direction.sign * (direction.best(all_scores) - direction.best(complete))


def simulate(
    source: Source, judge: Judge, concurrency: int = 4, *, budget: float = math.inf
) -> Run:
    """Run the trials of a source.

    Args:
        source: where they come from.
        judge: who says which of them go on.
        concurrency: how many run at a time.
        budget: how many evaluations all trials together may make; what runs then is cut short.
    """
    waiting: list[tuple[float, int, int, int]] = []  # when, in which place, whose, the how-many-th
    curves: list[Curve] = []
    trials: dict[int, SimulatedTrial] = {}
    spent = 0

    def begin(now: float, place: int) -> None:
        curve = source.ask()
        if curve is not None:
            heapq.heappush(waiting, (now + curve.seconds, place, len(curves), 1))
            curves.append(curve)

    for place in range(concurrency):
        begin(0.0, place)
    while waiting:
        now, place, number, evaluations = heapq.heappop(waiting)
        curve = curves[number]
        if spent >= budget:
            trials[number] = SimulatedTrial(curve, evaluations - 1, complete=False, ended=now)
            continue
        spent += 1
        reported = curve.scores[:evaluations]
        # NNI asks the assessor about the last report, too, but what it says then stops nothing.
        stopped = judge.stops(number, reported, curve)
        complete = evaluations == len(curve.scores)
        if not stopped and not complete:
            heapq.heappush(waiting, (now + curve.seconds, place, number, evaluations + 1))
            continue
        trials[number] = SimulatedTrial(curve, evaluations, complete, now, stopped and not complete)
        judge.ended(number, complete=complete)
        source.tell(number, reported, complete=complete)
        begin(now, place)
    return Run(tuple(trials[number] for number in range(len(curves))))


class InOrder:
    """Trials in a given order; what came of them changes nothing."""

    def __init__(self, curves: Iterable[Curve]) -> None:
        self._curves = iter(curves)

    def ask(self) -> Curve | None:
        """The next one."""
        return next(self._curves, None)

    def tell(self, number: int, reported: Sequence[float], *, complete: bool) -> None:
        """Nothing is learnt."""


@dataclass
class Tuned:
    """Trials as an optimizer proposes them; early-stopped ones are told as such.

    Attributes:
        optimizer: asked `count` times at most.
        curve_of: the recorded curve that stands for a point.
        best: whether a trial ends with its best score or with its last.
    """

    optimizer: Optimizer
    curve_of: Callable[[dict[str, Any]], Curve]
    direction: Direction
    count: int
    best: bool = True
    _points: list[dict[str, Any]] = field(default_factory=list)

    def ask(self) -> Curve | None:
        """The curve of the next point."""
        point = self.optimizer.ask() if len(self._points) < self.count else None
        if point is None:
            return None
        self._points.append(point)
        return self.curve_of(point)

    def tell(self, number: int, reported: Sequence[float], *, complete: bool) -> None:
        """Pass the outcome on."""
        score = Curve(tuple(reported)).final(self.direction, best=self.best or not complete)
        outcome = Outcome.COMPLETE if complete else Outcome.STOPPED
        if score is None:
            outcome = Outcome.FAILED
        point = self._points[number]
        self.optimizer.tell([Observation(point, outcome, score, len(reported))])


class NoJudge:
    """Stops nothing."""

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:  # noqa: ARG002 - the seam's signature
        """Whether it is stopped: never."""
        return False

    def ended(self, number: int, *, complete: bool) -> None:
        """Nothing is learnt."""


class RuleJudge:
    """Asks a stopping rule of ours; keeps the verdicts in `verdicts` if it is told to."""

    def __init__(self, rule: StoppingRule, *, keep_verdicts: bool = False) -> None:
        self.verdicts: list[tuple[int, Verdict]] = []
        self._rule = rule
        self._keep = keep_verdicts
        self._histories: dict[str, History] = {}

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:
        """Judge the trial by its finite scores and the histories of all others."""
        steps = tuple(
            k * curve.stride for k, score in enumerate(reported, start=1) if math.isfinite(score)
        )
        history = History(
            steps,
            tuple(score for score in reported if math.isfinite(score)),
            nonfinite="" if math.isfinite(reported[-1]) else "score",
            seconds=len(reported) * curve.seconds,
        )
        name = str(number)
        self._histories.pop(name, None) if not steps else self._histories.update({name: history})
        if not steps and not history.nonfinite:
            return False
        peers = {other: known for other, known in self._histories.items() if other != name}
        verdict = self._rule.judge(history, peers)
        if self._keep:
            self.verdicts.append((number, verdict))
        return not verdict.keep

    def ended(self, number: int, *, complete: bool) -> None:
        """Note that a trial is complete."""
        known = self._histories.get(str(number))
        if complete and known is not None:
            self._histories[str(number)] = History(
                known.steps, known.scores, is_complete=True, seconds=known.seconds
            )


class NniJudge:
    """Asks an assessor as NNI's dispatcher does: any class with NNI's methods."""

    def __init__(self, assessor: Any) -> None:
        self._assessor = assessor

    def stops(self, number: int, reported: Sequence[float], curve: Curve) -> bool:  # noqa: ARG002 - the seam's signature
        """Pass on all that was reported; an assessor that says nothing keeps the trial."""
        result = self._assessor.assess_trial(str(number), list(reported))
        return getattr(result, "name", "") == "Bad"

    def ended(self, number: int, *, complete: bool) -> None:
        """Pass it on."""
        self._assessor.trial_end(str(number), complete)


class NniTuned:
    """Asks a tuner as NNI's dispatcher does: any class with NNI's methods.

    Args:
        tuner: has its search space; raises at the end of its points.
        curve_of: the recorded curve that stands for a point.
        count: how many trials there are at most.
        final: the score of a complete trial, of what it has reported.
    """

    def __init__(
        self,
        tuner: Any,
        curve_of: Callable[[dict[str, Any]], Curve],
        count: int,
        final: Callable[[Sequence[float]], float | None],
    ) -> None:
        self._tuner, self._curve_of, self._count, self._final = tuner, curve_of, count, final
        self._points: list[dict[str, Any]] = []

    def ask(self) -> Curve | None:
        """The curve of the next proposal."""
        number = len(self._points)
        if number == self._count:
            return None
        self._points.append(self._tuner.generate_parameters(number, trial_job_id=str(number)))
        return self._curve_of(self._points[-1])

    def tell(self, number: int, reported: Sequence[float], *, complete: bool) -> None:
        """Report a final result if the trial is complete, then its end."""
        score = self._final(reported) if complete else None
        if score is not None:
            self._tuner.receive_trial_result(
                number, self._points[number], score, trial_job_id=str(number)
            )
        self._tuner.trial_end(number, success=complete, trial_job_id=str(number))
