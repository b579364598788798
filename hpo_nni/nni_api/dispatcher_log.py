"""What NNI's dispatcher wrote when it died: neither its manager nor its status tells.

Tuner and assessor live in two threads of the dispatcher (`nni/runtime/msg_dispatcher_base.py`). The
first exception ends its thread; the process goes on, and the experiment stays RUNNING for ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = "Traceback (most recent call last):\n"
_FATAL = re.compile(r"in command_queue_worker$|/nni/__main__\.py\"", re.MULTILINE)
_CALL = re.compile(r"  File |    |\[\d{4}-")  # what leads to an error, and the records that follow


def fatal_error(log_directory: Path) -> str:
    """The exception that ended the dispatcher or one of its threads; empty while they live.

    Without the calls that led to it: those are in the log.
    """
    try:
        text = (log_directory / "dispatcher.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for traceback in reversed(text.split(_HEAD)[1:]):
        if _FATAL.search(traceback):
            return "\n".join(line for line in traceback.splitlines() if not _CALL.match(line))
    return ""
