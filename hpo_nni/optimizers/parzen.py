"""A tree-structured Parzen estimator: where good points are dense and others are not.

All dimensions together, as in Optuna's multivariate form (Falkner et al.: BOHB, 2018): a mixture of
one kernel for each good point and a flat one. It assumes nothing of the losses but their order, so
it is at home where a smooth model is not: on rough functions, and in long histories.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp, ndtr

if TYPE_CHECKING:
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Cube


SHARE, MOST = 0.1, 25  # of the history that is good, as in the published TPE
OTHERS = 400  # how many of the rest are looked at
CANDIDATES = 64


class ParzenEstimator:
    """The good and the other points of a history."""

    def __init__(self, cube: Cube, rows: Array, losses: Array, rng: np.random.Generator) -> None:
        order = np.argsort(losses, kind="stable")
        count = min(MOST, max(2, math.ceil(SHARE * len(rows))))
        others = order[count:]
        if len(others) > OTHERS:
            others = rng.choice(others, OTHERS, replace=False)
        self._cube = cube
        self._good = _Mixture(cube, rows[order[:count]])
        self._others = _Mixture(cube, rows[others])

    def draw(self, rng: np.random.Generator, count: int = CANDIDATES) -> Array:
        """Rows out of the good density, the most promising first."""
        rows = np.unique(self._good.sample(rng, count), axis=0)
        promise = self._good.log_density(rows) - self._others.log_density(rows)
        return rows[np.argsort(-promise, kind="stable")]


class _Mixture:
    """Kernels of equal weight around rows, and a flat one."""

    def __init__(self, cube: Cube, rows: Array) -> None:
        self._cube = cube
        self._rows = rows
        axes = max(cube.dimensions, 1)
        self._width = max(0.03, 0.3 * (len(rows) + 1.0) ** (-1.0 / (axes + 4)))
        self._keep = 1.0 - min(0.5, 2.0 / (len(rows) + 2.0))  # how sure a name is

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        fresh = self._cube.scatter(rng.random((count, self._cube.dimensions)))
        chosen = rng.integers(len(self._rows) + 1, size=count)
        is_flat = chosen == len(self._rows)
        centres = self._rows[np.minimum(chosen, len(self._rows) - 1)]
        noise = rng.standard_normal(centres.shape) * self._width
        moved = centres + noise
        moved = np.where((moved < 0) | (moved > 1), rng.random(moved.shape), moved)
        for index, axis in enumerate(self._cube.axes):
            if not axis.is_ordered:
                stays = rng.random(count) < self._keep
                moved[:, index] = np.where(stays, centres[:, index], fresh[:, index])
        moved = np.where(self._cube.exists(centres), moved, fresh)
        return self._cube.canonical(np.where(is_flat[:, None], fresh, moved))

    def log_density(self, rows: Array) -> Array:
        total = np.zeros((len(rows), len(self._rows)))
        for index, axis in enumerate(self._cube.axes):
            left, right = rows[:, index, None], self._rows[None, :, index]
            if axis.is_ordered:
                scaled = (left - right) / self._width
                inside = ndtr((1 - right) / self._width) - ndtr(-right / self._width)
                total += -0.5 * scaled**2 - np.log(inside * self._width * math.sqrt(2 * math.pi))
            else:
                count = max(len(axis.places), 1)
                same = self._keep + (1 - self._keep) / count
                total += np.log(np.where(left == right, same, (1 - self._keep) / count) * count)
        flat = np.zeros((len(rows), 1))
        return np.asarray(logsumexp(np.hstack([total, flat]), axis=1))
