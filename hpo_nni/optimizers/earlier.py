"""What earlier sweeps teach: where their best points were, and how their points ranked.

Why it is made of these parts, and where each constant comes from: docs/adr/0020-warm-start.md.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.optimizers.cube import Axis
from hpo_nni.optimizers.gaussian_process import GaussianProcess, Scales, fit_scales
from hpo_nni.optimizers.sweeps import remapped, standings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Cube
    from hpo_nni.optimizers.sweeps import EarlierSweep

logger = logging.getLogger(__name__)

MOST_OF_A_SWEEP = 60  # trials, the best ones
MOST_MODELLED = 200
LEAST_OF_A_SWEEP = 3  # fewer do not rank
MOST_REPEATED = 3  # best points that are tried again
ALIKE = 0.05  # points that are no further apart on any axis are tried once
AGEING = 0.15  # how far apart two sweeps in a row are, where the whole range of a parameter is 1
OFFSET = 1.0  # variance between sweeps: one may have had better points than another
TRUST, TRUST_WEIGHT = 0.7, 2.0  # before there are results, and how many results that is worth
LEAST_AGREEMENT = 0.0  # rank correlation, below which the past misleads
ENOUGH = 4  # results by which the past can be judged
BOXED = 3  # best points of each sweep that are in the box
MARGIN = 0.1  # around them


@dataclass(frozen=True)
class FirstPoint:
    """A point that is tried again.

    Attributes:
        row: in today's cube.
        point: to the last digit as it was, so that what is known of its days need not run again.
        sweep, trial: in which it was the best, and as which trial.
    """

    row: Array
    point: Mapping[str, Any]
    sweep: str
    trial: str


class Box:
    """The part of the cube around earlier bests.

    Args:
        rows: the bests.
    """

    def __init__(self, cube: Cube, rows: Array) -> None:
        self._cube = cube
        self._rows = rows
        self._low = np.maximum(rows.min(axis=0) - MARGIN, 0.0)
        self._high = np.minimum(rows.max(axis=0) + MARGIN, 1.0)

    def scatter(self, units: Array) -> Array:
        """Canonical rows from uniform numbers in [0, 1): names only that a best point has."""
        rows = self._low + units * (self._high - self._low)
        for index, axis in enumerate(self._cube.axes):
            if not axis.is_ordered:
                seen = np.unique(self._rows[:, index])
                rows[:, index] = seen[(units[:, index] * len(seen)).astype(int)]
        return self._cube.canonical(rows)


@dataclass(frozen=True)
class Outlook:
    """What the past says, as far as it is believed now.

    Attributes:
        guess: of the losses of rows, up to a constant; 0 where the past is not believed.
        box: where good points are likely; None where the past is not believed.
    """

    guess: Callable[[Array], Array]
    box: Box | None = None


class EarlierSweeps:
    """Earlier results, each sweep ranked by itself, as one model in which sweeps age.

    Args:
        cube: of today's space; points are remapped to it, and those that do not fit, left out.
        direction: today's.
        sweeps: the oldest first.
        defaults: what parameters were that the sweeps did not vary.
    """

    def __init__(
        self,
        cube: Cube,
        direction: Direction,
        sweeps: Sequence[EarlierSweep],
        defaults: Mapping[str, Any],
    ) -> None:
        self._cube = cube
        self._direction = direction
        self._defaults = defaults
        self._rng = random.Random(0)  # noqa: S311 - no secrets here
        self._rows: list[Array] = []  # of each sweep, the newest first
        self._standings: list[Array] = []
        self._ages: list[int] = []
        self._model: GaussianProcess | None = None
        self._is_believed = True
        self.best: list[FirstPoint] = []
        for age, sweep in enumerate(reversed(sweeps), start=1):
            self._add(sweep, age)

    def outlook(self, rows: Array, targets: Array) -> Outlook:
        """What the past says about today.

        How much of its guess counts is the slope of today's results over it, drawn towards `TRUST`
        while they are few. Where the guess ranks them against their order, nothing of it counts:
        the search is then what it is without a past, and may come back.

        Args:
            rows: today's complete points.
            targets: their losses, on a scale on which their variance is 1.
        """
        if not self.can_guess or self.mislead(rows, targets):
            return Outlook(_nothing)
        guessed = self._guess(rows)
        centre = float(guessed.mean())
        trust = _trust(guessed - centre, targets - targets.mean())
        tops = np.vstack([rows[:BOXED] for rows in self._rows])
        return Outlook(lambda rows: trust * (self._guess(rows) - centre), Box(self._cube, tops))

    @property
    def can_guess(self) -> bool:
        """Whether there is enough of a past for more than best points."""
        return bool(self._rows)

    def mislead(self, rows: Array, losses: Array) -> bool:
        """Whether the past orders today's results wrongly."""
        if not self.can_guess:
            return False
        agreement = 1.0
        if len(rows) >= ENOUGH and np.ptp(losses) > 0:
            agreement = float(np.corrcoef(_ranks(self._guess(rows)), _ranks(losses))[0, 1])
        if self._is_believed != (agreement >= LEAST_AGREEMENT):
            self._is_believed = not self._is_believed
            logger.info(
                "the earlier sweeps' guess and today's %d results have a rank correlation of %.2f: "
                "from here on the sweeps %s",
                len(rows),
                agreement,
                "count" if self._is_believed else "do not count",
            )
        return not self._is_believed

    def _add(self, sweep: EarlierSweep, age: int) -> None:
        values = standings(sweep.trials, self._direction)
        rows, kept, is_first = [], [], True
        for index in np.argsort(values, kind="stable"):
            trial = sweep.trials[index]
            try:
                point, same = remapped(trial.point, self._cube.space, self._defaults, self._rng)
                row = self._cube.encode(point)
            except ValueError:  # an option that is there no more
                continue
            if is_first and trial.is_complete:
                self._repeat(FirstPoint(row, point, sweep.name, trial.name))
                is_first = False
            if same:
                rows.append(row)
                kept.append(values[index])
        if len(rows) >= LEAST_OF_A_SWEEP:
            self._rows.append(np.array(rows[:MOST_OF_A_SWEEP]))
            self._standings.append(np.array(kept[:MOST_OF_A_SWEEP]))
            self._ages.append(age)

    def _repeat(self, found: FirstPoint) -> None:
        is_new = all(np.abs(found.row - one.row).max() > ALIKE for one in self.best)
        if is_new and len(self.best) < MOST_REPEATED:
            self.best.append(found)

    def _guess(self, rows: Array) -> Array:
        return self._fitted().mean(_at(rows, 0))

    def _fitted(self) -> GaussianProcess:
        if self._model is None:
            dated = [_at(rows, age) for rows, age in zip(self._rows, self._ages, strict=True)]
            rows = np.vstack(dated)[:MOST_MODELLED]
            targets = np.concatenate(self._standings)[:MOST_MODELLED]
            ages = rows[:, -1]
            shared = OFFSET * (ages[:, None] == ages[None, :])
            axes = _Dated((*self._cube.axes, Axis(np.empty(0), True, None, False)))
            start = Scales.prior(axes.dimensions)
            scales = fit_scales(axes, rows, targets, start, iterations=30, shared=shared)
            self._model = GaussianProcess(axes, rows, targets, scales, shared)
        return self._model


@dataclass(frozen=True)
class _Dated:
    """The axes of a cube, and that of time."""

    axes: tuple[Axis, ...]

    @property
    def dimensions(self) -> int:
        return len(self.axes)


def _at(rows: Array, age: int) -> Array:
    """Rows with their place in time: today is 0."""
    return np.column_stack([rows, np.full(len(rows), AGEING * age)])


def _trust(guessed: Array, targets: Array) -> float:
    """The slope of targets over guesses, both of mean 0, from 0 to 1."""
    weight = float(guessed @ guessed) + TRUST_WEIGHT
    return min(max((float(guessed @ targets) + TRUST_WEIGHT * TRUST) / weight, 0.0), 1.0)


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")


def _nothing(rows: Array) -> Array:
    return np.zeros(len(rows))
