"""Patience with services that are busy or out of reach: back-off, jitter and one deadline.

SDKs and seams do not retry: who owns the trial's time does, here.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hpo_nni.errors import TransientPlatformError, TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

logger = logging.getLogger(__name__)

TRANSIENT = (TransientPlatformError, TransientStoreError)


@dataclass(frozen=True)
class Patience:
    """How long to try again.

    Attributes:
        first: seconds before the second try; each further pause is twice as long.
        longest: the longest pause, in seconds.
        total: seconds after the first failure when no further try begins.
    """

    first: float = 1.0
    longest: float = 60.0
    total: float = 1800.0

    def pause(self, failures: int, chance: float) -> float:
        """The pause after so many failures; `chance`, in [0, 1), takes up to half of it away.

        >>> [Patience().pause(failures, 0.0) for failures in (1, 2, 3, 50)]
        [1.0, 2.0, 4.0, 60.0]
        """
        whole = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return whole * (1 - chance / 2)


class Retrier:
    """Calls until it goes well, an error is not transient, or the patience ends.

    Args:
        pause: sleeps so many seconds; may raise, to give up.
        patience: see there.
        clock: seconds that only grow.
        chance: a random number in [0, 1), so that many trials do not come back at once.
    """

    def __init__(
        self,
        pause: Callable[[float], object],
        patience: Patience = Patience(),
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pause = pause
        self._patience = patience
        self._clock = clock
        self._chance = chance

    def __call__(self, call: Callable[[], T]) -> T:
        """Return what the call returns; raises its last error."""
        failures, began = 0, 0.0
        while True:
            try:
                return call()
            except TRANSIENT as error:
                began = began if failures else self._clock()
                failures += 1
                seconds = self._patience.pause(failures, self._chance())
                if self._clock() + seconds - began > self._patience.total:
                    raise
                hint = f"\n  hint: {error.hint}" if error.hint and failures == 1 else ""
                logger.warning("%s; trying again in %.0f s%s", error.message, seconds, hint)
                self._pause(seconds)
