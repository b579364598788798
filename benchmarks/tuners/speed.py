"""Seconds and memory of a proposal in 20 mixed dimensions, after 1,000 and 10,000 results.

python benchmarks/tuners/speed.py
"""

from __future__ import annotations

import random
import statistics
import sys
import time

import psutil

from hpo_nni.core.auto_tuner import AutoTuner
from hpo_nni.space import parse_space

PROPOSALS = 25
MOST_SECONDS = {1_000: 0.1, 10_000: 0.3}
MOST_MEGABYTES = 300
KINDS = (
    {"_type": "loguniform", "_value": [1e-5, 1]},
    {"_type": "uniform", "_value": [0, 1]},
    {"_type": "randint", "_value": [1, 65]},
    {"_type": "choice", "_value": ["relu", "tanh", "gelu", "silu"]},
    {"_type": "choice", "_value": [16, 32, 64, 128, 256]},
)
SPACE = {f"p{number}": KINDS[number % len(KINDS)] for number in range(20)}


def loss(point: dict) -> float:
    """Something that depends on every dimension."""
    space = parse_space(SPACE)
    units = [space[key].to_unit(value) for key, value in point.items()]
    return sum((unit - 0.3) ** 2 * (1 + index % 3) for index, unit in enumerate(units))


def main() -> int:
    """Print the table; 1 if a bound is passed."""
    process, rng = psutil.Process(), random.Random(1)
    space = parse_space(SPACE)
    before = process.memory_info().rss
    failed = False
    print("| results | median s | largest s | MB above the bare tuner |\n| --- | --- | --- | --- |")
    for results, most in MOST_SECONDS.items():
        tuner = AutoTuner(optimize_mode="minimize", seed=1)
        tuner.update_search_space(SPACE)
        history = [space.sample(rng) for _ in range(results)]
        tuner.import_data([{"parameter": point, "value": loss(point)} for point in history])
        tuner.generate_parameters(-1)  # takes the history in, and is not counted
        spent = []
        for number in range(PROPOSALS):
            begin = time.process_time()
            point = tuner.generate_parameters(number)
            spent.append(time.process_time() - begin)
            tuner.receive_trial_result(number, point, loss(point))
        megabytes = (process.memory_info().rss - before) / 2**20
        median = statistics.median(spent)
        print(f"| {results:,} | {median:.3f} | {max(spent):.3f} | {megabytes:.0f} |", flush=True)
        failed |= median > most or megabytes > MOST_MEGABYTES
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
