"""The budget, as a tuner keeps it: no point is proposed that there is no money for."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.trial.budget import Budget
from hpo_nni.trial.command import settings_file

if TYPE_CHECKING:
    from hpo_nni.core.dispatcher import Dispatcher
    from hpo_nni.core.known_trials import KnownTrials

logger = logging.getLogger(__name__)


class BudgetGuard:
    """Asks, before each proposal, whether the budget of the settings file has room for a trial.

    The file is read each time, so that a budget can be raised while the experiment runs.

    Args:
        dispatcher: whose experiment.
        trials: of the experiment.
    """

    def __init__(self, dispatcher: Dispatcher, trials: KnownTrials) -> None:
        self._dispatcher = dispatcher
        self._trials = trials
        self._began = time.time()
        self._said = ""
        config = dispatcher.config
        directory = Path(config.get("trialCodeDirectory") or ".")
        self._path = settings_file(str(config.get("trialCommand") or ""), directory)

    def refusal(self, *, awaiting: int) -> str:
        """Why no further trial may begin; empty if one may. Never raises.

        Args:
            awaiting: how many points this process has proposed.
        """
        if self._path is None:
            return ""
        try:
            reason = self._judge(self._path, awaiting)
        except Exception:  # the trial itself will say what is wrong, and it has the last word
            logger.exception("the budget is not known here")
            return ""
        if reason and reason != self._said:
            logger.warning("%s", reason)
        self._said = reason
        return reason

    def _judge(self, path: Path, proposed: int) -> str:
        # It brings Jinja, which the dispatcher must not wait for.
        from hpo_nni.trial.cost_settings import load_costs  # noqa: PLC0415

        ledger, experiment_id = self._dispatcher.ledger, self._dispatcher.experiment_id
        budget = Budget(ledger, experiment_id, load_costs(path))
        begun = sum(trial.started >= self._began for trial in self._trials.read())
        return budget.admit_proposal(time.time(), awaited=max(0, proposed - begun))
