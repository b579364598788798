"""How long a tuner reads the ledger before a proposal, with 1,000 trials: all of it, or the news.

python benchmarks/known_trials.py
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.core.known_trials import KnownTrials
from hpo_nni.ledger import Ledger
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord, TrialState

if TYPE_CHECKING:
    from collections.abc import Callable

TRIALS, PROPOSALS = 1000, 50
WANTED = 5.0  # ms


def main() -> int:
    """Print both; 1 if reading the news takes more than is wanted."""
    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder)) as ledger:
        ledger.begin_experiment(ExperimentRecord("Exp", 1.0, "maximize"))
        for number in range(TRIALS):
            _trial(ledger, number)
        known = KnownTrials(ledger, "Exp")
        known.read()
        whole, news = [], []
        for number in range(TRIALS, TRIALS + PROPOSALS):
            _trial(ledger, number)
            whole.append(_milliseconds(lambda: ledger.trials("Exp")))
            news.append(_milliseconds(known.read))
        assert known.read() == ledger.trials("Exp")
    print(f"{TRIALS} trials, median of {PROPOSALS} proposals, one trial ended between two:")
    print(f"all trials  {statistics.median(whole):6.2f} ms")
    print(f"the news    {statistics.median(news):6.2f} ms")
    return int(statistics.median(news) > WANTED)


def _trial(ledger: Ledger, number: int) -> None:
    point = {f"model.layers[{axis}].rate": number / (axis + 1) for axis in range(8)}
    ledger.begin_trial(TrialRecord(f"T{number}", "Exp", number, float(number), parameters=point))
    ledger.end_trial(f"T{number}", TrialState.SUCCEEDED, "", float(number))


def _milliseconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main())
