"""Ending a whole experiment: its trials, their jobs, and what would begin next.

The order is in the ledger first, where it binds every runner and tuner of ours, also when nobody of
NNI's answers. Then NNI is asked to end its trials, so that it shows them as cancelled; what it does
not reach in time is told directly, and at last jobs are cancelled without their runners.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from hpo_nni.errors import NniError
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.trial.reaping import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpo_nni.ledger import Ledger

logger = logging.getLogger(__name__)

REST_SECONDS = 20.0  # NNI 3.0 answers when the trial has ended
_ALIVE = {"UNKNOWN", "WAITING", "RUNNING"}


def halt(
    ledger: Ledger,
    experiment_id: str,
    reason: str,
    *,
    ask_nni: Callable[[], object],
    seconds: float,
) -> Mapping[str, str]:
    """End all trials and jobs of an experiment and keep new ones from starting.

    Args:
        ledger: that knows the experiment.
        experiment_id: whose trials.
        reason: one sentence for each trial's entry: who wanted it.
        ask_nni: asks NNI to end the experiment's trials; called in a thread, for that may hang.
        seconds: how long it may take.

    Returns:
        what may still run on this host, and why: by job's name or trial's id.
    """
    ledger.halt_experiment(experiment_id, reason)
    threading.Thread(target=ask_nni, daemon=True).start()
    sweep = Sweep(ledger, experiment_id=experiment_id, is_ending=True)
    sweep.run(seconds)
    return sweep.remaining


def cancel_in_nni(url: str, experiment_id: str) -> None:
    """Let NNI begin no further trial, and cancel those that it runs, all at once; never raises.

    Args:
        url: of NNI's REST interface, where it was seen last; empty if it never was.
        experiment_id: whose trials; another experiment may have taken the port since.
    """
    if not url:
        return
    rest = RestClient(url, timeout=REST_SECONDS)
    try:
        if rest.experiment_id() != experiment_id:
            return
        trials = rest.trials()
        rest.change("MAX_TRIAL_NUM", "maxTrialNumber", max(1, len(trials)))
        for trial in trials:
            if trial.status in _ALIVE:
                threading.Thread(target=_cancel, args=(rest, trial.id), daemon=True).start()
    except NniError as error:
        logger.info("NNI was not asked to cancel its trials: %s", error.message)


def _cancel(rest: RestClient, trial_id: str) -> None:
    try:
        rest.cancel_trial(trial_id)
    except NniError as error:
        logger.info("NNI does not cancel trial %s: %s", trial_id, error.message)
