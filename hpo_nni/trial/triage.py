"""What a trial's failure is, and whether its step is tried again."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
from typing import TYPE_CHECKING

from hpo_nni.errors import JobError
from hpo_nni.failures import Evidence, Failure, FailureKind, classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.platforms.base import JobSpec, JobStatus
    from hpo_nni.trial.failure_settings import FailureSettings

logger = logging.getLogger(__name__)

LOG_LINES = 100  # of a failed job, in which the rules look


class FailedJobError(JobError):
    """A job failed, and what that is has been decided.

    Attributes:
        failure: see there.
    """

    def __init__(
        self, message: str, failure: Failure, *, job_id: str, log_tail: str, hint: str
    ) -> None:
        super().__init__(message, job_id=job_id, log_tail=log_tail, hint=hint)
        self.failure = failure


class Triage:
    """Classifies the failures of one trial.

    Args:
        settings: the user's rows, and how often a step is tried again.
        platform: the name of the trial's.
    """

    def __init__(self, settings: FailureSettings, platform: str) -> None:
        self._settings = settings
        self._platform = platform

    def of_job(self, status: JobStatus, log: str) -> Failure:
        """The failure of a job.

        Args:
            status: its last.
            log: the last `LOG_LINES` that it wrote.
        """
        evidence = Evidence(
            message=status.message,
            log=log,
            exit_code=status.exit_code,
            state=status.state.value,
            platform=self._platform,
        )
        return classify(evidence, self._settings.rules)

    def of_error(self, error: BaseException) -> Failure:
        """The failure of a trial that ends with this error."""
        if isinstance(error, FailedJobError):
            return error.failure
        evidence = Evidence(
            message=getattr(error, "message", repr(error)),
            errors=tuple(kind.__name__ for kind in type(error).__mro__),
            platform=self._platform,
        )
        return classify(evidence, self._settings.rules)

    def run(
        self,
        attempt: Callable[[], None],
        pause: Callable[[float], object],
        announce: Callable[[str], None],
    ) -> None:
        """Run a step, again where its failure may pass.

        Args:
            attempt: runs one job; raises FailedJobError if it fails.
            pause: sleeps so many seconds; may raise, to give up.
            announce: takes a sentence about what it waits for.

        Raises:
            FailedJobError: that of the last attempt.
        """
        failures = 0
        while True:
            try:
                return attempt()
            except FailedJobError as error:
                failures += 1
                is_last = failures > self._settings.retries
                if error.failure.kind is not FailureKind.TRANSIENT or is_last:
                    raise
                seconds = self._settings.patience.pause(failures, random.random())  # noqa: S311
                announce(
                    f"waits {seconds:.0f} s after failure {failures} "
                    f"({self._settings.retries} are tried again): {error.failure}"
                )
                pause(seconds)


def set_logs_aside(spec: JobSpec) -> None:
    """Keep what an earlier job of the same step wrote, as `cmd1.stdout.1` and so on."""
    for file in (spec.stdout, spec.stderr):
        names = (file.with_name(f"{file.name}.{number}") for number in itertools.count(1))
        with contextlib.suppress(FileNotFoundError):
            file.rename(next(name for name in names if not name.exists()))
