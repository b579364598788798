"""Scores of two experiments on the days that both have; days in which one has none are left out.

A day is a metric source of the trials: `metric_source_20261001` is 20261001. Without several
sources there is one row, for all that a trial was scored on. A trial counts on the days that it
completed, also if it was stopped or failed later; without days, if it ran to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hpo_nni.core.rescoring import Rescoring
from hpo_nni.ledger.records import EARLIER, JUDGED, TrialState, counted_trials, visible_point
from hpo_nni.metrics import Evaluation, condense
from hpo_nni.metrics.score import EvaluationState
from hpo_nni.reports.days import days_in
from hpo_nni.reports.values import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import EvaluationRecord, ExperimentRecord, TrialRecord

ALL = "all"  # what the one row is called where there are no days


@dataclass(frozen=True)
class DayScores:
    """One day.

    Attributes:
        best_a, best_b: of all trials that completed it.
        pairs: scores of A and B of each point that ran in both.
    """

    day: str
    best_a: float
    best_b: float
    pairs: tuple[tuple[float, float], ...]

    @property
    def paired(self) -> float | None:
        """The mean of B minus A over the same points; None without any."""
        return fmean(b - a for a, b in self.pairs) if self.pairs else None


@dataclass(frozen=True)
class CommonDays:
    """All days that both have.

    Attributes:
        direction: of A.
        days: in order.
        points: how many points ran in both.
        remarks: what must be known to read the figures.
    """

    direction: Direction
    days: tuple[DayScores, ...]
    points: int
    remarks: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """The same for JSON; `paired` is B minus A of the same points on the same day."""
        return {
            "direction": self.direction.value,
            "same_points": self.points,
            "days": [
                {
                    "day": one.day,
                    "best_a": one.best_a,
                    "best_b": one.best_b,
                    "pairs": len(one.pairs),
                    "paired": one.paired,
                }
                for one in self.days
            ],
            "remarks": list(self.remarks),
        }


@dataclass(frozen=True)
class DayReader:
    """Reads the scores of one experiment's trials by day.

    Attributes:
        rescoring: how scores are made, and how those of one day become one.
        is_as_recorded: whether the recorded scores are made so.
    """

    ledger: Ledger
    experiment: ExperimentRecord
    rescoring: Rescoring
    is_as_recorded: bool = True

    def by_point(self) -> dict[str, dict[str, list[float]]]:
        """Scores by point and day; a point that ran several times has several."""
        found: dict[str, dict[str, list[float]]] = {}
        for trial in counted_trials(self.ledger.trials(self.experiment.id)):
            point = found.setdefault(point_of(trial), {})
            for day, score in self.by_day(trial).items():
                point.setdefault(day, []).append(score)
        return found

    def by_day(self, trial: TrialRecord) -> dict[str, float]:
        """The score of each day that the trial completed."""
        series: dict[str, list[EvaluationRecord]] = {}
        for one in self.ledger.evaluations(trial.id):
            if not one.source.startswith(EARLIER):
                series.setdefault(one.source, []).append(one)
        completed = len(series.get(JUDGED, ()))
        if len(series) > 1:  # the judged series repeats what the sources have, once each is over
            del series[JUDGED]
        elif trial.state is not TrialState.SUCCEEDED:
            return {}
        names = list(series)[:completed]
        scores = {_day(name): self._score(series[name]) for name in names}
        return {day: score for day, score in scores.items() if score is not None}

    def _score(self, evaluations: Sequence[EvaluationRecord]) -> float | None:
        scored = [
            Evaluation(
                one.source,
                one.step,
                one.values,
                one.score if self.is_as_recorded else self.rescoring.score(one),
                EvaluationState.OK,
            )
            for one in evaluations
        ]
        found = condense(scored, self.rescoring.mode, self.rescoring.direction)
        return None if found is None else found.score


def point_of(trial: TrialRecord) -> str:
    """The trial's point as text; empty for the untuned config, whatever its values are."""
    return canonical({} if trial.is_baseline else visible_point(trial.parameters))


def common_days(
    a: tuple[Ledger, ExperimentRecord], b: tuple[Ledger, ExperimentRecord]
) -> CommonDays:
    """Compare the scores of two experiments; where B makes them otherwise, they are made as A's."""
    facts = [one.settings.get("score") or {} for _, one in (a, b)]
    is_same = canonical(facts[0]) == canonical(facts[1])
    rescoring = Rescoring.of(a[1], facts[0].get("weights", {}))
    is_known = bool(facts[0])
    first = DayReader(*a, rescoring, is_as_recorded=True).by_point()
    second = DayReader(*b, rescoring, is_as_recorded=is_same or not is_known).by_point()
    days = _days(first, second, rescoring.direction)
    points = sum(1 for point in first if first[point] and second.get(point))
    return CommonDays(rescoring.direction, days, points, _remarks(a[1], b[1], facts))


def _days(
    a: Mapping[str, Mapping[str, Sequence[float]]],
    b: Mapping[str, Mapping[str, Sequence[float]]],
    direction: Direction,
) -> tuple[DayScores, ...]:
    found = []
    for day in sorted(_names(a) & _names(b)):
        best = [
            direction.best([score for point in side.values() for score in point.get(day, ())])
            for side in (a, b)
        ]
        pairs = [
            (fmean(a[point][day]), fmean(b[point][day]))
            for point in a
            if day in a[point] and day in b.get(point, {})
        ]
        found.append(DayScores(day, best[0], best[1], tuple(pairs)))
    return tuple(found)


def _names(side: Mapping[str, Mapping[str, Sequence[float]]]) -> set[str]:
    return {day for point in side.values() for day in point}


def _remarks(
    a: ExperimentRecord, b: ExperimentRecord, facts: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    remarks = []
    if not all(facts):
        sides = " and ".join(side for side, one in zip("AB", facts, strict=True) if not one)
        remarks.append(f"{sides}: how scores are made was not recorded; they are taken as they are")
    elif canonical(facts[0]) != canonical(facts[1]):
        remarks.append("scores are made otherwise in B: here they are made of its metrics as in A")
    if a.direction != b.direction:
        remarks.append(f"A is to {a.direction} and B to {b.direction}: best is meant as in A")
    return tuple(remarks)


def _day(source: str) -> str:
    days = days_in(source)
    return days[0] if len(days) == 1 else source or ALL
