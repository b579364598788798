"""One job of a trial: written down, submitted, followed to its end, its log kept.

The ledger knows the job before the platform does, and whatever interrupts us after that cancels it.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, JobError
from hpo_nni.failures import FailureKind
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import JobRecord
from hpo_nni.platforms.base import JobSpec, JobState, JobStatus
from hpo_nni.secrets import Redactor
from hpo_nni.trial import triage
from hpo_nni.trial.copied_output import copy_output
from hpo_nni.trial.platforms import open_platform
from hpo_nni.trial.retry import Patience, Retrier
from hpo_nni.trial.schedule import await_opening
from hpo_nni.trial.shutdown import Interrupted
from hpo_nni.trial.submission import Submission
from hpo_nni.trial.triage import FailedJobError, set_logs_aside

if TYPE_CHECKING:
    from pathlib import Path

    from hpo_nni.failures import Failure
    from hpo_nni.ledger import Ledger
    from hpo_nni.platforms.base import Job, Plan
    from hpo_nni.trial.meter import Meter
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import Step, TrialSettings
    from hpo_nni.trial.shutdown import Shutdown

logger = logging.getLogger(__name__)

TAIL_LINES = 20
LOG_LINES = 1000  # that are kept of a job whose log is not on this machine
SIGNAL_SECONDS = 0.5
CANCEL_SECONDS = 20.0  # how long a cancelled job may take to end before it is left to others
CANCEL_POLL = 0.2
_CANCELLING = Patience(first=0.2, longest=1.0, total=4.0)  # NNI 3.0 kills this process after 5 s


class JobRunner:
    """Runs the jobs of one trial, one after the other.

    Args:
        place: ids and directories.
        settings: the ini, with the trial's point substituted.
        ledger: already knows the trial.
        shutdown: tells when to end.
        meter: reads the trial's metrics while a job runs.

    Attributes:
        redact: takes the settings' credentials out of a text.

    Raises:
        SettingsError: a credential leads nowhere.
    """

    def __init__(
        self,
        place: Place,
        settings: TrialSettings,
        ledger: Ledger,
        shutdown: Shutdown,
        meter: Meter,
    ) -> None:
        self._place = place
        self._settings = settings
        self._ledger = ledger
        self._shutdown = shutdown
        self._meter = meter
        self.redact = Redactor(settings.secrets(os.environ))
        self._platform = open_platform(settings, place.working_directory)
        self._retrier = Retrier(shutdown.pause)
        self._triage = triage.Triage(settings.failures, settings.platform)
        self._identity = ProcessIdentity.current()

    def run(self, step: Step) -> None:
        """Run the job of a step to its end, once its window is open.

        Raises:
            JobError: it failed, or could not be submitted.
            Interrupted: the trial was told to end; the job has been cancelled.
        """
        self._await_window(step)
        spec = self._spec(step)
        set_logs_aside(spec)
        plan = self._platform.plan(spec)
        self._ledger.set_reason(self._place.trial_id, "")
        self._ledger.intend_job(self._intent(step, spec, plan.text))
        job = self._submit(plan)
        try:
            self._accept(spec, job)
            status = self._follow(spec, job)
        except BaseException as error:
            self._cancel(spec.name, job)
            if isinstance(error, (Interrupted, HpoNniError)):
                raise
            raise JobError(
                f"{step.key} was cancelled: {error!r}", job_id=job.id, log_tail=job.log_tail()
            ) from error
        self._conclude(step, spec, job, status)

    def _spec(self, step: Step) -> JobSpec:
        attempt = len(self._ledger.jobs(self._place.trial_id)) + 1
        return JobSpec(
            name=f"{self._place.experiment_id}-{self._place.trial_id}-{attempt}-{step.key}",
            step=step.key,
            command=step.command,
            directory=self._settings.path.parent,
            log_directory=self._place.output_directory,
        )

    def _accept(self, spec: JobSpec, job: Job) -> None:
        """Note the platform's answer; raises Interrupted if the job must not run."""
        if not self._ledger.accept_job(spec.name, job.id):
            raise Interrupted  # somebody took it for one that would never be submitted
        logger.info("trial %s: %s started as %s", self._place.trial_id, spec.step, job.id)

    def _conclude(self, step: Step, spec: JobSpec, job: Job, status: JobStatus) -> None:
        """Write down how a job ended by itself; raises as `run` unless it succeeded."""
        log = self._keep_log(job, spec.stdout)
        failed = self._failed_job(step, job, status, log)
        if failed is not None:
            self._ledger.note_job_failure(spec.name, failed.failure)
        self._end_job(spec.name, status, _last_lines(log))
        if status.state is not JobState.SUCCEEDED:
            # NNI's signal goes to the whole tree and may reach the job a moment before us
            if failed is None or self._shutdown.wait(SIGNAL_SECONDS):
                raise Interrupted
            raise failed

    def _failed_job(
        self, step: Step, job: Job, status: JobStatus, log: str
    ) -> FailedJobError | None:
        """The error of a job that failed by itself; None for any other end."""
        if status.state not in {JobState.FAILED, JobState.LOST}:
            return None
        status = replace(status, message=self.redact(status.message))
        failure = self._triage.of_job(status, log)
        first, *rest = status.message.splitlines() or [""]
        known = "" if failure.kind is FailureKind.UNKNOWN else f" ({_without(failure, first)})"
        return FailedJobError(
            "\n".join([f"{step.key} {status.state.value}: {first}{known}", *rest]),
            failure,
            job_id=job.id,
            log_tail=_last_lines(log),
            hint="; ".join(
                filter(None, [status.hint, f"its output is in {self._place.output_directory}"])
            ),
        )

    def _await_window(self, step: Step) -> None:
        """Wait until jobs may start; the log and the ledger say why, while it waits."""
        if self._settings.window is None:
            return
        await_opening(
            self._settings.window,
            time.time,
            self._shutdown.pause,
            lambda why: self.announce(step, why),
        )

    def announce(self, step: Step, why: str) -> None:
        """Say in the log and in the ledger what a step waits for."""
        logger.info("trial %s: %s: %s", self._place.trial_id, step.key, why)
        self._ledger.set_reason(self._place.trial_id, self.redact(f"{step.key}: {why}"))

    def _submit(self, plan: Plan) -> Job:
        """Submit; an intent of which the platform may know more than we do stays open."""
        submission = Submission(self._platform, plan, self._retrier, self._shutdown.pause)
        try:
            return submission.run()
        except (HpoNniError, Interrupted) as error:
            if not submission.in_doubt:
                is_told = isinstance(error, Interrupted)
                state = JobState.CANCELLED if is_told else JobState.FAILED
                message = "it was never submitted" if is_told else str(error)
                self._end_job(plan.name, JobStatus(state, message))
            raise

    def _follow(self, spec: JobSpec, job: Job) -> JobStatus:
        """Read metrics until the job has ended and what it wrote last has been read."""
        before, accepted = None, time.time()
        while True:
            status = self._retrier(job.status)  # before the metrics: what comes last is still read
            if before is None or (status.state != before.state and not status.state.is_final):
                since = accepted if before is None else None
                is_running = status.state is not JobState.WAITING
                self._ledger.observe_job(spec.name, is_running=is_running, since=since)
            if status.state is JobState.WAITING and status != before:
                logger.info("trial %s: %s", self._place.trial_id, status.message)
            before = status
            if self._settings.metrics.kind == "stdout":
                copy_output(job, spec.stdout, self.redact)
            self._meter.poll(is_running=status.state is JobState.RUNNING)
            if status.state.is_final:
                return status
            self._shutdown.pause(self._settings.metrics.poll_interval)

    def _cancel(self, name: str, job: Job) -> None:
        """Cancel the job and write down how it ended; a fault is logged, for the reaper to see."""
        retrier = Retrier(time.sleep, _CANCELLING)
        deadline = time.monotonic() + CANCEL_SECONDS
        try:
            retrier(job.cancel)
            while not (status := retrier(job.status)).state.is_final:
                if time.monotonic() > deadline:
                    logger.warning("trial %s: %s still ends", self._place.trial_id, name)
                    return
                time.sleep(CANCEL_POLL)
            self._end_job(name, status, job.log_tail(TAIL_LINES))
        except HpoNniError:
            logger.exception("trial %s: cannot cancel job %s", self._place.trial_id, name)

    def _keep_log(self, job: Job, file: Path) -> str:
        """The end of the job's log; where the log is not on this machine, a copy comes here."""
        if file.exists():
            return self.redact(job.log_tail(triage.LOG_LINES))
        text = self.redact(job.log_tail(LOG_LINES))
        try:
            file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            logger.warning("%s cannot be written: %s", file, error)
        return "\n".join(text.splitlines()[-triage.LOG_LINES :])

    def _end_job(self, name: str, status: JobStatus, tail: str = "") -> None:
        redact = self.redact
        self._ledger.end_job(name, status.state.value, redact(status.message), redact(tail))

    def _intent(self, step: Step, spec: JobSpec, text: str) -> JobRecord:
        me = self._identity
        resources, rate = self._settings.costs.charge(spec.command)
        return JobRecord(
            name=spec.name,
            trial_id=self._place.trial_id,
            step=step.key,
            platform=self._settings.platform,
            plan=self.redact(text),
            intended=time.time(),
            host=me.host,
            boot_id=me.boot_id,
            pid=me.pid,
            pid_started=me.started,
            settings_file=str(self._settings.path),
            resources=resources,
            rate=rate,
            fingerprint=step.fingerprint,
        )


def _without(failure: Failure, said: str) -> str:
    """The failure's class and why, without the words that stand before it already."""
    words = str(failure)
    for quoted in (repr(said), said):
        words = words.replace(f": {quoted}", "")
    return words


def _last_lines(log: str) -> str:
    return "\n".join(log.splitlines()[-TAIL_LINES:])
