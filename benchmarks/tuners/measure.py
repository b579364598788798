"""`make bench-tuners`: our tuners and their peers on the same tasks, in the same run.

    build/bench-tuners/bin/python benchmarks/tuners/measure.py [--quick] [--report]

A run is one tuner on one task with one seed, sequentially or four at a time. Finished runs are kept
in results/runs.jsonl, so an interrupted measurement goes on where it was; it proceeds seed by seed,
and its tables hold the seeds that all tuners have finished. The full measurement takes hours on
one core, `--quick` some minutes. `--report` only writes the tables and the plot anew.
"""

from __future__ import annotations

import one_core  # noqa: F401 - first of all

# isort: split

import argparse
import itertools
import json
import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import peers
import plot
import tables
import tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks import Task

RESULTS = Path(__file__).parent / "results"
RUNS = RESULTS / "runs.jsonl"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        budget: evaluations of each run.
        seeds: of the tuner and of the task's instance.
        slow_budget, slow_seeds, slow_tasks: what the slow peers get.
        per_family: how many tasks of each family are taken.
        parts: which tasks.
    """

    budget: int
    seeds: int
    slow_budget: int = 50
    slow_seeds: int = 5
    slow_tasks: int = 5
    per_family: int = 99
    parts: tuple[str, ...] = (tasks.REPORTED, tasks.CHOSEN_ON)


FULL = Plan(budget=200, seeds=10)
QUICK = Plan(budget=50, seeds=10, slow_seeds=0, per_family=2, parts=(tasks.REPORTED,))


@dataclass(frozen=True)
class Key:
    """Which run it is."""

    peer: str
    task: str
    seed: int
    workers: int


def wanted(plan: Plan) -> Iterator[tuple[Key, Task, int]]:
    """All runs with their tasks and budgets, seed by seed, the reported tasks first."""
    for part, workers in itertools.product(plan.parts, (1, 4)):
        chosen = _first_of_each_family(part, plan.per_family)
        for seed in range(plan.seeds):
            for number, task in enumerate(chosen):
                for peer in peers.PEERS:
                    slow = peer in peers.SLOW
                    if slow and (
                        seed >= plan.slow_seeds or number >= plan.slow_tasks or workers > 1
                    ):
                        continue
                    budget = min(plan.budget, plan.slow_budget) if slow else plan.budget
                    yield Key(peer, task.name, seed, workers), task, budget


def _first_of_each_family(part: str, most: int) -> list[Task]:
    families: dict[str, list[Task]] = {}
    for task in tasks.all_tasks():
        if task.part == part:
            families.setdefault(task.family, []).append(task)
    return [task for found in families.values() for task in found[:most]]


def read_runs() -> dict[Key, dict]:
    """What was measured so far."""
    if not RUNS.exists():
        return {}
    runs = {}
    for line in RUNS.read_text().splitlines():
        entry = json.loads(line)
        key = Key(entry["peer"], entry["task"], entry["seed"], entry["workers"])
        if key not in runs or entry["budget"] > runs[key]["budget"]:
            runs[key] = entry
    return runs


def measure(plan: Plan) -> None:
    """Do every run that is not there yet, or that was shorter."""
    RESULTS.mkdir(exist_ok=True)
    known = read_runs()
    for key, task, budget in wanted(plan):
        if key in known and known[key]["budget"] >= budget:
            continue
        peer = peers.PEERS[key.peer](task, key.seed)
        instance = task.instance(key.seed)
        regrets, seconds = peers.run(peer, instance, budget, key.workers, key.seed)
        entry = {
            "peer": key.peer,
            "task": key.task,
            "seed": key.seed,
            "workers": key.workers,
            "budget": budget,
            "seconds": round(seconds, 2),
            "steps": _steps(regrets),
        }
        with RUNS.open("a") as file:
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        print(key, f"{regrets[-1]:.4f}", flush=True)


def _steps(regrets: list[float]) -> list[list[float]]:
    """The evaluations at which the regret fell, and to what."""
    steps: list[list[float]] = []
    for number, regret in enumerate(regrets, start=1):
        if not steps or regret < steps[-1][1]:
            steps.append([number, float(f"{regret:.5g}")])
    return steps


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50 evaluations, fewer tasks")
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if not arguments.report:
        measure(QUICK if arguments.quick else FULL)
    runs = list(read_runs().values())
    parts = {task.name: task.part for task in tasks.all_tasks()}
    text = tables.report(runs, parts)
    (RESULTS / "tuners.md").write_text(text)
    (RESULTS / "regret.svg").write_text(plot.curves(runs, parts))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
