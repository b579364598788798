"""A project's days as `hpo-nni daily` left them: champions, scores, challengers, drift, cost.

Drift is what has become of the champion's lead since it was shipped. Its lead on a day is the mean
difference, day by day, to the untuned config on the days that both were trained on; so a hard day,
which is hard for both, is no drift. Where the sweep of a day ran no untuned trial, drift is the
change of the champion's own score on its held-out days, and is marked as not paired.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hpo_nni.core.rescoring import Rescoring
from hpo_nni.daily.holdout import holdout_id
from hpo_nni.daily.results import DECIDED
from hpo_nni.direction import Direction
from hpo_nni.ledger.records import TrialState, counted_trials
from hpo_nni.reports.common_days import DayReader, point_of
from hpo_nni.reports.values import canonical
from hpo_nni.trial.budget import FACTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import DailyRunRecord, TrialRecord

SHIPPED = "shipped"


@dataclass(frozen=True)
class Champion:
    """A point that was in use.

    Attributes:
        number: 0 for the one of the first day, then in the order of shipping.
        since: the day on which it was shipped; the first day for the first one.
    """

    number: int
    point: Mapping[str, Any]
    since: str

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"#{self.number}" if self.point or self.number else "untuned"


@dataclass(frozen=True)
class Day:
    """One day of a project.

    Attributes:
        champion: in use when the day began.
        score: the champion's mean over the held-out days; None without a comparison.
        challenger_score: likewise; of the same days.
        tried: how many points the sweep tried, apart from the untuned one.
        drift: see the module; better is larger. None for the first champion, which was not
            shipped, and where the day or that of its shipping has no comparison.
        is_paired: whether drift is that of the lead over the untuned config.
    """

    run: DailyRunRecord
    champion: Champion
    score: float | None = None
    challenger_score: float | None = None
    tried: int = 0
    drift: float | None = None
    is_paired: bool = False

    @property
    def is_shipped(self) -> bool:
        """Whether its challenger became champion."""
        return self.run.state == SHIPPED

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the challenger's gain; better is larger."""
        verdict = self.run.verdict
        known = "lower" in verdict and "upper" in verdict
        return (verdict["lower"], verdict["upper"]) if known else None


@dataclass(frozen=True)
class History:
    """All days of a project, the oldest first.

    Attributes:
        currency: of the costs; empty where nothing has a price.
    """

    project: str
    days: tuple[Day, ...]
    champions: tuple[Champion, ...]
    direction: Direction = Direction.MAXIMIZE
    currency: str = ""
    directory: str = field(default="", compare=False)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "project": self.project,
            "directory": self.directory,
            "direction": self.direction.value,
            "currency": self.currency or None,
            "champions": [
                {"name": one.name, "since": one.since, "point": dict(one.point)}
                for one in self.champions
            ],
            "days": [_facts(day) for day in self.days],
        }


def read_history(ledger: Ledger, project: str) -> History:
    """Read it from the ledger; without days where the project has none there."""
    runs = ledger.daily_runs(project)
    reader = _Reader(ledger)
    champions: list[Champion] = []
    when_shipped: _Standing | None = None  # how the champion stood then
    days = []
    for run in runs:
        if not champions:
            champions.append(Champion(0, run.champion, run.day))
        now = reader.standing(run, run.champion, run.champion_scores)
        day = reader.day(run, champions[-1])
        days.append(_with_drift(day, now, when_shipped, reader.direction))
        if run.state == SHIPPED:
            champions.append(Champion(len(champions), run.challenger, run.day))
            when_shipped = reader.standing(run, run.challenger, run.challenger_scores)
    return History(
        project=project,
        days=tuple(days),
        champions=tuple(champions),
        direction=reader.direction,
        currency=reader.currency,
        directory=str(ledger.path.parent),
    )


@dataclass(frozen=True)
class _Standing:
    """How a point stood on a day.

    Attributes:
        score: on the held-out days.
        lead: over the untuned config; None where that did not run.
    """

    score: float
    lead: float | None


class _Reader:
    """Reads of the sweeps what the rows of the days do not have."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.direction = Direction.MAXIMIZE
        self.currency = ""

    def day(self, run: DailyRunRecord, champion: Champion) -> Day:
        """The day without its drift."""
        experiment = self._ledger.experiment(run.experiment_id)
        if experiment is not None:
            self.direction = Direction(experiment.direction)
            costs = experiment.settings.get(FACTS) or {}
            self.currency = costs.get("currency", self.currency)
        points = {
            point_of(trial)
            for trial in counted_trials(self._ledger.trials(run.experiment_id))
            if not trial.is_baseline
        }
        return Day(
            run,
            champion,
            score=_mean(run.champion_scores),
            challenger_score=_mean(run.challenger_scores),
            tried=len(points),
        )

    def standing(
        self, run: DailyRunRecord, point: Mapping[str, Any], scores: Mapping[str, float]
    ) -> _Standing | None:
        """How a contender stood on a day; None where it was not compared."""
        if run.state not in DECIDED or not scores:
            return None
        return _Standing(fmean(scores.values()), self._lead(run, point))

    def _lead(self, run: DailyRunRecord, point: Mapping[str, Any]) -> float | None:
        """The mean difference to the untuned config, on the days that both completed."""
        sweep = self._trials(run.experiment_id)
        walks = self._trials(holdout_id(run.experiment_id))
        own = self._by_day([one for one in walks if _is_of(one, point)])
        untuned = self._by_day([one for one in [*walks, *sweep] if _is_of(one, {})])
        common = own.keys() & untuned.keys()
        if not point or not common:
            return None
        return fmean(own[day] - untuned[day] for day in common)

    def _trials(self, experiment_id: str) -> list[TrialRecord]:
        return [
            trial
            for trial in self._ledger.trials(experiment_id)
            if trial.state is TrialState.SUCCEEDED
        ]

    def _by_day(self, trials: Sequence[TrialRecord]) -> dict[str, float]:
        """The mean score of each day."""
        found: dict[str, list[float]] = {}
        for trial in trials:
            experiment = self._ledger.experiment(trial.experiment_id)
            assert experiment is not None, "a trial has one"
            reader = DayReader(self._ledger, experiment, Rescoring.of(experiment, {}))
            for day, score in reader.by_day(trial).items():
                found.setdefault(day, []).append(score)
        return {day: fmean(scores) for day, scores in found.items()}


def _with_drift(
    day: Day, now: _Standing | None, then: _Standing | None, direction: Direction
) -> Day:
    if now is None or then is None:
        return day
    if now.lead is None or then.lead is None:
        return replace(day, drift=direction.sign * (now.score - then.score))
    return replace(day, drift=direction.sign * (now.lead - then.lead), is_paired=True)


def _is_of(trial: TrialRecord, point: Mapping[str, Any]) -> bool:
    return point_of(trial) == canonical(dict(point))


def _mean(scores: Mapping[str, float]) -> float | None:
    return fmean(scores.values()) if scores else None


def _facts(day: Day) -> dict[str, Any]:
    facts = asdict(day.run)
    del facts["project"]
    return facts | {
        "champion": day.champion.name,
        "score": day.score,
        "challenger_score": day.challenger_score,
        "tried": day.tried,
        "drift": day.drift,
        "drift_is_paired": day.is_paired,
    }
