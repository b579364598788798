"""What an experiment has cost and will cost, out of its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from hpo_nni.costs import TrialCost, forecast, money, trial_cost
from hpo_nni.trial.budget import AWAITED, FACTS, STOPPED, STOPPED_AT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.costs import Forecast
    from hpo_nni.ledger import Ledger


@dataclass(frozen=True)
class Account:
    """An experiment with prices, at one moment.

    Attributes:
        trials: trial id -> what it has cost so far.
        stopped: why the budget lets no further trial begin; empty where it does.
        stopped_at: when that was said last; seconds since the epoch.
        awaited: how many trials that had been admitted were still to begin then.
    """

    currency: str
    budget: float | None
    trial_cost: float
    trials: Mapping[str, TrialCost]
    stopped: str = ""
    stopped_at: float = 0.0
    awaited: int = 0

    @classmethod
    def read(cls, ledger: Ledger, experiment_id: str, now: float) -> Account | None:
        """Add up what the ledger knows; None where no prices were configured."""
        experiment = ledger.experiment(experiment_id)
        facts: Mapping[str, Any] = (experiment.settings if experiment else {}).get(FACTS) or {}
        if experiment is None or not facts:
            return None
        times = ledger.running_times(experiment_id, now)
        jobs = {
            trial_id: [(one.rate, one.seconds) for one in found]
            for trial_id, found in groupby(times, key=lambda one: one.trial_id)
        }
        trials = {
            trial.id: trial_cost(trial.state.value, jobs.get(trial.id, ()))
            for trial in ledger.trials(experiment_id)
        }
        return cls(
            currency=facts["currency"],
            budget=facts["budget"],
            trial_cost=facts["trial_cost"],
            trials=trials,
            stopped=experiment.settings.get(STOPPED) or "",
            stopped_at=experiment.settings.get(STOPPED_AT) or 0.0,
            awaited=experiment.settings.get(AWAITED) or 0,
        )

    @property
    def spent(self) -> float:
        """What all trials have cost so far."""
        return sum(trial.amount for trial in self.trials.values())

    def forecast(self, max_trials: int | None) -> Forecast | None:
        """What the experiment will have cost, with so many trials; None where nobody can say."""
        begun = [trial for trial in self.trials.values() if trial.seconds or trial.is_running]
        to_come = 0 if max_trials is None else max(0, max_trials - len(self.trials))
        if self.stopped:
            to_come = 0
        ended = [trial.amount for trial in begun if not trial.is_running]
        return forecast(ended, [trial.amount for trial in begun if trial.is_running], to_come)

    def words(self, max_trials: int | None) -> str:
        """How it stands, in half a line.

        As in `12.30 of 100.00 CNY, 45.10 to 61.20 in all`.
        """
        of = "" if self.budget is None else f" of {money(self.budget)}"
        text = f"{money(self.spent)}{of} {self.currency}".rstrip()
        found = self.forecast(max_trials)
        may_begin = max_trials is not None and len(self.trials) < max_trials and not self.stopped
        if found is None or not (self.is_running or may_begin):
            return text
        return f"{text}, {range_words(found, self.budget)}"

    @property
    def is_running(self) -> bool:
        """Whether any trial runs, so that more is being spent."""
        return any(trial.is_running for trial in self.trials.values())


def range_words(found: Forecast, budget: float | None) -> str:
    """A forecast in words; a budget bounds it.

    >>> from hpo_nni.costs import Forecast
    >>> range_words(Forecast(10, 20, 30, 3), None), range_words(Forecast(1, 4, None, 1), None)
    ('10.00 to 30.00 in all', 'about 4.00 in all')
    """
    capped = " (the budget ends it)" if budget is not None and found.expected > budget else ""
    if found.high is None:
        return f"about {money(found.expected)} in all{capped}"
    return f"{money(found.low)} to {money(found.high)} in all{capped}"
