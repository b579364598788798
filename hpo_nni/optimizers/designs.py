"""Optimizers that learn nothing: random points, a Sobol sequence, a grid."""

from __future__ import annotations

import abc
import itertools
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.optimizers.cube import Cube
from hpo_nni.optimizers.distinct import Visited

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.space import SearchSpace


_BLOCK = 64
_FINEST = 2**20  # places a continuous axis of a grid has at most


class _Design(abc.ABC):
    """Goes along a series of rows, and past those that have been seen; told points are seen."""

    def __init__(
        self, space: SearchSpace, direction: Direction, *, seed: int | None = None
    ) -> None:
        del direction
        self._cube = Cube(space)
        self._rng = np.random.default_rng(seed)
        self._visited = Visited(self._cube)
        self._series = self._rows()

    def ask(self) -> dict[str, Any] | None:
        """Return the next point that was not there before; None at the end of a finite space."""
        taken = self._visited.take(itertools.islice(self._series, _BLOCK), self._rng)
        return None if taken is None else taken[0]

    def tell(self, observations: Sequence[Observation]) -> None:
        """Note what need not be tried again."""
        for observation in observations:
            self._visited.add(self._cube.encode(observation.point))

    @abc.abstractmethod
    def _rows(self) -> Iterator[Array]:
        """Canonical rows; may repeat themselves."""


class RandomSearch(_Design):
    """Points drawn as NNI's random tuner draws them, but none twice."""

    def _rows(self) -> Iterator[Array]:
        while True:
            yield from self._cube.scatter(self._rng.random((_BLOCK, self._cube.dimensions)))


class SobolSearch(_Design):
    """A scrambled Sobol sequence: as random, without clusters and gaps."""

    def _rows(self) -> Iterator[Array]:
        from scipy.stats import qmc  # noqa: PLC0415 - a second, and nobody else needs it

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it would rather have powers of two
            sequence = qmc.Sobol(max(self._cube.dimensions, 1), rng=self._rng)
        while True:
            yield from self._cube.scatter(sequence.random(_BLOCK)[:, : self._cube.dimensions])


class GridSearch(_Design):
    """All combinations, in the order of the file; continuous axes first coarsely, then finer.

    A continuous axis stands in the middle, then at quarters, at eighths and so on. A space with
    such an axis has no end.
    """

    def ask(self) -> dict[str, Any] | None:
        """Return the next combination; None after the last one."""
        taken = self._visited.take(self._series, self._rng)
        return None if taken is None else taken[0]

    def _rows(self) -> Iterator[Array]:
        yield from self._cube.enumerate()
        resolution = 3
        while math.isinf(self._cube.size) and resolution < _FINEST:
            yield from self._cube.enumerate(resolution)
            resolution = 2 * resolution + 1


def latin_hypercube(dimensions: int, count: int, rng: np.random.Generator) -> Array:
    """Points of the unit cube, one in each of `count` slices of every axis."""
    order = rng.permuted(np.tile(np.arange(count), (dimensions, 1)), axis=1).T
    return np.asarray((order + rng.random((count, dimensions))) / count)
