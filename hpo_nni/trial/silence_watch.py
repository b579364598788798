"""A job that runs and tells nothing: an alarm first, then a failure that may be tried again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.errors import SilentMetricError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


@dataclass
class SilenceWatch:
    """Measures for how long no metric has come while a job runs.

    Attributes:
        seconds: of silence until the alarm, and again until the failure; 0 for never.
        clock: seconds that only grow.
        what: whose silence it is, for the messages.
    """

    seconds: float
    clock: Callable[[], float]
    what: str
    _since: float | None = None
    _has_warned: bool = False

    def hear(self) -> None:
        """Note that a metric came, or that nothing is to be expected now."""
        self._since, self._has_warned = None, False

    def listen(self) -> None:
        """Note that nothing came while the job ran.

        Raises:
            SilentMetricError: twice the time has passed.
        """
        if not self.seconds:
            return
        now = self.clock()
        if self._since is None:
            self._since = now
        silent = now - self._since
        if silent >= 2 * self.seconds:
            raise SilentMetricError(
                f"{self.what}: its job runs, and no metric has come for {silent:.0f} s",
                hint="silence_timeout in [metric_config] says how long that may be; hpo-nni logs "
                "shows what the job wrote last",
            )
        if silent >= self.seconds and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s: no metric has come for %.0f s; after %.0f s it fails",
                self.what,
                silent,
                2 * self.seconds,
            )
