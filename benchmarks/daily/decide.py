"""How often `hpo-nni daily` says *ship* where neither is better, and how often where one is.

Run by `make bench-daily`. It asks `hpo_nni.daily.decision.judge` itself, on made-up differences
whose truth is known, and on real ones: the example's recommender trained many times with the same
config and different seeds. Writes results.md and results.json beside itself.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parents[1] / "examples" / "daily_local" / "trainer"))

from click_log import read_day  # noqa: E402
from recommender import Recommender  # noqa: E402

from hpo_nni.daily.decision import Terms, judge  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

BURN_IN = 100  # days before the first that is looked at
LEVEL = 0.05
STRICT = 0.01  # at which seven days can show something
DAYS, MANY = (5, 7, 10, 14), (7, 10, 14)
CARRIES = (0.0, 0.5, 0.7)  # settings of the power table; the last is the default
EFFECTS = (0.5, 1.0, 2.0, 4.0, 8.0)  # in standard deviations of a day's difference
SEEDS, WALK, TUNING = 40, 20, 6
SEASON = 30  # days


def _autoregressive(carried: float, draw: Draw) -> Draw:
    def walk(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        noise = draw(rng, (shape[0], shape[1] + BURN_IN))
        for day in range(1, noise.shape[1]):
            noise[:, day] += carried * noise[:, day - 1]
        return noise[:, BURN_IN:]

    return walk


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape)


def _student(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_t(3, shape)


def _cauchy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_cauchy(shape)


def _unequal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_normal(shape) * rng.lognormal(0, 1, shape)


NULLS: dict[str, Draw] = {
    "independent, normal": _normal,
    "independent, uniform": lambda rng, shape: rng.uniform(-1, 1, shape),
    "independent, two values": lambda rng, shape: rng.choice((-1.0, 1.0), shape),
    "independent, Student's t with 3 degrees of freedom": _student,
    "independent, Cauchy": _cauchy,
    "independent, each day its own scale": _unequal,
    "carry-over 0.3, normal": _autoregressive(0.3, _normal),
    "carry-over 0.5, normal": _autoregressive(0.5, _normal),
    "carry-over 0.5, Student's t with 3": _autoregressive(0.5, _student),
    "carry-over 0.7, normal": _autoregressive(0.7, _normal),
    "carry-over 0.7, Student's t with 3": _autoregressive(0.7, _student),
    "carry-over 0.7, Cauchy": _autoregressive(0.7, _cauchy),
    "carry-over 0.7, each day its own scale": _autoregressive(0.7, _unequal),
}
BROKEN: dict[str, Draw] = {
    "carry-over 0.9, normal, with 0.7 stated": _autoregressive(0.9, _normal),
    "independent, seldom very bad (minus exponential)": lambda rng, shape: (
        1.0 - rng.exponential(1.0, shape)
    ),
}


def share(samples: np.ndarray, terms: Terms) -> float:
    """How often these ship."""
    return sum(judge(one, terms).ships for one in samples) / len(samples)


def share_of_any(draw: Draw, terms: Terms, days: int, replicates: int, seed: int) -> float:
    """How often any of several challengers ships that have the champion's noise in common."""
    rng = np.random.default_rng(seed)
    count = terms.challengers
    noise = [draw(rng, (replicates, days)) for _ in range(count + 1)]
    hits = 0
    for replicate in range(replicates):
        hits += any(
            judge(noise[number][replicate] - noise[-1][replicate], terms, count).ships
            for number in range(count)
        )
    return hits / replicates


def seasons(days: int, count: int, seed: int) -> tuple[float, float]:
    """Days in a row on rolling windows, a new challenger each day, none better than another.

    Returns:
        how many ship in a season on average, and the share of seasons in which any does.
    """
    rng = np.random.default_rng(seed)
    shipped = []
    for _ in range(count):
        champion = rng.standard_normal(SEASON + days)
        ships = 0
        for day in range(SEASON):
            challenger = rng.standard_normal(SEASON + days)
            if judge((challenger - champion)[day : day + days], Terms(LEVEL)).ships:
                champion, ships = challenger, ships + 1
        shipped.append(ships)
    return float(np.mean(shipped)), float(np.mean(np.array(shipped) > 0))


def walks() -> np.ndarray:
    """AUC by seed and day: one config, trained day after day, with different seeds."""
    first = date(2026, 9, 1)
    logs = {number: read_day(first + timedelta(days=number)) for number in range(30 + WALK + 1)}
    base = Recommender(3, 0)
    for number in range(30):
        base.fit(logs[number], learning_rate=0.05, l2=1e-6, batch_size=200, seed=0)
    found = np.empty((SEEDS, WALK))
    for seed in range(SEEDS):
        model = copy.deepcopy(base)
        for day in range(WALK):
            model.fit(
                logs[30 + day], learning_rate=0.5, l2=1e-6, batch_size=200, seed=1000 * seed + day
            )
            found[seed, day] = model.evaluate(logs[31 + day])["auc"]
    return found


def pairs(scores: np.ndarray, days: int) -> np.ndarray:
    """Differences of all ordered pairs of seeds on the held-out days."""
    held_out = scores[:, TUNING : TUNING + days]
    return np.array(
        [held_out[i] - held_out[j] for i in range(SEEDS) for j in range(SEEDS) if i != j]
    )


def carried(samples: np.ndarray) -> float:
    """The first autocorrelation over all samples, each day's mean taken away."""
    centred = samples - samples.mean(axis=0)
    return float((centred[:, 1:] * centred[:, :-1]).sum() / (centred[:, 1:] ** 2).sum())


def measure(replicates: int) -> dict[str, object]:
    """All tables."""
    found: dict[str, object] = {"replicates": replicates, "level": LEVEL, "strict_level": STRICT}
    for name, streams, days, level in (
        ("null", NULLS, DAYS, LEVEL),
        ("null_strict", NULLS, MANY, STRICT),
        ("broken", BROKEN, DAYS, LEVEL),
    ):
        found[name] = {
            stream: {
                str(count): share(
                    draw(np.random.default_rng([11, count]), (replicates, count)), Terms(level)
                )
                for count in days
            }
            for stream, draw in streams.items()
        }
        print(name, flush=True)
    three = Terms(LEVEL, challengers=3)
    found["three_challengers"] = {
        stream: {
            str(days): share_of_any(NULLS[stream], three, days, replicates, 5) for days in (7, 14)
        }
        for stream in ("independent, normal", "carry-over 0.7, normal")
    }
    scores = walks()
    found["same_config"] = {
        str(days): {
            "carried": carried(pairs(scores, days)),
            **{
                f"{carry:g}": share(pairs(scores, days), Terms(LEVEL, 0.0, carry))
                for carry in CARRIES
            },
        }
        for days in DAYS
    }
    print("same config", flush=True)
    found["power"] = {
        stream: {
            str(days): {
                f"{carry:g}": [
                    share(sample / sample.std() + effect, Terms(LEVEL, 0.0, carry))
                    for effect in EFFECTS
                ]
                for carry in CARRIES
            }
            for days in DAYS
            for sample in [
                NULLS[stream](np.random.default_rng([13, days]), (replicates // 4, days))
            ]
        }
        for stream in ("independent, normal", "carry-over 0.5, normal", "carry-over 0.7, normal")
    }
    print("power", flush=True)
    found["seasons"] = {
        str(days): dict(zip(("shipped", "any"), seasons(days, replicates // 20, 17), strict=True))
        for days in (5, 7)
    }
    return found


def tables(found: dict) -> str:
    """The results as Markdown."""
    lines = [
        "# How often *ship* is said",
        "",
        (
            f"Measured by `make bench-daily`, with {found['replicates']:,} replicates of each "
            f"stream and the default carry-over of 0.7. The standard error of a share of 5 % is "
            f"{100 * (0.05 * 0.95 / found['replicates']) ** 0.5:.2f} %."
        ),
        "",
        f"## Neither is better, level {100 * LEVEL:g} %",
        "",
        *_grid("held-out days", found["null"], DAYS),
        "",
        (
            f"At level {100 * STRICT:g} %. Fewer than five days at {100 * LEVEL:g} %, and fewer "
            f"than seven at {100 * STRICT:g} %, can never ship: a fault of the project's file."
        ),
        "",
        *_grid("held-out days", found["null_strict"], MANY),
        "",
        "Three challengers, all no better, accounted for: how often any of them ships.",
        "",
        *_grid("held-out days", found["three_challengers"], (7, 14)),
        "",
        "What the promise does not cover:",
        "",
        *_grid("held-out days", found["broken"], DAYS),
        "",
        "## One config, trained with different seeds",
        "",
        (
            f"The example's recommender, {SEEDS} seeds, all {SEEDS * (SEEDS - 1):,} ordered pairs; "
            f"{TUNING} days before the held-out ones. How often a seed would ship, by `carry_over`."
        ),
        "",
        "| held-out days | seen carry-over | " + " | ".join(f"{one:g}" for one in CARRIES) + " |",
        "|---" * (2 + len(CARRIES)) + "|",
    ]
    for days, row in found["same_config"].items():
        cells = [f"{100 * row[f'{carry:g}']:.1f} %" for carry in CARRIES]
        lines.append(f"| {days} | {row['carried']:.2f} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## One is better",
        "",
        "How often it ships, by its true gain in standard deviations of a day's difference.",
        "",
        "| stream | held-out days | `carry_over` | "
        + " | ".join(f"{one:g} sd" for one in EFFECTS)
        + " |",
        "|---" * (3 + len(EFFECTS)) + "|",
    ]
    for stream, by_days in found["power"].items():
        for days, by_carry in by_days.items():
            for carry, shares in by_carry.items():
                cells = " | ".join(f"{100 * one:.0f} %" for one in shares)
                lines.append(f"| {stream} | {days} | {carry} | {cells} |")
    lines += [
        "",
        f"## {SEASON} days in a row",
        "",
        "A new challenger each day, none better than another; independent normal noise.",
        "",
        f"| held-out days | shipped in {SEASON} days | seasons in which any is shipped |",
        "|---|---|---|",
    ]
    for days, row in found["seasons"].items():
        lines.append(f"| {days} | {row['shipped']:.2f} | {100 * row['any']:.0f} % |")
    return "\n".join(lines) + "\n"


def _grid(corner: str, rows: dict, columns: tuple[int, ...]) -> list[str]:
    head = f"| {corner} | " + " | ".join(str(one) for one in columns) + " |"
    body = [
        f"| {name} | " + " | ".join(f"{100 * row[str(one)]:.1f} %" for one in columns) + " |"
        for name, row in rows.items()
    ]
    return [head, "|---" * (1 + len(columns)) + "|", *body]


def main() -> int:
    """Measure, print and write; 1 if *ship* is said more often than the level allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    began = time.monotonic()
    found = measure(arguments.replicates)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    (arguments.out / "results.md").write_text(tables(found), "utf-8")
    print(tables(found))
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    slack = 3 * (LEVEL * (1 - LEVEL) / arguments.replicates) ** 0.5
    strict = 3 * (STRICT * (1 - STRICT) / arguments.replicates) ** 0.5
    bounds = (("null", LEVEL + slack), ("null_strict", STRICT + strict))
    bounds += (("three_challengers", LEVEL + slack),)
    above = [
        f"{stream}, {days} days: {value:.3f}"
        for table, bound in bounds
        for stream, row in found[table].items()
        for days, value in row.items()
        if value > bound
    ]
    print("\n".join(["above the level:", *above]) if above else "nowhere above the level")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
