"""From the points of one source to evaluations: one score per step that has all metrics.

A score is `sum(weight * metric)`. NaN, infinity and a missing metric are states of an evaluation,
never numbers in a score: what becomes of them is said by a policy.
"""

from __future__ import annotations

import enum
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.errors import DivergedError, MetricError
from hpo_nni.metrics.silence import explain_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hpo_nni.metrics.base import MetricPoint, MetricSource

logger = logging.getLogger(__name__)

MAX_OPEN_STEPS = 10_000  # a loss at each step beside an accuracy at each thousandth


class EvaluationState(enum.Enum):
    """What is known of a step."""

    OK = "ok"
    NONFINITE = "nonfinite"  # a weighted metric is NaN or infinite, or the sum overflows
    MISSING = "missing"  # the step is over, and not all weighted metrics came


class Policy(enum.Enum):
    """What becomes of a step that has no score of its own, as users spell it."""

    FAIL = "fail"  # the trial fails and says which metric it was
    WORST = "worst"  # the worst finite score of the experiment so far stands in
    SKIP = "skip"  # the step counts for nothing


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one step of one source.

    Attributes:
        source: whose, as the ini calls it.
        step: the training step, or a position.
        values: all raw metrics of the step; non-finite ones too.
        score: finite; None where there is none. Of an evaluation that is not OK it is the worst
            score of the experiment, by policy.
        time: seconds since the epoch when its last metric was written, where the source tells.
    """

    source: str
    step: int
    values: Mapping[str, float]
    score: float | None
    state: EvaluationState
    time: float | None = None


@dataclass(frozen=True)
class Scoring:
    """How metrics become a score.

    Attributes:
        weights: metric -> weight, finite; metrics of weight 0 are recorded and count for nothing.
        nonfinite: what becomes of a step with a weighted metric that is NaN or infinite.
        missing: what becomes of a step that lacks a weighted metric.
        worst: the worst finite score of the experiment so far; None before there is one.
    """

    weights: Mapping[str, float]
    nonfinite: Policy = Policy.FAIL
    missing: Policy = Policy.SKIP
    worst: Callable[[], float | None] = lambda: None

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.weights.values())) or not self.weighted:
            raise ValueError(f"weights must be finite and not all 0: {dict(self.weights)}")

    @property
    def weighted(self) -> dict[str, float]:
        """The metrics that make the score."""
        return {name: weight for name, weight in self.weights.items() if weight != 0}

    def sum(self, values: Mapping[str, float]) -> float:
        """The weighted sum; NaN or infinite if a weighted metric is, or if it overflows.

        >>> Scoring({"auc": 1, "loss": -0.5}).sum({"auc": 0.75, "loss": 0.5})
        0.5
        """
        return sum(weight * values[name] for name, weight in self.weighted.items())


@dataclass
class _OpenStep:
    values: dict[str, float] = field(default_factory=dict)
    time: float | None = None


class Evaluator:
    """Combines the points of one source by their steps; gives each step's evaluation once.

    1. A step is evaluated when all of its metrics have come. Metrics of weight 0 are waited for
       until a point of another step comes; once a step has been evaluated, only those of them
       that have appeared before.
    2. Steps may come in any order and are evaluated as they become complete. Until then the last
       value of a metric wins. Afterwards the step is settled: what a restarted trainer writes
       for it again is counted in `repeated` and not used, for it has been reported.
    3. The same points give the same evaluations, however they are divided among calls.
    4. At most 10,000 steps are kept open; the oldest is given up as missing when there are more.

    Attributes:
        source: the name of the source.
        failure: why the trial must fail by its policies; set by `add` and `close`, which still
            return all evaluations.
        repeated: how many points came for settled steps.
    """

    def __init__(self, source: str, scoring: Scoring) -> None:
        self.source = source
        self.failure: MetricError | None = None
        self.repeated = 0
        self.steps_of: dict[str, int] = {}
        self._scoring = scoring
        self._weighted = scoring.weighted.keys()
        self._open: dict[int, _OpenStep] = {}
        self._waiting: int | None = None  # complete but for metrics of weight 0
        self._settled: set[int] = set()
        self._scores = 0

    def add(self, points: Iterable[MetricPoint]) -> list[Evaluation]:
        """Take points in their order and return the evaluations that they complete."""
        found = []
        for point in points:
            if self._waiting is not None and self._waiting != point.step:
                found.append(self._settle(self._waiting))
            if self._take(point):
                found.append(self._settle(point.step))
            elif len(self._open) > MAX_OPEN_STEPS:
                found.append(self._settle(next(iter(self._open))))
        return found

    def close(self, source: MetricSource) -> list[Evaluation]:
        """End it: evaluate what is complete, tell what is not, and see whether there was a score.

        Where no step has a score, `failure` explains it with what `source` did see, or the policy
        for missing metrics is `worst` and one evaluation with that score is given.
        """
        found = [self._settle(step) for step in list(self._open)]
        if not self._scores and self.failure is None:
            if self._scoring.missing is Policy.WORST:
                found.append(self._evaluation(0, _OpenStep()))
            else:
                self.failure = explain_silence(self.source, self._weighted, self.steps_of, source)
        return found

    def _take(self, point: MetricPoint) -> bool:
        """Note a point; return whether its step is complete."""
        values = {
            name: value for name, value in point.values.items() if name in self._scoring.weights
        }
        if not values:
            return False
        if point.step in self._settled:
            self._repeat(point.step)
            return False
        step = self._open.setdefault(point.step, _OpenStep())
        for name in values.keys() - step.values.keys():
            self.steps_of[name] = self.steps_of.get(name, 0) + 1
        step.values.update(values)
        step.time = point.time if point.time is not None else step.time
        if not self._weighted <= step.values.keys():
            return False
        self._waiting = point.step
        expected = self.steps_of if self._settled else self._scoring.weights
        return expected.keys() <= step.values.keys()

    def _repeat(self, step: int) -> None:
        self.repeated += 1
        if self.repeated == 1:
            logger.warning(
                "%s: step %d is written again after it was evaluated, as after a restart of the"
                " trainer; the first evaluation of a step stands",
                self.source,
                step,
            )

    def _settle(self, step: int) -> Evaluation:
        if step == self._waiting:
            self._waiting = None
        evaluation = self._evaluation(step, self._open.pop(step))
        if evaluation.state is not EvaluationState.MISSING:
            self._settled.add(step)
        return evaluation

    def _evaluation(self, step: int, found: _OpenStep) -> Evaluation:
        score: float | None = None
        if not self._weighted <= found.values.keys():
            state = EvaluationState.MISSING
            score = self._stand_in(self._scoring.missing, state, step, found.values)
        elif math.isfinite(total := self._scoring.sum(found.values)):
            state = EvaluationState.OK
            score = total
        else:
            state = EvaluationState.NONFINITE
            score = self._stand_in(self._scoring.nonfinite, state, step, found.values)
        self._scores += score is not None
        return Evaluation(self.source, step, found.values, score, state, found.time)

    def _stand_in(
        self, policy: Policy, state: EvaluationState, step: int, values: Mapping[str, float]
    ) -> float | None:
        """The score that the policy gives to a step without one; may set `failure`."""
        if policy is Policy.SKIP:
            return None
        worst = self._scoring.worst() if policy is Policy.WORST else None
        if worst is None and self.failure is None:
            self.failure = self._refusal(policy, state, step, values)
        return worst

    def _refusal(
        self, policy: Policy, state: EvaluationState, step: int, values: Mapping[str, float]
    ) -> MetricError:
        if state is EvaluationState.MISSING:
            lacking = ", ".join(repr(name) for name in self._weighted if name not in values)
            fact = f"{self.source}: step {step} has no {lacking}"
            key = "missing_policy"
        else:
            bad = [name for name in self._weighted if not math.isfinite(values[name])]
            shown = ", ".join(f"{name!r} is {values[name]}" for name in bad)
            fact = f"{self.source}: {shown or 'the score overflows'} at step {step}"
            key = "nonfinite_policy"
        kind = MetricError if state is EvaluationState.MISSING else DivergedError
        if policy is Policy.WORST:
            return kind(
                f"{fact}, and no trial of this experiment has a score yet that could stand in",
                hint=f"{key} = skip leaves such steps out",
            )
        return kind(
            fact, hint=f"{key} = skip leaves such steps out, worst gives them the worst score"
        )
