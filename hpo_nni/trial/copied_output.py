"""What jobs print elsewhere, copied to where the output of local jobs is, for who reads that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hpo_nni.platforms.base import PrintsElsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hpo_nni.platforms.base import Job

logger = logging.getLogger(__name__)


def copy_output(job: Job, file: Path, redact: Callable[[str], str]) -> None:
    """Append what a job has printed since the last call; nothing for jobs of this machine.

    Args:
        job: that is followed.
        file: of its standard output on this machine.
        redact: hides secrets.
    """
    if not isinstance(job, PrintsElsewhere):
        return
    text = redact(job.new_output())
    if not text:
        return
    try:
        with file.open("a", encoding="utf-8") as copy:
            copy.write(text)
    except OSError as error:
        logger.warning("%s cannot be written: %s", file, error)
