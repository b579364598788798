"""Deleting the models that days have left, but for those that something points at.

Pointed at are the days of trials that are kept (the best of each experiment, all that run, every
champion and challenger of a project, and all of experiments that nobody asked about), the days that
these start from, down to the first, and whatever shares a place with one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import TrialState, visible_point
from hpo_nni.trial.accounts import Accounts, load_accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import ExperimentRecord, Training, TrainingUse, TrialRecord
    from hpo_nni.stores.base import Store

    Key = tuple[str, str]


@dataclass(frozen=True)
class Pruned:
    """What became of one model.

    Attributes:
        files, size: how many there are or were, and their bytes.
        fault: why it cannot be deleted; empty if it can.
    """

    training: Training
    files: int = 0
    size: int = 0
    fault: str = ""


class Pruning:
    """Prunes the models of some experiments of a ledger.

    Args:
        ledger: knows all trainings.
        experiments: whose days may go; those of all others are kept.
        best: how many of the best complete trials of each are kept.
    """

    def __init__(self, ledger: Ledger, experiments: Sequence[ExperimentRecord], best: int) -> None:
        self._ledger = ledger
        self._experiments = {one.id for one in experiments}
        self._best = best

    def kept_trials(self) -> dict[str, str]:
        """The trials whose days are kept, each with the reason."""
        points = [
            point
            for run in self._ledger.daily_runs()
            for point in (dict(run.champion), dict(run.challenger))
        ]
        kept: dict[str, str] = {}
        for experiment in self._ledger.experiments():
            trials = self._ledger.trials(experiment.id)
            best = {trial.id for trial in _best(trials, experiment, self._best)}
            for trial in trials:
                if experiment.id not in self._experiments:
                    kept[trial.id] = "of another experiment"
                elif not trial.state.is_final:
                    kept[trial.id] = "running"
                elif trial.id in best:
                    kept[trial.id] = "among the best"
                elif visible_point(trial.parameters) in points:
                    kept[trial.id] = "a champion's or challenger's point"
        return kept

    def candidates(self) -> list[Training]:
        """What nothing points at, those in front that others start from last."""
        return find_prunable(
            self._ledger.trainings(), self._ledger.training_uses(), self.kept_trials()
        )

    def look(self) -> list[Pruned]:
        """What would be deleted; nothing changes."""
        return [_measure(training) for training in self.candidates()]

    def prune(self) -> Iterator[Pruned]:
        """Delete, and tell of each model.

        That it is deleted is in the ledger before, so that no trial begins to use it; where it
        cannot be, all that it starts from stays, too, and the next call tries again.
        """
        spared: set[Key] = set()
        for training in self._ledger.mark_pruned(self.candidates):
            key = (training.hash, training.trial_id)
            done = _measure(training)
            if key in spared:
                done = Pruned(training, done.files, done.size, "a later day could not be deleted")
            if not done.fault:
                done = _delete(done)
            if done.fault:
                spared.add((training.parent, training.parent_trainer))
            else:
                self._ledger.note_deleted(training)
            yield done


def find_prunable(
    trainings: Sequence[Training], uses: Sequence[TrainingUse], kept_trials: Collection[str]
) -> list[Training]:
    """The trainings that nothing points at; one that starts from another comes before it.

    Args:
        trainings: all of the ledger, in the order in which they began.
        uses: which trials walk through which of them.
        kept_trials: the trials whose days must stay.
    """
    by_key = {(one.hash, one.trial_id): one for one in trainings}
    open_keys: list[Key] = [(use.hash, use.trainer) for use in uses if use.trial_id in kept_trials]
    open_keys += [key for key, one in by_key.items() if one.trial_id in kept_trials]
    kept: set[Key] = set()
    while open_keys:
        key = open_keys.pop()
        if key in by_key and key not in kept:
            kept.add(key)
            open_keys.append((by_key[key].parent, by_key[key].parent_trainer))
    is_kept = {key: key in kept or one.ended is None for key, one in by_key.items()}
    places = {one.model for key, one in by_key.items() if is_kept[key] and one.model}
    return [
        one
        for key, one in reversed(by_key.items())
        if not is_kept[key]
        and one.version  # not deleted yet
        and not any(_overlap(one.model, place) for place in places)
    ]


def _best(
    trials: Sequence[TrialRecord], experiment: ExperimentRecord, count: int
) -> list[TrialRecord]:
    sign = Direction(experiment.direction).sign
    complete = [
        one for one in trials if one.state is TrialState.SUCCEEDED and one.score is not None
    ]
    complete.sort(key=lambda one: sign * (one.score or 0.0), reverse=True)
    return complete[:count]


def _overlap(one: str, other: str) -> bool:
    """Whether one place is the other, or lies in it.

    >>> _overlap("/a/b", "/a"), _overlap("/a/b", "/a/bc")
    (True, False)
    """
    first, second = (f"{place.rstrip('/')}/" for place in (one, other))
    return first.startswith(second) or second.startswith(first)


def _store(training: Training) -> Store:
    is_remote = "://" in training.model
    accounts = load_accounts(Path(training.settings_file)) if is_remote else Accounts()
    return accounts.store(training.model)


def _measure(training: Training) -> Pruned:
    try:
        files = _store(training).list_tree(training.model)
    except HpoNniError as error:
        return Pruned(training, fault=error.message)
    return Pruned(training, len(files), sum(file.size for file in files))


def _delete(found: Pruned) -> Pruned:
    try:
        _store(found.training).delete_tree(found.training.model)
    except HpoNniError as error:
        return Pruned(found.training, found.files, found.size, error.message)
    return found
