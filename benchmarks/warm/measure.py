"""`make bench-warm`: sweeps that start from earlier ones, beside cold ones on the same day.

    .venv/bin/python benchmarks/warm/measure.py [--seeds N] [--report] [--development]

Each task (tasks.py) has a past: sweeps that AutoTuner's optimizer makes with one seed, each warm
from those before it, as `warm_start: auto` does. Then today's sweep is made with each seed, cold
and warm. What counts is the trial that would be shipped, the one with the best score that ran to
its end, and its loss without noise. Finished runs are kept in results.json, so an interrupted
measurement goes on where it was.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy comes

import argparse
import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import report
import tasks

from hpo_nni.direction import Direction
from hpo_nni.optimizers.auto import AutoOptimizer
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.sweeps import EarlierSweep, EarlierTrial
from hpo_nni.space import parse_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks import DailySweep, Task

HERE = Path(__file__).parent
SEEDS = 5


def run_sweep(
    sweep: DailySweep, seed: int, past: Sequence[EarlierSweep], defaults: dict[str, Any]
) -> tuple[EarlierSweep, list[float]]:
    """Make a sweep, one trial at a time.

    Returns:
        what later ones learn of it, and the true loss of what would be shipped after each trial.
    """
    optimizer = AutoOptimizer(
        parse_space(sweep.space),
        Direction.MINIMIZE,
        seed=seed,
        trials=sweep.trials,
        earlier=past,
        defaults=defaults,
    )
    trials: list[EarlierTrial] = []
    shipped: list[float] = []
    best = true = np.inf
    for number in range(sweep.trials):
        point = optimizer.ask()
        assert point is not None
        rng = np.random.default_rng([seed, number, len(past)])
        scores = sweep.scores(point, rng)
        is_stopped = sweep.stops and _looks_bad(scores, trials)
        if is_stopped:
            scores = dict(list(scores.items())[: tasks.STOPPED_AFTER])
        score = float(np.mean(list(scores.values())))
        outcome = Outcome.STOPPED if is_stopped else Outcome.COMPLETE
        optimizer.tell([Observation(point, outcome, score)])
        trials.append(EarlierTrial(str(number), point, scores, not is_stopped))
        if not is_stopped and score < best:
            best, true = score, sweep.true(point)
        shipped.append(true)
    return EarlierSweep(sweep.name, trials), shipped


def _looks_bad(scores: dict[str, float], peers: Sequence[EarlierTrial]) -> bool:
    """Whether a trial is worse than the median of those before it, on its first days."""
    if len(peers) < tasks.PEERS:
        return False
    days = list(scores)[: tasks.STOPPED_AFTER]
    means = [np.mean([peer.scores[day] for day in days]) for peer in peers]
    return bool(np.mean([scores[day] for day in days]) > np.median(means))


@cache
def past_of(kind: str, number: int) -> tuple[Task, list[EarlierSweep]]:
    """A task and its earlier sweeps."""
    task = tasks.make_task(kind, number)
    past: list[EarlierSweep] = []
    for sweep in task.earlier:
        past.append(run_sweep(sweep, 0, past, task.defaults)[0])
    return task, past


def measure_one(kind: str, number: int, seed: int) -> dict[str, Any]:
    """Today's sweep of a task, cold and warm, as regrets."""
    task, past = past_of(kind, number)
    best, typical = task.today.yardstick
    entry: dict[str, Any] = {
        "kind": kind,
        "task": number,
        "seed": seed,
        "trials": task.today.trials,
        "sweeps": len(past),
        "changed": task.earlier[-1].space != task.today.space,
        "stops": task.today.stops,
    }
    for name, known in (("cold", []), ("warm", past)):
        losses = run_sweep(task.today, seed, known, task.defaults)[1]
        regrets = [(loss - best) / (typical - best) for loss in losses]
        entry[name] = [round(max(0.0, one), 5) if np.isfinite(one) else None for one in regrets]
    return entry


def main() -> int:
    """Measure what is missing, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of today's sweep")
    parser.add_argument("--tasks", type=int, default=tasks.TASKS, help="of each kind")
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    parser.add_argument(
        "--development", type=Path, metavar="FILE", help="on the tasks for tuning; keep runs there"
    )
    arguments = parser.parse_args()
    file = arguments.development or HERE / "results.json"
    begin = tasks.DEVELOPMENT if arguments.development else tasks.REPORTED
    runs = json.loads(file.read_text()) if file.exists() else []
    known = {(run["kind"], run["task"], run["seed"]) for run in runs}
    for seed in range(0 if arguments.report else arguments.seeds):
        for number in range(begin, begin + arguments.tasks):
            for kind in tasks.KINDS:
                if (kind, number, seed) not in known:
                    runs.append(measure_one(kind, number, seed))
                    _write(file, runs)
    text = report.tables(runs)
    if not arguments.development:
        (HERE / "results.md").write_text(text)
    print(text)
    return 0


def _write(file: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Replace the file, one run on a line, so that an interruption leaves the old one."""
    lines = ",\n".join(json.dumps(run, separators=(",", ":")) for run in runs)
    fresh = file.with_suffix(".new")
    fresh.write_text(f"[\n{lines}\n]\n")
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
