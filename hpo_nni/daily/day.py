"""One day of a project, from its data to its verdict; what was done is in the ledger first.

    waiting -> sweeping -> comparing -> shipped | kept | failed

A call that finds the day decided does nothing; one that finds it open goes on there.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from hpo_nni.daily.decision import judge
from hpo_nni.daily.holdout import Contender, holdout_id
from hpo_nni.daily.results import DECIDED
from hpo_nni.direction import Direction
from hpo_nni.errors import HpoNniError, JobError, SettingsError
from hpo_nni.ledger.records import DailyRunRecord, TrialState, counted_trials, visible_point
from hpo_nni.trial.spending import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.daily.decision import Verdict
    from hpo_nni.daily.holdout import Scores
    from hpo_nni.daily.project_file import Project
    from hpo_nni.daily.window import Window
    from hpo_nni.ledger import Ledger

logger = logging.getLogger(__name__)

WAITING, SWEEPING, COMPARING = "waiting", "sweeping", "comparing"
SHIPPED, KEPT, FAILED = "shipped", "kept", "failed"
ENDED = DECIDED | {FAILED}
CHAMPION = "champion"


class Work(Protocol):
    """What a day does outside itself; each may raise Interrupted."""

    def missing(self) -> Sequence[str]:
        """What of the day's data is not there yet."""
        ...

    def pause(self, seconds: float) -> None:
        """Sleep."""
        ...

    def sweep(self, experiment_id: str, announce: Callable[[str], None]) -> None:
        """Run the sweep over the tuning days to its end.

        Args:
            experiment_id: of one to go on with; empty for a new one.
            announce: told the id before anything runs.

        Raises:
            HpoNniError: it could not.
        """
        ...

    def walk(self, experiment_id: str, contenders: Sequence[Contender]) -> Mapping[str, Scores]:
        """Run these through all days; their scores of the held-out ones, none for who cannot."""
        ...

    def publish(self, run: DailyRunRecord) -> None:
        """Write what the verdict is worth; before it is in the ledger."""
        ...


@dataclass
class Day:
    """One day; `run` takes it as far as it goes.

    Attributes:
        name: of the project.
        clock: seconds since the epoch.
    """

    project: Project
    name: str
    window: Window
    ledger: Ledger
    work: Work
    clock: Callable[[], float] = time.time

    def known(self) -> DailyRunRecord | None:
        """The day as the ledger has it."""
        runs = self.ledger.daily_runs(self.name)
        return next((run for run in runs if run.day == self.window.name), None)

    def run(self, *, may_wait: bool = True, again: bool = False) -> DailyRunRecord:
        """Go on until the day is decided, or waits and may not.

        Args:
            may_wait: whether to stay until the data is there.
            again: whether a failed day is taken up where it was.
        """
        run = self.known() or self._begin()
        if run.state == FAILED and again:
            run = self._taken_up(run)
        if run.state in ENDED:
            return run
        try:
            if run.state == WAITING:
                run = self._await(run, may_wait=may_wait)
            if run.state == SWEEPING:
                run = self._sweep(run)
            return self._compare(run) if run.state == COMPARING else run
        except SettingsError:  # files that somebody has to mend; the day stays open
            raise
        except HpoNniError as error:
            logger.error("%s", error)  # noqa: TRY400  (a letter, not a traceback)
            return self._end(self.known() or run, FAILED, error.message)

    def _begin(self) -> DailyRunRecord:
        earlier = [one for one in self.ledger.daily_runs(self.name) if one.day < self.window.name]
        decided = [one for one in earlier if one.state in DECIDED]
        champion = decided[-1].challenger if decided and decided[-1].state == SHIPPED else {}
        if decided and decided[-1].state == KEPT:
            champion = decided[-1].champion
        return self._note(
            DailyRunRecord(self.name, self.window.name, WAITING, self.clock(), champion=champion)
        )

    def _taken_up(self, run: DailyRunRecord) -> DailyRunRecord:
        swept = any(trial.state.is_final for trial in self.ledger.trials(run.experiment_id))
        state = COMPARING if run.challenger else SWEEPING if swept else WAITING
        begun = self.clock() if state == WAITING else run.begun  # a deadline begins anew
        return self._note(replace(run, state=state, begun=begun, ended=None, message=""))

    def _await(self, run: DailyRunRecord, *, may_wait: bool) -> DailyRunRecord:
        while missing := self.work.missing():
            words = f"waits for {', '.join(missing)}"
            run = self._note(replace(run, message=words))
            left = run.begun + self.project.deadline - self.clock()
            if left <= 0:
                hours = self.project.deadline / 3600
                return self._end(run, FAILED, f"gave up after {hours:g} h: it {words}")
            logger.info("%s %s; %.0f min left", self.window.name, words, left / 60)
            if not may_wait:
                return run
            self.work.pause(min(self.project.every, left))
        return self._note(replace(run, state=SWEEPING, message=""))

    def _sweep(self, run: DailyRunRecord) -> DailyRunRecord:
        def announce(experiment_id: str) -> None:
            self._note(replace(run, experiment_id=experiment_id))

        self.work.sweep(run.experiment_id, announce)
        run = self.known() or run
        chosen = self._challengers(run)
        if not chosen:
            return self._end(run, KEPT, "the sweep found nothing but the champion")
        return self._note(replace(run, state=COMPARING, challenger=chosen[0]))

    def _challengers(self, run: DailyRunRecord) -> list[dict[str, Any]]:
        """The best points of the sweep, at most as many as are to be compared."""
        direction = self._direction(run)
        trials = counted_trials(self.ledger.trials(run.experiment_id))
        scored = [
            (direction.sign * trial.score, visible_point(trial.parameters), trial.is_baseline)
            for trial in trials
            if trial.state is TrialState.SUCCEEDED and trial.score is not None
        ]
        if not scored:
            raise HpoNniError(f"no trial of the sweep {run.experiment_id} succeeded")
        points: list[dict[str, Any]] = []
        for _, point, is_baseline in sorted(scored, key=lambda one: -one[0]):
            if not is_baseline and point != run.champion and point not in points:
                points.append(point)
        return points[: self.project.terms.challengers]

    def _compare(self, run: DailyRunRecord) -> DailyRunRecord:
        names = {
            f"challenger{number}" if number > 1 else "challenger": point
            for number, point in enumerate(self._challengers(run), start=1)
        }
        contenders = [Contender(CHAMPION, run.champion)]
        contenders += [Contender(name, point) for name, point in names.items()]
        scores = self.work.walk(run.experiment_id, contenders)
        champion = scores[CHAMPION]
        if not champion:
            raise JobError("the champion has no score on any held-out day", job_id=CHAMPION)
        sign = self._direction(run).sign
        verdicts = {
            name: judge(_differences(champion, scores[name], sign), self.project.terms, len(names))
            for name in names
        }
        best = min(verdicts, key=lambda name: _rank(verdicts[name]))
        verdict = verdicts[best]
        run = replace(
            run,
            challenger=names[best],
            champion_scores=champion,
            challenger_scores=scores[best],
            verdict=verdict.figures(),
        )
        return self._end(run, SHIPPED if verdict.ships else KEPT, _reason(verdict, self.project))

    def _direction(self, run: DailyRunRecord) -> Direction:
        experiment = self.ledger.experiment(run.experiment_id)
        return Direction(experiment.direction) if experiment else Direction.MAXIMIZE

    def _end(self, run: DailyRunRecord, state: str, message: str) -> DailyRunRecord:
        ended = replace(run, state=state, message=message, ended=self.clock(), cost=self._cost(run))
        if state in DECIDED:
            self.work.publish(ended)
        return self._note(ended)

    def _cost(self, run: DailyRunRecord) -> float | None:
        ids = (run.experiment_id, holdout_id(run.experiment_id))
        found = [Account.read(self.ledger, one, self.clock()) for one in ids if run.experiment_id]
        priced = [account.spent for account in found if account is not None]
        return sum(priced) if priced else None

    def _note(self, run: DailyRunRecord) -> DailyRunRecord:
        self.ledger.put_daily_run(run)
        return run


def _differences(champion: Scores, challenger: Scores, sign: int) -> list[float]:
    """Of the days that both have, in their order."""
    return [
        sign * (challenger[day] - champion[day]) for day in sorted(champion) if day in challenger
    ]


def _rank(verdict: Verdict) -> tuple[bool, float, float]:
    return (not verdict.ships, verdict.p_value, -verdict.difference)


def _reason(verdict: Verdict, project: Project) -> str:
    terms = project.terms
    if not verdict.days:
        return "the challenger has no score on the held-out days"
    if verdict.days < terms.fewest_days:
        return (
            f"only {verdict.days} held-out days have both scores, and fewer than "
            f"{terms.fewest_days} can show nothing at level {terms.level:g}"
        )
    if verdict.ships:
        return ""
    return (
        f"a challenger that is no better would look as good with probability "
        f"{verdict.p_value:.3g}; at most {terms.level:g} was asked for"
    )
