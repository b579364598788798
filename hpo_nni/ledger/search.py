"""Which trial a person means: by id, by number, or by the beginning of an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.errors import RegistryError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.ledger.records import TrialRecord


def choose_trial(words: str, experiments: Sequence[Sequence[TrialRecord]]) -> TrialRecord:
    """Choose by the first of these that fits: id, number, beginning of an id in either case.

    Args:
        words: what the person typed.
        experiments: the trials of each experiment, the newest last; a number counts in the last.

    Raises:
        RegistryError: no trial fits, or several do.
    """
    trials = [trial for experiment in experiments for trial in experiment]
    newest = experiments[-1]
    readings = (
        [trial for trial in trials if trial.id == words],
        [trial for trial in newest if str(trial.number) == words],
        [trial for trial in trials if trial.id.startswith(words)],
        [trial for trial in trials if trial.id.lower().startswith(words.lower())],
    )
    fitting = next(filter(None, readings), [])
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(f"{trial.id} (number {trial.number})" for trial in fitting[:12])
        raise RegistryError(f"{words!r} begins several trials", hint=f"one of {names}")
    known = [name for trial in reversed(newest) for name in (trial.id, str(trial.number))]
    raise RegistryError(f"no trial is called {words!r}", hint=did_you_mean(words, known))
