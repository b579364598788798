"""Records that could not be used: all counted, the first few of each file said aloud."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

ALOUD = 20


class Damage:
    """The damage of one file or directory.

    Attributes:
        count: how many records could not be used.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self.count = 0

    def report(self, fact: str) -> None:
        """Count one damaged record and log it, unless there have been so many that it is noise."""
        self.count += 1
        if self.count <= ALOUD:
            logger.warning("%s: %s", self._where, fact)
        if self.count == ALOUD:
            logger.warning("%s: further damage is counted but not logged", self._where)
