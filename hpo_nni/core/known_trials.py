"""The trials of an experiment, of which only those are read again that something happened to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord


class KnownTrials:
    """What `Ledger.trials` would say, for who asks again and again.

    A trial is as it was at its last beginning or end: what is noted in between, such as its reason
    while it waits, may be missing.

    Args:
        ledger: open.
        experiment_id: whose trials.
    """

    def __init__(self, ledger: Ledger, experiment_id: str) -> None:
        self._ledger = ledger
        self._experiment_id = experiment_id
        self._trials: dict[str, TrialRecord] = {}
        self._turn = 0

    def read(self) -> list[TrialRecord]:
        """All trials, by number and beginning."""
        news, self._turn = self._ledger.trials_since(self._experiment_id, self._turn)
        self._trials |= {trial.id: trial for trial in news}
        return sorted(self._trials.values(), key=lambda trial: (trial.number, trial.started))
