"""What the dispatcher does about a trial that ended without success: its jobs and its entry.

The runner does the same from its signal handler, and the reaper after the runner's death; whoever
comes first wins, the others find nothing to do. Nothing here raises: it is called from NNI's
callbacks, where an exception ends the whole experiment.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from hpo_nni.core.dispatcher import this_dispatcher
from hpo_nni.errors import NniError
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.trial.cancelling import cancel_recorded
from hpo_nni.trial.orders import ending_by_order, ending_of_dead
from hpo_nni.trial.reaping import Sweep

if TYPE_CHECKING:
    from hpo_nni.core.dispatcher import Dispatcher
    from hpo_nni.ledger.records import JobRecord

logger = logging.getLogger(__name__)

END_SECONDS = 20.0  # how long a cancelled job may take before it is left to the reaper
POLL_SECONDS = 0.2


def kill_instance(trial_job_id: str) -> None:
    """Cancel whatever jobs the trial still has, wherever they run; idempotent, never raises.

    Returns once this is under way: the cancelling itself is done in a thread, which the process
    waits for at its end, so that NNI's other trials do not wait.
    """
    dispatcher = this_dispatcher()
    if dispatcher is None:
        logger.warning("trial %s: no NNI experiment here, so no job to cancel", trial_job_id)
        return
    threading.Thread(
        target=_cancel_jobs, args=(dispatcher, trial_job_id), name=f"kill-{trial_job_id}"
    ).start()


def remove_filepath(trial_id: str) -> None:
    """Close the trial's entry in the ledger; idempotent, never raises.

    The name is that of old documents, when the entry was a file of its own. A trial that a
    stopping rule stopped is closed as stopped; for others NNI is asked how they ended.
    """
    dispatcher = this_dispatcher()
    if dispatcher is None:
        return
    try:
        _close_trial(dispatcher, trial_id)
    except Exception:
        logger.exception("trial %s: its ledger entry stays open", trial_id)


def sweep_experiment() -> None:
    """Cancel the jobs, and close the entries, of all trials whose process has gone; never raises.

    For the tuner, to which NNI says that a trial has ended, but not which one: NNI 3.0 names
    another trial's parameters. Returns at once, as `kill_instance` does.
    """
    dispatcher = this_dispatcher()
    if dispatcher is not None:
        threading.Thread(target=_sweep, args=(dispatcher,), name="sweep").start()


def _sweep(dispatcher: Dispatcher) -> None:
    try:
        Sweep(dispatcher.ledger, experiment_id=dispatcher.experiment_id).run(END_SECONDS)
    except Exception:
        logger.exception("the experiment could not be swept; the reaper will try again")


def _close_trial(dispatcher: Dispatcher, trial_id: str) -> None:
    ledger = dispatcher.ledger
    trial = ledger.trial(trial_id)
    if trial is None or trial.state.is_final:
        return
    ending = ending_by_order(ledger, trial_id)
    if ending is None:
        try:
            ending = ending_of_dead(RestClient(dispatcher.rest_url, timeout=5), trial)
        except NniError:
            return  # it is closing; the runner or the reaper will say
    if ending is not None:
        ledger.end_trial(trial_id, *ending)


def _cancel_jobs(dispatcher: Dispatcher, trial_id: str) -> None:
    try:
        jobs = dispatcher.ledger.live_jobs(trial_id=trial_id)
    except Exception:
        logger.exception("trial %s: the ledger does not say which jobs it has", trial_id)
        return
    for job in jobs:
        try:
            _cancel(dispatcher, job)
        except Exception:
            logger.exception(
                "trial %s: job %s of %s could not be cancelled; the reaper will try again",
                trial_id,
                job.job_id or job.name,
                job.platform,
            )


def _cancel(dispatcher: Dispatcher, record: JobRecord) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not cancel_recorded(dispatcher.ledger, record):
        if time.monotonic() > deadline:
            logger.warning("trial %s: job %s may still run", record.trial_id, record.name)
            return
        time.sleep(POLL_SECONDS)
    logger.info("trial %s: job %s has ended", record.trial_id, record.name)
