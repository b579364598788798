"""Who told a trial to end: the assessor, a person, or one of NNI's limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hpo_nni.errors import NniError
from hpo_nni.ledger.records import TrialState
from hpo_nni.nni_api.rest import RestClient

if TYPE_CHECKING:
    from hpo_nni.ledger import Ledger
    from hpo_nni.trial.place import Place

BY_USER = "cancelled by a user, through NNI"
BY_LIMIT = "it reached maxTrialDuration"
REST_SECONDS = 1.0  # the job has ended by now, but NNI 3.0 kills this process after 5 seconds


def who_ended(place: Place, ledger: Ledger, cause: str) -> tuple[TrialState, str]:
    """State and reason of a trial that was told to end.

    What the ledger does not know is asked of NNI. 2.10.1 says it in the trial's status; 3.0 sets
    the status only when the process has gone, so there the limit is compared with the clock.

    Args:
        place: which trial.
        ledger: where the assessor and `hpo-nni run` write their orders.
        cause: what the trial itself saw, for the case that NNI does not answer.
    """
    order = ledger.standing_order(place.trial_id)
    if order is not None:
        state = TrialState.STOPPED if order.action == "stop" else TrialState.CANCELLED
        return state, order.reason
    try:
        return TrialState.CANCELLED, _ask_nni(place, ledger, cause)
    except NniError:  # under `nnictl stop`, REST closes first
        return TrialState.CANCELLED, f"the experiment was stopped ({cause})"


def _ask_nni(place: Place, ledger: Ledger, cause: str) -> str:
    url = _rest_url(place, ledger)
    if not url:
        return f"the trial was told to end ({cause})"
    rest = RestClient(url, timeout=REST_SECONDS)
    status = rest.trial(place.trial_id).status
    if status == "USER_CANCELED":
        return BY_USER
    if status == "EARLY_STOPPED" or _is_over_limit(place, ledger, rest):
        return BY_LIMIT
    if rest.status() == "STOPPING":
        return f"the experiment was stopped ({cause})"
    return BY_USER


def _is_over_limit(place: Place, ledger: Ledger, rest: RestClient) -> bool:
    limit = rest.limits().max_trial_seconds
    trial = ledger.trial(place.trial_id)
    return limit is not None and trial is not None and time.time() - trial.started >= limit - 1


def _rest_url(place: Place, ledger: Ledger) -> str:
    experiment = ledger.experiment(place.experiment_id)
    if experiment is not None and experiment.rest_url:
        return experiment.rest_url
    channel = place.nni.channel if place.nni else None
    return channel.split("/env/")[0] if channel else ""
