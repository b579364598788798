"""One trial, from its point to its score: edit the config, run the steps, follow the metrics.

Whatever happens, the trial ends in the ledger in one state with one reason, and its jobs have ended
before its process does.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, JobError, NniError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import JobRecord, TrialState
from hpo_nni.metrics import report_values
from hpo_nni.platforms import PLATFORMS
from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.trial.meter import Meter
from hpo_nni.trial.orders import who_ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.ledger import Ledger
    from hpo_nni.nni_api.trial_channel import TrialChannel
    from hpo_nni.platforms.base import Job, JobStatus, Platform
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import Step, TrialSettings
    from hpo_nni.trial.shutdown import Shutdown

logger = logging.getLogger(__name__)

TAIL_LINES = 20
SIGNAL_SECONDS = 0.5


def open_platform(settings: TrialSettings, place: Place) -> Platform:
    """The platform that the settings name, for the jobs of this working directory."""
    options = {} if settings.grace_seconds is None else {"grace": settings.grace_seconds}
    platform: Platform = PLATFORMS.load(settings.platform)(place.working_directory, **options)
    return platform


class Interrupted(Exception):  # noqa: N818  (it is not an error: the trial was told to end)
    """The trial was told to end; its job has been cancelled."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: TrialState
    reason: str = ""
    score: float | None = None


class TrialRunner:
    """Runs the steps of one trial.

    Args:
        place: ids and directories.
        settings: the ini, with the trial's point substituted.
        ledger: already knows the trial.
        channel: where results are reported.
        shutdown: tells when to end.
    """

    def __init__(
        self,
        place: Place,
        settings: TrialSettings,
        ledger: Ledger,
        channel: TrialChannel,
        shutdown: Shutdown,
    ) -> None:
        self._place = place
        self._settings = settings
        self._ledger = ledger
        self._shutdown = shutdown
        self._channel = channel
        self._platform = open_platform(settings, place)
        self._identity = ProcessIdentity.current()
        self._meter = Meter(place, settings, ledger, self._report_intermediate)

    def run(self) -> Outcome:
        """Run all steps; the result is in the ledger before NNI hears of it."""
        try:
            for step in self._settings.steps:
                self._run_step(step)
                self._meter.complete(step.key)
            final = self._meter.final()
        except Interrupted:
            return self._end_as_told()
        except HpoNniError as error:
            if isinstance(error, NniError) and self._is_being_ended():
                return self._end_as_told()
            return self._end(TrialState.FAILED, str(error))
        outcome = self._end(TrialState.SUCCEEDED, "", final.score)
        if outcome.state is TrialState.SUCCEEDED:
            self._channel.report("FINAL", 0, report_values(final))
        return outcome

    def _run_step(self, step: Step) -> None:
        """Run one job to its end; raises JobError if it fails, Interrupted if told to end."""
        self._raise_if_told()
        attempt = len(self._ledger.jobs(self._place.trial_id)) + 1
        spec = JobSpec(
            name=f"{self._place.experiment_id}-{self._place.trial_id}-{attempt}-{step.key}",
            step=step.key,
            command=step.command,
            directory=self._settings.path.parent,
            log_directory=self._place.output_directory,
        )
        plan = self._platform.plan(spec)
        self._ledger.intend_job(self._intent(spec, plan.text))
        try:
            job = self._platform.submit(plan)
        except HpoNniError as error:
            self._ledger.end_job(spec.name, JobState.FAILED.value, error.message)
            raise
        if not self._ledger.accept_job(spec.name, job.id):
            # somebody took it for one that would never be submitted: so it must not run
            job.cancel()
            raise Interrupted
        logger.info("trial %s: %s started as %s", self._place.trial_id, step.key, job.id)
        try:
            status = self._follow(job)
        except BaseException as error:
            self._cancel(spec.name, job)
            if isinstance(error, (Interrupted, HpoNniError)):
                raise
            raise JobError(
                f"{step.key} was cancelled: {error!r}", job_id=job.id, log_tail=job.log_tail()
            ) from error
        tail = job.log_tail(TAIL_LINES)
        self._ledger.end_job(spec.name, status.state.value, status.message, tail)
        if status.state is not JobState.SUCCEEDED:
            # NNI's signal goes to the whole tree and may reach the job a moment before us
            if status.state is JobState.CANCELLED or self._shutdown.wait(SIGNAL_SECONDS):
                raise Interrupted
            raise JobError(
                f"{step.key} {status.state.value}: {status.message}",
                job_id=job.id,
                log_tail=tail,
                hint=f"its whole output is in {self._place.output_directory}",
            )

    def _follow(self, job: Job) -> JobStatus:
        """Read metrics until the job has ended and what it wrote last has been read."""
        while True:
            status = job.status()  # asked before the metrics: what is written last is still read
            self._meter.poll()
            if status.state.is_final:
                return status
            if self._shutdown.wait(self._settings.metrics.poll_interval):
                raise Interrupted

    def _cancel(self, name: str, job: Job) -> None:
        """Cancel the job and write down how it ended; a fault is logged, for the reaper to see."""
        try:
            job.cancel()
            status = job.status()
            if status.state.is_final:
                tail = job.log_tail(TAIL_LINES)
                self._ledger.end_job(name, status.state.value, status.message, tail)
        except HpoNniError:
            logger.exception("trial %s: cannot cancel job %s", self._place.trial_id, name)

    def _intent(self, spec: JobSpec, text: str) -> JobRecord:
        me = self._identity
        return JobRecord(
            name=spec.name,
            trial_id=self._place.trial_id,
            step=spec.step,
            platform=self._settings.platform,
            plan=text,
            intended=time.time(),
            host=me.host,
            boot_id=me.boot_id,
            pid=me.pid,
            pid_started=me.started,
        )

    def _raise_if_told(self) -> None:
        if self._shutdown.requested:
            raise Interrupted

    def _is_being_ended(self) -> bool:
        """Whether NNI does not answer because it ends trials: its REST closes, then it kills."""
        ordered = self._ledger.standing_order(self._place.trial_id) is not None
        return ordered or self._shutdown.wait(SIGNAL_SECONDS)

    def _report_intermediate(self, sequence: int, values: Mapping[str, float]) -> None:
        self._channel.report("PERIODICAL", sequence, values)

    def _end_as_told(self) -> Outcome:
        return self._end(*who_ended(self._place, self._ledger, self._shutdown.cause))

    def _end(self, state: TrialState, reason: str, score: float | None = None) -> Outcome:
        """Close the trial in the ledger, which may know better how it ended."""
        self._ledger.end_trial(self._place.trial_id, state, reason, score)
        trial = self._ledger.trial(self._place.trial_id)
        assert trial is not None
        return Outcome(trial.state, trial.reason, trial.score)
