"""What could not be used: damaged records, and files that cannot be read.

Damage is counted, and the first of it is said aloud. A file that is not there yet is no damage; one
that is there and cannot be read is said aloud once per reason.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

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


class Presence:
    """Whether a path or URI can be read.

    Attributes:
        absence: why not, as the end of a sentence about the path; empty if it can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._said: set[str] = set()
        self.absence = "does not exist"

    def found(self) -> None:
        """Note that it can be read."""
        self.absence = ""

    def lost(self, error: OSError) -> None:
        """Note why it cannot be read; log it unless it just does not exist."""
        if isinstance(error, FileNotFoundError):
            self.absence = "does not exist"
            return
        self.absence = f"cannot be read: {error.strerror or error}"
        if self.absence not in self._said:
            self._said.add(self.absence)
            logger.warning("%s %s; trying again", self._path, self.absence)
