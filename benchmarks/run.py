"""`make bench`: the measurements that take minutes at most, one after the other.

    python benchmarks/run.py

Each prints its table, with its peers measured in the same run, and ends with an error if it misses
what is wanted. digits_gain.py, which takes an hour, is run by itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("documents.py", "events.py", "trial_cost.py", "known_trials.py")


def main() -> int:
    """Run all of them, also after a failure; 1 if one failed."""
    failed = []
    for name in SCRIPTS:
        print(f"\n== {name}", flush=True)
        script = Path(__file__).with_name(name)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
