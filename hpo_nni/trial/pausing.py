"""Pausing an experiment whose trials fail alike one after another, and waiting until it goes on.

A paused experiment starts no jobs: trials that begin wait, whichever tuner proposed them, so that a
mistake does not use up the trials of a whole night. Their settings are read after the wait, and so
what a person has mended meanwhile counts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hpo_nni.failures import FailureKind, signature
from hpo_nni.ledger.records import TrialState
from hpo_nni.trial.notices import Kind, Notice, notify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.shutdown import Shutdown

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PAUSING = {FailureKind.USER.value, FailureKind.UNKNOWN.value}


def failed_alike(trials: Sequence[TrialRecord], count: int, since: float = 0.0) -> bool:
    """Whether the last `count` trials that came to an end all failed in the same way.

    Cancelled trials say nothing; transient and infeasible failures say nothing about the others.

    Args:
        trials: all of one experiment.
        count: 0 for never.
        since: when the experiment was last let go on; what ended before counts no more.
    """
    ended = [
        trial
        for trial in trials
        if trial.state.is_final
        and trial.state is not TrialState.CANCELLED
        and (trial.ended or 0.0) > since
    ]
    last = sorted(ended, key=lambda trial: trial.ended or 0.0)[-count:] if count else []
    return (
        len(last) == count > 0
        and all(trial.state is TrialState.FAILED and trial.failure in PAUSING for trial in last)
        and len({_signature(trial) for trial in last}) == 1
    )


def pause_if_repeated(ledger: Ledger, place: Place, count: int, settings_file: Path) -> None:
    """Pause the experiment of a trial that has just failed, if others did alike; says so once.

    Outside NNI there is nothing to pause: a person starts every trial.
    """
    if place.nni is None:
        return
    experiment = ledger.experiment(place.experiment_id)
    trial = ledger.trial(place.trial_id)
    if experiment is None or trial is None or trial.state is not TrialState.FAILED:
        return
    trials = ledger.trials(experiment.id)
    if not failed_alike(trials, count, experiment.released):
        return
    why = (
        f"the last {count} trials failed alike, trial {trial.number} at last: "
        f"{trial.reason.partition(chr(10))[0]}\n"
        f"  no trial starts a job until you have mended it and say\n"
        f"    hpo-nni retry --experiment {experiment.id}\n"
        "  which runs the failed trials again and lets the others go on; where NNI has been "
        f"stopped, `nnictl resume {experiment.id}` comes first"
    )
    if ledger.pause_experiment(experiment.id, why):
        logger.error("experiment %s is paused: %s", experiment.id, why)
        subject = f"{experiment.id}@{trial.ended}"
        notify(
            Notice(Kind.PAUSED, experiment.id, subject, why),
            directory=place.working_directory,
            settings_file=settings_file,
        )


def await_release(ledger: Ledger, place: Place, shutdown: Shutdown) -> None:
    """Return when the experiment is not paused; the ledger says why the trial waits.

    Raises:
        Interrupted: the trial was told to end.
    """
    is_said = False
    while place.nni is not None:
        experiment = ledger.experiment(place.experiment_id)
        if experiment is None or not experiment.pause:
            break
        if not is_said:
            reason = f"waits, for the experiment is paused: {experiment.pause.splitlines()[0]}"
            logger.warning("trial %s %s", place.trial_id, reason)
            ledger.set_reason(place.trial_id, reason)
            is_said = True
        shutdown.pause(POLL_SECONDS)
    if is_said:
        ledger.set_reason(place.trial_id, "")


def _signature(trial: TrialRecord) -> str:
    return signature(trial.failure, trial.evidence, [trial.directory, trial.id])
