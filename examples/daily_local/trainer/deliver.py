"""Delivers days of the click log, as a warehouse would: one file per day, whole or not there.

    python3 deliver.py --first 20261001 --last 20261012 --out ../exp/days

The trainer computes the same log itself; the files are what `hpo-nni daily` waits for.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import numpy as np
from click_log import FIELDS, days_between, read_day


def main() -> int:
    """Write the days; 0."""
    parser = argparse.ArgumentParser(description="Deliver days of the click log.")
    parser.add_argument("--first", type=_day, required=True, help="as 20261001")
    parser.add_argument("--last", type=_day, help="by default, the first")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for day in days_between(arguments.first, arguments.last or arguments.first):
        log = read_day(day)
        target = arguments.out / f"{day:%Y%m%d}.csv"
        part = target.with_suffix(".part")
        table = np.column_stack([log.values, log.clicks])
        header = ",".join([*FIELDS, "click"])
        np.savetxt(part, table, fmt="%d", delimiter=",", header=header, comments="")
        part.replace(target)
    return 0


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


if __name__ == "__main__":
    sys.exit(main())
