"""Submitting a job exactly once, also where an answer is lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hpo_nni.errors import InDoubtError, PlatformError, TransientPlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.platforms.base import Job, Plan, Platform
    from hpo_nni.trial.retry import Retrier

logger = logging.getLogger(__name__)

LOOKS = (2.0, 4.0, 8.0, 16.0)  # pauses between looking for a job, before it is submitted again


class Submission:
    """One job on its way.

    Args:
        platform: where it goes.
        plan: what is submitted.
        retrier: for faults that may pass.
        pause: sleeps so many seconds; may raise, to give up.

    Attributes:
        in_doubt: whether the platform may have a job of which it has not told us.
    """

    def __init__(
        self,
        platform: Platform,
        plan: Plan,
        retrier: Retrier,
        pause: Callable[[float], object],
    ) -> None:
        self._platform = platform
        self._plan = plan
        self._retrier = retrier
        self._pause = pause
        self.in_doubt = False

    def run(self) -> Job:
        """Return the job, of this submission or of one whose answer was lost.

        Raises:
            PlatformError: the platform refuses, or does not answer for too long.
        """
        job = self._retrier(self._attempt)
        self.in_doubt = False
        return job

    def _attempt(self) -> Job:
        if self.in_doubt:
            found = self._look_for_it()
            if found is not None:
                return found
        try:
            return self._platform.submit(self._plan)
        except InDoubtError:
            self.in_doubt = True
            raise
        except TransientPlatformError:
            raise
        except PlatformError:
            # it may have appeared between the last look and now, and then its name is taken
            found = self._platform.find(self._plan.name) if self.in_doubt else None
            if found is None:
                self.in_doubt = False
                raise
            return found

    def _look_for_it(self) -> Job | None:
        for seconds in LOOKS:
            found = self._platform.find(self._plan.name)
            if found is not None:
                logger.info("job %s was submitted after all, as %s", self._plan.name, found.id)
                return found
            self._pause(seconds)
        return self._platform.find(self._plan.name)
