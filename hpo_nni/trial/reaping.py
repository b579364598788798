"""Ending what the ledger says should not run: the one way for `reap`, `kill`, `stop` and `run`."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, NniError, SettingsError
from hpo_nni.ledger.leftovers import MANAGER_GONE, find_leftovers
from hpo_nni.ledger.records import DecisionRecord, TrialState
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.trial.announcing import announce_end
from hpo_nni.trial.cancelling import cancel_recorded
from hpo_nni.trial.notices import Kind, Notice, notify
from hpo_nni.trial.orders import BY_DEATH, ending_by_order, ending_of_dead

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.leftovers import Leftovers
    from hpo_nni.ledger.records import JobRecord, TrialRecord

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0  # seconds between two looks at what still ends
NNI_SECONDS = 8.0  # until NNI 2.10.1 has seen that a trial's process has gone: it looks every 5 s
REST_SECONDS = 5.0
BY_MANAGER = "NNI's manager has gone: it was stopped or killed"
BY_STOP = "the experiment was stopped, and its process killed"
ALL_GONE = "its process and NNI's manager have gone: both were killed, or the machine restarted"


class Sweep:
    """Ends leftovers of one working directory until none is left, or for so long.

    Args:
        ledger: of the directory.
        gone: hosts that will not come back; what ran there is ours to end.
        experiment_id: leave all other experiments alone.
        is_ending: whether all of it was told to end, so that what is open still is left.
        tell: is given a sentence for each thing that was done.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        gone: Collection[str] = (),
        experiment_id: str | None = None,
        is_ending: bool = False,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._is_ending = is_ending
        self._ledger = ledger
        self._gone = gone
        self._only = experiment_id
        self._tell = tell
        self._told: set[str] = set()
        self._hopeless: set[str] = set()
        self._faults: dict[str, tuple[JobRecord, HpoNniError]] = {}
        self._began = time.monotonic()
        self.remaining: dict[str, str] = {}
        """What may still run, and why: by job's name or trial's id."""

    def run(self, seconds: float) -> bool:
        """Go on until nothing is left, but not longer; whether nothing is left.

        Of jobs that cannot be cancelled people are told then, if they have named a webhook.
        """
        deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
        while not self.once():
            is_hopeless = bool(self.remaining) and self.remaining.keys() <= self._hopeless
            if is_hopeless or time.monotonic() > deadline:
                self._notify()
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def once(self) -> bool:
        """Do what can be done now; whether nothing is left."""
        found = self._look()
        self.remaining = dict.fromkeys(found.open if self._is_ending else (), "it is ending")
        for trial, why in found.runners:
            self._end_runner(trial, why)
        for job, why in found.jobs:
            self.cancel(job, why)
        for trial in found.trials:
            self._close(trial)
        return not self.remaining and not found

    def elsewhere(self) -> Mapping[str, int]:
        """Host -> how many open jobs and trials are there."""
        return self._look().elsewhere

    def cancel(self, job: JobRecord, why: str) -> None:
        """Cancel a job; where that cannot be done, the ledger gets the reason."""
        if job.name in self._hopeless:
            self.remaining[job.name] = str(self._faults[job.name][1])
            return
        try:
            if cancel_recorded(self._ledger, job):
                self._tell(f"job {job.name} has ended ({why})")
                return
            self.remaining[job.name] = "it still ends" if job.job_id else "it may yet appear"
            self._faults.pop(job.name, None)
        except HpoNniError as error:
            self._faults[job.name] = job, error
            if isinstance(error, SettingsError):  # this process will not learn what it needs
                self._hopeless.add(job.name)
            message = f"it should not run ({why}), but cannot be cancelled: {error}"
            self.remaining[job.name] = str(error)
            if self._ledger.explain_job(job.name, message):
                logger.warning("job %s: %s", job.name, message)
                self._note(job.trial_id, "cannot cancel", f"job {job.name}: {error}")

    def _look(self) -> Leftovers:
        return find_leftovers(self._ledger, time.time(), gone=self._gone, experiment_id=self._only)

    def _end_runner(self, trial: TrialRecord, why: str) -> None:
        """Tell a trial's process to end, once; it cancels its job itself."""
        self.remaining[trial.id] = "its process is ending"
        if trial.id in self._told or trial.runner is None:
            return
        self._told.add(trial.id)
        if why == MANAGER_GONE and self._ledger.standing_order(trial.id) is None:
            self._note(trial.id, "cancel", BY_MANAGER)
        try:
            trial.runner.signal(signal.SIGTERM)
        except PermissionError as error:
            self.remaining[trial.id] = f"its process cannot be signalled: {error}"
        else:
            self._tell(f"trial {trial.id} was told to end ({why})")

    def _close(self, trial: TrialRecord) -> None:
        """Write down how a trial ended whose process has gone."""
        ending = ending_by_order(self._ledger, trial.id) or self._ending_in_nni(trial)
        if ending is None:
            self.remaining[trial.id] = "NNI has not noticed its end yet"
            return
        if self._ledger.end_trial(trial.id, *ending):
            self._tell(f"trial {trial.id} is {ending[0].value}: {ending[1]}")
            jobs = self._ledger.jobs(trial.id)
            if jobs and jobs[-1].settings_file:
                announce_end(self._ledger, trial.id, Path(jobs[-1].settings_file))

    def _ending_in_nni(self, trial: TrialRecord) -> tuple[TrialState, str] | None:
        experiment = self._ledger.experiment(trial.experiment_id)
        if experiment is None or not experiment.rest_url:
            return TrialState.FAILED, BY_DEATH
        try:
            ending = ending_of_dead(RestClient(experiment.rest_url, timeout=REST_SECONDS), trial)
        except NniError:  # under `nnictl stop`, REST closes first
            manager = experiment.manager
            is_up = manager is not None and manager.is_here and manager.is_alive()
            return TrialState.CANCELLED, BY_STOP if is_up else ALL_GONE
        if ending is None and time.monotonic() - self._began < NNI_SECONDS:
            return None
        return ending or (TrialState.FAILED, BY_DEATH)

    def _notify(self) -> None:
        for job, error in self._faults.values():
            kind = Kind.CREDENTIALS if isinstance(error, SettingsError) else Kind.UNCANCELLED
            trial = self._ledger.trial(job.trial_id)
            of = trial.experiment_id if trial else ""
            text = f"job {job.name} should not run, and cannot be cancelled: {error}"
            notify(
                Notice(kind, of, job.name, text, job.trial_id),
                directory=self._ledger.path.parent,
                settings_file=Path(job.settings_file),
            )

    def _note(self, trial_id: str, action: str, reason: str) -> None:
        self._ledger.add_decision(DecisionRecord(trial_id, "reaper", action, reason, time.time()))
