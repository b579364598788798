"""Daily projects with a past: what a warm start is measured on.

Each task is a project of several sweeps over one search space (in some tasks, over a space that
has changed on the way), a day apart, each over a window of days. What a point is worth on a day is
an invented landscape on the unit cube of the project's widest space: a bowl with a cliff, some
dents, and names of different worth. Its parameters walk at random from day to day. Each day has an
offset and a scale of its own, so that raw scores of different days cannot be compared, and each
evaluation has noise. In every other task, trials that look bad after three days are stopped.

- *related*: the landscape of a project is drawn once and drifts;
- *unrelated*: it is drawn anew for each sweep, so the past says nothing;
- *opposite*: the past is that of a related project with the sign turned: what was good, is bad.

Strengths and seeds are fixed here, before the tuner was changed: `DEVELOPMENT` is what it was
developed on, `REPORTED` is what the report is about.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.space import parse_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.space import SearchSpace

KINDS = ("related", "unrelated", "opposite")
DEVELOPMENT, REPORTED = 1000, 0  # first numbers of the tasks
TASKS = 30  # of each kind

WINDOW = 5  # days of a sweep
STOPPED_AFTER = 3  # days, in tasks with early stopping
PEERS = 5  # that a trial is compared with, at least
DRIFTS = (0.005, 0.015, 0.03)  # of the optimum, a day, in widths of a range
NOISES = (0.01, 0.03)  # of an evaluation, where a typical point is 1 away from the best one
SWEEPS = (3, 4, 5)  # earlier ones
TRIALS = (20, 25, 30)

SPACES: tuple[dict[str, Any], ...] = (
    {
        "rate": {"_type": "loguniform", "_value": [1e-3, 2.0]},
        "l2": {"_type": "loguniform", "_value": [1e-8, 1e-2]},
        "epochs": {"_type": "randint", "_value": [1, 6]},
        "batch": {"_type": "choice", "_value": [32, 64, 128, 256, 512, 1024]},
        "kept": {"_type": "uniform", "_value": [0.0, 1.0]},
    },
    {
        "optimizer": {
            "_type": "choice",
            "_value": [
                {
                    "_name": "sgd",
                    "rate": {"_type": "loguniform", "_value": [1e-4, 1.0]},
                    "momentum": {"_type": "uniform", "_value": [0.0, 0.99]},
                },
                {"_name": "adam", "rate": {"_type": "loguniform", "_value": [1e-6, 0.1]}},
            ],
        },
        "layers": {"_type": "randint", "_value": [1, 7]},
        "width": {"_type": "qloguniform", "_value": [8, 1024, 8]},
        "dropout": {"_type": "quniform", "_value": [0.0, 0.8, 0.05]},
        "decay": {"_type": "loguniform", "_value": [1e-8, 1e-1]},
        "activation": {"_type": "choice", "_value": ["relu", "tanh", "gelu", "silu"]},
    },
    {
        **{f"x{n}": {"_type": "uniform", "_value": [-5.0, 5.0]} for n in range(6)},
        "loss": {"_type": "choice", "_value": ["ce", "focal", "pairwise"]},
    },
)
# A key of each space that comes and goes, and one whose range or options grow, with the old ones.
COMES_AND_GOES = ("kept", "decay", "x5")
GROWS = (
    ("rate", {"_type": "loguniform", "_value": [1e-3, 0.2]}),
    ("layers", {"_type": "randint", "_value": [1, 5]}),
    ("loss", {"_type": "choice", "_value": ["ce", "focal"]}),
)
CHANGES = ("added", "removed", "grown")  # three tasks in a row have one, three have none


@dataclass(frozen=True)
class Landscape:
    """Losses over the unit cube of a space: 0 or a little below at the best place.

    Attributes:
        centre, curvature, cliff: of each numeric axis; a coordinate above its centre counts
            `cliff` times as much.
        worth: of each axis of names, by option.
        mixing: of deviations, so that axes interact.
        dents: places and depths.
        sign: -1 turns it.
    """

    centre: np.ndarray
    curvature: np.ndarray
    cliff: np.ndarray
    worth: Mapping[int, np.ndarray]
    mixing: np.ndarray
    dents: tuple[tuple[np.ndarray, float], ...]
    sign: float = 1.0

    @classmethod
    def drawn(cls, rng: np.random.Generator, options: list[int]) -> Landscape:
        """Draw one; `options` counts those of each axis of names, 0 stands for numbers."""
        axes = len(options)
        mixing = np.eye(axes) + rng.normal(0, 0.15, (axes, axes))
        dents = tuple((rng.uniform(0, 1, axes), float(rng.uniform(0.05, 0.2))) for _ in range(axes))
        return cls(
            centre=rng.uniform(0.15, 0.85, axes),
            curvature=np.exp(rng.normal(0.5, 1.0, axes)),
            cliff=np.exp(rng.normal(0.3, 0.5, axes)),
            worth={axis: rng.uniform(0, 0.6, n) for axis, n in enumerate(options) if n},
            mixing=mixing,
            dents=dents,
        )

    def after_a_day(self, rng: np.random.Generator, drift: float) -> Landscape:
        """The landscape of the next day."""
        centre = self.centre + rng.normal(0, drift, len(self.centre))
        worth = {axis: w + rng.normal(0, drift, len(w)) for axis, w in self.worth.items()}
        curvature = self.curvature * np.exp(rng.normal(0, 2 * drift, len(self.centre)))
        dents = tuple((at + rng.normal(0, drift, len(at)), depth) for at, depth in self.dents)
        return Landscape(
            np.clip(centre, 0.02, 0.98), curvature, self.cliff, worth, self.mixing, dents, self.sign
        )

    def turned(self) -> Landscape:
        """The same with good and bad exchanged."""
        return Landscape(
            self.centre, self.curvature, self.cliff, self.worth, self.mixing, self.dents, -self.sign
        )

    def loss(self, units: np.ndarray, there: np.ndarray) -> float:
        """The loss of a point; `there` says which axes it has."""
        total = 0.0
        away = units - self.centre
        for axis, worth in self.worth.items():
            away[axis] = 0.0
            if there[axis]:
                total += worth[min(int(units[axis] * len(worth)), len(worth) - 1)] - worth.min()
        away[~there] = 0.0
        away = self.mixing @ away
        away[~there] = 0.0
        squares = self.curvature * away**2 * np.where(away > 0, self.cliff, 1.0)
        total += float(np.log1p(squares.sum()))
        for place, depth in self.dents:
            gap = np.where(there, units - place, 0.0)
            total -= depth * float(np.exp(-(gap @ gap) / 0.08))
        return self.sign * total


@dataclass(frozen=True)
class Day:
    """A day: its landscape, and how its scores are shifted and scaled."""

    landscape: Landscape
    offset: float
    scale: float


@dataclass(frozen=True)
class DailySweep:
    """One sweep of a project.

    Attributes:
        name: of the sweep.
        space: its own, in NNI's language.
        whole: the project's widest space, on whose cube the landscapes lie.
        days: by name, the newest last.
        noise: of an evaluation.
        trials: how many it has.
        stops: whether trials are stopped early.
    """

    name: str
    space: Mapping[str, Any]
    whole: SearchSpace
    days: Mapping[str, Day]
    noise: float
    trials: int
    stops: bool

    def true(self, point: Mapping[str, Any]) -> float:
        """The loss without noise, the mean over the days."""
        units, there = self._place(point)
        return float(np.mean([self._on(day, units, there) for day in self.days.values()]))

    def scores(self, point: Mapping[str, Any], rng: np.random.Generator) -> dict[str, float]:
        """The loss on each day, with noise."""
        units, there = self._place(point)
        return {
            name: self._on(day, units, there) + day.scale * self.noise * float(rng.normal())
            for name, day in self.days.items()
        }

    @cached_property
    def yardstick(self) -> tuple[float, float]:
        """The best loss that a long search finds, and the median of random points."""
        space, draw = parse_space(self.space), random.Random(0)
        sample = [self.true(space.sample(draw)) for _ in range(501)]
        best = min(_descent(self, space, draw) for _ in range(3))
        return best, float(np.median(sample))

    def regret(self, point: Mapping[str, Any]) -> float:
        """0 for the optimum, 1 for a typical random point."""
        best, typical = self.yardstick
        return max(0.0, (self.true(point) - best) / (typical - best))

    @staticmethod
    def _on(day: Day, units: np.ndarray, there: np.ndarray) -> float:
        return day.offset + day.scale * day.landscape.loss(units.copy(), there)

    def _place(self, point: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        full = {**defaults(self.whole), **point}
        units = np.array(self.whole.to_unit(full))
        there = []
        for dimension in self.whole.flatten():
            condition = dimension.condition
            there.append(condition is None or full[condition.path[0]]["_name"] == condition.name)
        return units, np.array(there)


@dataclass(frozen=True)
class Task:
    """A project: its earlier sweeps, the oldest first, and today's."""

    kind: str
    number: int
    earlier: tuple[DailySweep, ...]
    today: DailySweep

    @property
    def defaults(self) -> dict[str, Any]:
        """What the untuned config says."""
        return defaults(self.today.whole)


def defaults(whole: SearchSpace) -> dict[str, Any]:
    """The untuned values: not bad, not good."""
    return whole.from_unit([0.4] * len(whole.flatten()))


def make_task(kind: str, number: int) -> Task:
    """The task of a kind with this number; the same number, the same task."""
    rng = np.random.default_rng([KINDS.index(kind), number])
    family = number % len(SPACES)
    changes = CHANGES[number // 3 % len(CHANGES)] if number // 3 % 2 == 0 else ""
    whole = parse_space(SPACES[family])
    options = [_options(dimension.parameter) for dimension in whole.flatten()]
    drift = DRIFTS[int(rng.integers(len(DRIFTS)))]
    noise = NOISES[int(rng.integers(len(NOISES)))]
    count = SWEEPS[int(rng.integers(len(SWEEPS)))]
    trials = TRIALS[int(rng.integers(len(TRIALS)))]
    landscape = Landscape.drawn(rng, options)
    days: list[Day] = []
    sweeps = []
    for index in range(count + 1):
        if kind == "unrelated":
            landscape, days = Landscape.drawn(rng, options), []
        while len(days) < WINDOW + (0 if kind == "unrelated" else index):
            landscape = landscape.after_a_day(rng, drift)
            days.append(Day(landscape, float(rng.normal()), float(np.exp(rng.normal(0, 0.3)))))
        window = [_turned(day) if kind == "opposite" and index < count else day for day in days]
        sweeps.append(
            DailySweep(
                name=f"sweep{index}",
                space=_space_of(family, changes, is_today=index == count),
                whole=whole,
                days={f"202609{index + k + 1:02d}": d for k, d in enumerate(window[-WINDOW:])},
                noise=noise,
                trials=trials,
                stops=number % 2 == 1,
            )
        )
    return Task(kind, number, tuple(sweeps[:-1]), sweeps[-1])


def _turned(day: Day) -> Day:
    return Day(day.landscape.turned(), day.offset, day.scale)


def _options(parameter: Any) -> int:
    options = getattr(parameter, "options", ())
    return 0 if not options or parameter.is_ordered else len(options)


def _space_of(family: int, changes: str, *, is_today: bool) -> Mapping[str, Any]:
    space = dict(SPACES[family])
    if changes == ("removed" if is_today else "added"):
        del space[COMES_AND_GOES[family]]
    if changes == "grown" and not is_today:
        key, narrow = GROWS[family]
        space[key] = narrow
    return space


def _descent(sweep: DailySweep, space: SearchSpace, draw: random.Random) -> float:
    """The least loss that changing some coordinates at a time finds."""
    point = min((space.sample(draw) for _ in range(100)), key=sweep.true)
    row, value = space.to_unit(point), sweep.true(point)
    for step in range(1200):
        other = list(row)
        for axis in draw.sample(range(len(row)), draw.choice((1, 1, 2, 3))):
            other[axis] = min(1.0, max(0.0, row[axis] + draw.gauss(0, 0.3 * 0.996**step)))
            if step % 4 == 0:
                other[axis] = draw.random()
        found = sweep.true(space.from_unit(other))
        if found <= value:
            row, value = other, found
    return value
