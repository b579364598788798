"""The budget of one experiment: whether another trial may begin, and the note of it in the ledger.

Two keep it: a tuner of ours before it proposes a point, and every trial before its first job.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from hpo_nni.costs import judge_budget, money, trial_cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.costs import Room
    from hpo_nni.ledger import Ledger
    from hpo_nni.trial.cost_settings import CostSettings

# keys of an experiment's settings in the ledger
FACTS = "cost"  # what was read in [cost_config]
STOPPED = "budget_stop"  # why no further trial is started; empty while one may be
STOPPED_AT = "budget_stop_at"  # when that was said last; seconds since the epoch
AWAITED = "budget_awaited"  # how many trials that had been admitted were still to begin then
KEPT_BY_TUNER = "tuner_keeps_budget"  # whether the tuner asks before it proposes


@dataclass(frozen=True)
class Budget:
    """What the settings file says of costs now, and what the ledger says that was spent."""

    ledger: Ledger
    experiment_id: str
    costs: CostSettings

    def admit_proposal(self, now: float, awaited: int) -> str:
        """Say why a tuner may not propose another trial; empty if it may.

        Args:
            now: seconds since the epoch.
            awaited: how many trials are on their way that the ledger does not know yet.
        """
        if not self.costs.has_prices:
            return ""
        reason = self._refusal(self._room(now, awaited=awaited))
        self._note({STOPPED: reason, STOPPED_AT: now, AWAITED: awaited, KEPT_BY_TUNER: True})
        return reason

    def admit_trial(self, now: float, trial_id: str) -> str:
        """Say why a trial that the ledger knows may not start its first job; empty if it may.

        Of trials that begin together, each counts those that began before it and all that have
        cost something: so the first of them gets the room that there is for one.
        """
        if not self.costs.has_prices:
            return ""
        reason = self._refusal(self._room(now, trial_id=trial_id))
        is_news = reason or self._has_outlived_a_refusal(trial_id)
        self._note({STOPPED: reason, STOPPED_AT: now} if is_news else {})
        return reason

    @property
    def is_kept_by_tuner(self) -> bool:
        """Whether the tuner asks before it proposes."""
        experiment = self.ledger.experiment(self.experiment_id)
        return bool(experiment and experiment.settings.get(KEPT_BY_TUNER))

    def _has_outlived_a_refusal(self, trial_id: str) -> bool:
        """Whether somebody was refused before the trial began, by another budget than now.

        Who began before a refusal, as trials do that begin together, was counted in it.
        """
        experiment, trial = self.ledger.experiment(self.experiment_id), self.ledger.trial(trial_id)
        if experiment is None or trial is None or self.is_kept_by_tuner:
            return False
        refused = experiment.settings.get(STOPPED)
        begun = trial.begun or trial.started
        return bool(refused) and begun > (experiment.settings.get(STOPPED_AT) or 0.0)

    def _room(self, now: float, *, awaited: int = 0, trial_id: str | None = None) -> Room | None:
        if self.costs.budget is None:
            return None
        times = self.ledger.running_times(self.experiment_id, now)
        amounts = {
            name: trial_cost("", [(one.rate, one.seconds) for one in found]).amount
            for name, found in groupby(times, key=lambda one: one.trial_id)
        }
        trials = self.ledger.trials(self.experiment_id)
        mine = next(((one.started, one.id) for one in trials if one.id == trial_id), None)
        ended, running = [], []
        for trial in trials:
            amount = amounts.get(trial.id, 0.0)
            if trial.state.is_final or trial.id == trial_id:
                ended.append(amount)
            elif mine is None or amount or (trial.started, trial.id) < mine:
                running.append(amount)
        return judge_budget(
            self.costs.budget, ended, running, awaited=awaited, trial_cost=self.costs.trial_cost
        )

    def _refusal(self, room: Room | None) -> str:
        if room is None or room.is_there:
            return ""
        yet = f", {money(room.committed)} expected of trials that run" if room.committed else ""
        budget = money(self.costs.budget or 0.0, self.costs.prices.currency)
        return (
            f"the budget of {budget} has no room for another trial: {money(room.spent)} spent"
            f"{yet}, and one more is expected to cost {money(room.need)}"
        )

    def _note(self, more: Mapping[str, str | float | bool]) -> None:
        self.ledger.note_settings(self.experiment_id, {FACTS: self.costs.facts(), **more})
