"""Going on where an earlier run failed: whose names a trial takes over, and which steps it skips.

Three kinds of runs go on: a trial that NNI resumes under its own id; one that has the parameters of
an earlier trial of the experiment, as `hpo-nni retry` makes them; and one outside NNI, which gets a
new id each time. A step is settled if its job succeeded, it and all before it are unchanged, and so
are the edited configs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.errors import PlatformError
from hpo_nni.ledger.records import TrialState, visible_point
from hpo_nni.trial.cancelling import cancel_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import JobRecord, TrialRecord
    from hpo_nni.trial.files import PreparedFile
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.steps import Step
    from hpo_nni.trial.walk import WalkPlan

logger = logging.getLogger(__name__)

END_SECONDS = 60.0  # how long a job of an earlier run may take to end
END_POLL = 0.5

_UNFINISHED = {TrialState.FAILED, TrialState.CANCELLED}


def with_fingerprints(
    settings: TrialSettings, prepared: Sequence[PreparedFile], plan: WalkPlan
) -> TrialSettings:
    """The settings with steps that know their fingerprints; those of days name their training."""
    days = plan.fingerprints(settings.steps)
    texts = [[file.target, file.text] for file in prepared]
    steps = [
        replace(step, fingerprint=days.get(step.key) or _fingerprint(settings, step, texts))
        for step in settings.steps
    ]
    return replace(settings, steps=tuple(steps))


def find_origin(trial: TrialRecord, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """The trial that this one goes on with: the first that ran with its parameters and ended early.

    Args:
        trial: about to run.
        trials: all of its experiment.

    Returns:
        None where there is none, where one with these parameters runs now, or where the last one
        did its work.
    """
    if trial.continues:
        return next((one for one in trials if one.id == trial.continues), None)
    point = visible_point(trial.parameters)
    alike = [one for one in trials if one.id != trial.id and visible_point(one.parameters) == point]
    last = max(alike, key=lambda one: one.started, default=None)
    running = any(one.state is TrialState.RUNNING for one in alike)
    if last is None or running or last.state not in _UNFINISHED:
        return None
    return next((one for one in alike if one.id == last.continues), last)


def jobs_of_run(ledger: Ledger, trials: Sequence[TrialRecord], origin: str) -> list[JobRecord]:
    """All jobs under the names of one trial, its own and those of trials that went on with it."""
    own = [one for one in trials if origin in {one.id, one.continues}]
    return [job for one in sorted(own, key=lambda one: one.started) for job in ledger.jobs(one.id)]


def is_same_work(steps: Sequence[Step], jobs: Sequence[JobRecord]) -> bool:
    """Whether earlier jobs began with the first of these steps, as it is now."""
    return any(job.step == steps[0].key and job.fingerprint == steps[0].fingerprint for job in jobs)


def settle(
    steps: Sequence[Step], jobs: Sequence[JobRecord], left_out: Collection[str] = ()
) -> tuple[Step, ...]:
    """Mark the steps that need not run again: the first ones, as far as they are done.

    Args:
        steps: with fingerprints.
        jobs: of the earlier runs, in their order.
        left_out: steps that no trial of the experiment runs, and so need not be done.
    """
    last = {job.step: job for job in jobs}
    marked: list[Step] = []
    is_settled = True
    for step in steps:
        job = last.get(step.key)
        if step.key not in left_out:
            is_done = job is not None and job.state == "succeeded"
            is_same = job is not None and job.fingerprint == step.fingerprint
            is_settled &= is_done and is_same
        marked.append(replace(step, is_settled=is_settled))
    return tuple(marked)


def end_leftovers(
    ledger: Ledger, jobs: Sequence[JobRecord], pause: Callable[[float], object]
) -> None:
    """Cancel what still runs of earlier runs, for no trial has two jobs.

    Raises:
        PlatformError: a job does not end.
    """
    for job in jobs:
        if job.ended is not None:
            continue
        logger.info("trial %s: %s of an earlier run is cancelled", job.trial_id, job.name)
        deadline = time.monotonic() + END_SECONDS
        while not cancel_recorded(ledger, job):
            if time.monotonic() > deadline and job.job_id is None:
                break  # an intent of which the platform has shown nothing for a minute
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"job {job.name} of an earlier run still runs, so no other may start",
                    hint="cancel it by hand, and run the trial again",
                )
            pause(END_POLL)


def _fingerprint(settings: TrialSettings, step: Step, texts: Sequence[Sequence[str]]) -> str:
    facts = [settings.platform, str(settings.path.parent), step.key, step.command, texts]
    return hashlib.sha256(json.dumps(facts).encode("utf-8", "replace")).hexdigest()[:16]
