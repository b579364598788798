"""The reaper's process: `python -S __main__.py DIRECTORY LOCK`, started by `start.py`.

It forks before it imports anything of ours, so that whoever starts it waits for some 20 ms only,
and nobody who looks for children finds it below a trial.
"""

from __future__ import annotations

import os
import sys


def detach() -> None:
    """Go on as a process of nobody's, in a session of its own, without a terminal."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


if __name__ == "__main__":
    detach()
    # behind the standard library, which nothing beside this package may hide
    sys.path[:] = [*sys.path[1:], os.path.dirname(os.path.dirname(os.path.dirname(__file__)))]  # noqa: PTH120 - imports
    from hpo_nni.reaper.watch import main

    main(sys.argv[1], int(sys.argv[2]))
