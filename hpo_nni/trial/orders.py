"""Who told a trial to end: the assessor, a person, or one of NNI's limits."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from hpo_nni.errors import NniError
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.trial.place import Place

logger = logging.getLogger(__name__)

BY_USER = "cancelled by a user, through NNI"
BY_DEATH = "its process was killed, or ended without a word"
BY_NNIS_END = "the experiment was stopped, or NNI has died"
BY_LIMIT = "it reached maxTrialDuration"
BY_USER_OR_DEATH = (
    "it was cancelled through NNI, or its process was killed: NNI 3.0 does not tell these apart"
)
BY_ASSESSOR = "stopped early by the experiment's assessor"
REST_SECONDS = 1.0  # the job has ended by now, but NNI 3.0 kills this process after 5 seconds
START_SECONDS = 5.0  # NNI counts a trial's time from before its process began

_ENDINGS = {
    "USER_CANCELED": (TrialState.CANCELLED, BY_USER),
    "SYS_CANCELED": (TrialState.CANCELLED, "cancelled by NNI"),
    "FAILED": (TrialState.FAILED, BY_DEATH),
}


def who_ended(place: Place, ledger: Ledger, cause: str) -> tuple[TrialState, str]:
    """State and reason of a trial that was told to end.

    What the ledger does not know is asked of NNI. 2.10.1 says it in the trial's status; 3.0 sets
    the status only when the process has gone, so there the limit is compared with the clock.

    Args:
        place: which trial.
        ledger: where the assessor and `hpo-nni run` write their orders.
        cause: what the trial itself saw, for the case that NNI does not answer.
    """
    ordered = ending_by_order(ledger, place.trial_id)
    if ordered is not None:
        return ordered
    trial, url = ledger.trial(place.trial_id), _rest_url(place, ledger)
    if not url or trial is None:
        return TrialState.CANCELLED, f"the trial was told to end ({cause})"
    rest = RestClient(url, timeout=REST_SECONDS)
    try:
        ending = ending_in_nni(rest, trial)
        if ending is not None:
            return ending
        if _is_over_limit(rest, trial):
            return TrialState.CANCELLED, BY_LIMIT
        if rest.status() != "STOPPING":
            return TrialState.CANCELLED, BY_USER
    except NniError:
        pass  # under `nnictl stop`, REST closes first
    return TrialState.CANCELLED, f"the experiment was stopped ({cause})"


def ending_by_order(ledger: Ledger, trial_id: str) -> tuple[TrialState, str] | None:
    """How a trial ends that the assessor or `hpo-nni run` has ordered to; None without an order."""
    order = ledger.standing_order(trial_id)
    if order is None:
        return None
    return TrialState.STOPPED if order.action == "stop" else TrialState.CANCELLED, order.reason


def ending_in_nni(rest: RestClient, trial: TrialRecord) -> tuple[TrialState, str] | None:
    """How NNI says that a trial ended without success; None if it does not say that it did.

    NNI 2.10.1 has one status for what an assessor stopped and what ran into `maxTrialDuration`.

    Raises:
        NniError: NNI does not answer.
    """
    status = rest.trial(trial.id).status
    if status != "EARLY_STOPPED":
        return _ENDINGS.get(status)
    if _is_over_limit(rest, trial):
        return TrialState.CANCELLED, BY_LIMIT
    return TrialState.STOPPED, BY_ASSESSOR


def ask_for_no_more(place: Place, ledger: Ledger) -> None:
    """Have NNI start no further trials, by its own limit; a fault is logged, not raised."""
    url = _rest_url(place, ledger)
    if not url:
        return
    rest = RestClient(url, timeout=REST_SECONDS)
    try:
        begun = len(rest.trials())
        if (rest.limits().max_trials or math.inf) > begun:
            rest.change("MAX_TRIAL_NUM", "maxTrialNumber", begun)
    except NniError as error:
        logger.warning("trial %s: NNI goes on starting trials: %s", place.trial_id, error)


def ending_of_dead(rest: RestClient, trial: TrialRecord) -> tuple[TrialState, str] | None:
    """The same for a trial whose process has gone without a word.

    NNI 3.0 has one status for what a person cancelled and what died by any signal.
    """
    from hpo_nni.nni_api.launch import nni_version  # noqa: PLC0415 - a trial must start fast

    ending = ending_in_nni(rest, trial)
    if ending is not None and ending[1] == BY_USER and nni_version() >= (3,):
        return TrialState.CANCELLED, BY_USER_OR_DEATH
    return ending


def _is_over_limit(rest: RestClient, trial: TrialRecord) -> bool:
    limit = rest.limits().max_trial_seconds
    begun = trial.begun or trial.started
    return limit is not None and time.time() - begun >= limit - START_SECONDS


def _rest_url(place: Place, ledger: Ledger) -> str:
    experiment = ledger.experiment(place.experiment_id)
    if experiment is not None and experiment.rest_url:
        return experiment.rest_url
    channel = place.nni.channel if place.nni else None
    return channel.split("/env/")[0] if channel else ""
