"""What of a trial's end is worth a notice: that it failed, or that nothing was better so far."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.ledger.records import TrialState
from hpo_nni.trial.notices import Kind, Notice, notify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord

logger = logging.getLogger(__name__)


def announce_end(ledger: Ledger, trial_id: str, settings_file: Path) -> None:
    """Send a notice about a trial that has ended, if there is one to send; never raises.

    Args:
        ledger: knows the trial and its end.
        trial_id: of the trial.
        settings_file: the trial's, which may name a webhook.
    """
    try:
        trial = ledger.trial(trial_id)
        experiment = ledger.experiment(trial.experiment_id) if trial else None
        if experiment is None:
            return
        trials = ledger.trials(experiment.id)
        notice = notice_of_end(trial_id, trials, Direction(experiment.direction))
        if notice is not None:
            notify(notice, directory=ledger.path.parent, settings_file=settings_file)
    except Exception:
        logger.exception("trial %s: no notice could be sent about its end", trial_id)


def notice_of_end(
    trial_id: str, trials: Sequence[TrialRecord], direction: Direction
) -> Notice | None:
    """The notice that a trial's end is worth.

    Args:
        trial_id: of the trial that has ended.
        trials: all of its experiment.
        direction: which scores are better.
    """
    trial = next(one for one in trials if one.id == trial_id)
    name = f"trial {trial.number}" if trial.number >= 0 else f"trial {trial.id}"
    # a trial that is resumed may end again
    subject = trial_id if trial.ended is None else f"{trial_id}@{trial.ended:.3f}"
    if trial.state is TrialState.FAILED:
        text = f"{name}: {trial.reason}"
        return Notice(Kind.FAILED, trial.experiment_id, subject, text, trial_id)
    if trial.state is not TrialState.SUCCEEDED or trial.score is None:
        return None
    others = [
        one.score
        for one in trials
        if one.id != trial_id and one.state is TrialState.SUCCEEDED and one.score is not None
    ]
    if not others:
        return None
    best = max(others, key=lambda score: direction.sign * score)
    if direction.sign * trial.score <= direction.sign * best:
        return None
    values = "".join(f"\n  {key} = {value}" for key, value in trial.parameters.items())
    text = f"{name}: score {trial.score:.6g}, before {best:.6g}{values}"
    return Notice(Kind.BEST, trial.experiment_id, subject, text, trial_id)
