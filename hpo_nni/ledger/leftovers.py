"""What of this host should not run, or not be open, by the ledger and the table of processes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from hpo_nni.ledger.ledger import Ledger
    from hpo_nni.ledger.process_identity import ProcessIdentity
    from hpo_nni.ledger.records import ExperimentRecord, JobRecord, TrialRecord

SETTLE_SECONDS = 30.0  # in which a runner that lives ends its job by itself, once it was told to
HALT_SECONDS = 10.0  # in which NNI ends its trials, so that it calls them cancelled; then we do
RUNNER_GONE = "its runner has gone"
MANAGER_GONE = "NNI has gone"


@dataclass(frozen=True)
class Leftovers:
    """What has to be done on this host.

    Attributes:
        jobs: that should not run, each with why.
        runners: trials whose process lives and should end, each with why.
        trials: that are open, although their process has gone and no job of theirs is left.
        watched: the processes whose end would be news.
        open: the names of all jobs and ids of all trials that are not over.
        elsewhere: host -> how many open jobs and trials are there; they are not ours to touch.
    """

    jobs: list[tuple[JobRecord, str]] = field(default_factory=list)
    runners: list[tuple[TrialRecord, str]] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    watched: set[ProcessIdentity] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    elsewhere: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.jobs or self.runners or self.trials)


def find_leftovers(
    ledger: Ledger, now: float, *, gone: Collection[str] = (), experiment_id: str | None = None
) -> Leftovers:
    """Look once.

    Args:
        ledger: of a working directory, which several hosts may share.
        now: seconds since the epoch.
        gone: hosts that will not come back: their processes count as ended, and as ours.
        experiment_id: look at this experiment only.
    """
    look = _Look(ledger, now, frozenset(gone), experiment_id)
    found = Leftovers()
    look.at_experiments(found)
    look.at_jobs(found)
    look.at_trials(found)
    return found


class _Look:
    def __init__(
        self, ledger: Ledger, now: float, gone: frozenset[str], experiment_id: str | None
    ) -> None:
        self._ledger = ledger
        self._now = now
        self._gone = gone
        self._only = experiment_id
        self._here = {os.uname().nodename, *gone}
        self._alive: dict[ProcessIdentity, bool] = {}
        self._experiments: dict[str, ExperimentRecord] = {}

    def at_experiments(self, found: Leftovers) -> None:
        for experiment in self._ledger.experiments():
            if self._only in (None, experiment.id):
                self._experiments[experiment.id] = experiment
                if self._is_alive(experiment.manager):
                    self._watch(found, experiment.manager)

    def at_jobs(self, found: Leftovers) -> None:
        for job in self._ledger.live_jobs(self._only):
            if job.host not in self._here:
                found.elsewhere[job.host] += 1
                continue
            found.open.add(job.name)
            if why := self._why_not(job):
                found.jobs.append((job, why))
            else:
                self._watch(found, job.runner)

    def at_trials(self, found: Leftovers) -> None:
        busy = {job.trial_id for job in self._ledger.live_jobs(self._only)}
        for trial in self._ledger.open_trials():
            if trial.experiment_id not in self._experiments or trial.runner is None:
                continue
            if trial.runner.host not in self._here:
                found.elsewhere[trial.runner.host] += 1
                continue
            found.open.add(trial.id)
            if not self._is_alive(trial.runner):
                if trial.id not in busy:
                    found.trials.append(trial)
            else:
                self._watch(found, trial.runner)
                if why := self._why_end(trial):
                    found.runners.append((trial, why))

    def _why_not(self, job: JobRecord) -> str:
        """Why a job should not run; empty if it may."""
        if not self._is_alive(job.runner):
            return RUNNER_GONE
        trial = self._ledger.trial(job.trial_id)
        if trial is not None and trial.ended is not None and self._is_settled(trial.ended):
            return f"its trial has ended: {trial.state.value}"
        order = self._ledger.standing_order(job.trial_id)
        if order is not None and self._is_settled(order.time):
            return f"its trial was told to end: {order.reason}"
        return ""

    def _why_end(self, trial: TrialRecord) -> str:
        experiment = self._experiments[trial.experiment_id]
        if experiment.halted is not None and self._now - experiment.halted > HALT_SECONDS:
            return experiment.halt_reason
        manager = experiment.manager
        if manager is not None and manager.host in self._here and not self._is_alive(manager):
            return MANAGER_GONE
        return ""

    def _is_settled(self, since: float) -> bool:
        return self._now - since > SETTLE_SECONDS

    def _is_alive(self, process: ProcessIdentity | None) -> bool:
        if process is None or process.host in self._gone or not process.is_here:
            return False
        if process not in self._alive:
            self._alive[process] = process.is_alive()
        return self._alive[process]

    def _watch(self, found: Leftovers, process: ProcessIdentity | None) -> None:
        if process is not None and self._is_alive(process):
            found.watched.add(process)
