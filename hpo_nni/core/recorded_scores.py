"""The histories of an experiment's trials, followed in the ledger: each row is read once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hpo_nni.ledger.records import EARLIER, JUDGED
from hpo_nni.stopping.base import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.core.dispatcher import Dispatcher


class RecordedScores:
    """What the ledger knows about every trial, whether it runs, finished or was stopped.

    A verdict must be quick with a thousand trials in the history, so only what is new is read.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._after = 0
        self._points: dict[str, dict[int, float | None]] = defaultdict(dict)
        self._histories: dict[str, History] = {}

    def histories(self) -> Mapping[str, History]:
        """Return the histories by trial id, in the order of the trials' first evaluations.

        A score that comes from several sources (folds, days) has one step for each completed one:
        the runner notes that series beside those of the sources.
        """
        self._after, rows = self._dispatcher.ledger.scores_since(
            self._dispatcher.experiment_id, self._after
        )
        for trial_id, source, step, score in rows:
            if source == JUDGED:
                self._points[trial_id][step] = score
            elif source == f"{EARLIER}{JUDGED}":  # what was read before is of an earlier run
                self._points[trial_id].clear()
        for trial_id in {trial_id for trial_id, *_ in rows}:
            self._histories[trial_id] = History.of(self._points[trial_id].items())
        return self._histories
