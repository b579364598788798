"""The unit cube of a search space as arrays: what numeric algorithms compute on.

A row is one point, in the coordinates of `SearchSpace.to_unit`. Rows are canonical: a dimension
with few values stands exactly at the place of one of them, one that the point does not have at
0.5. So equal rows are equal points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.space.parameters import Choice, QLogUniform, QUniform, RandInt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.space import SearchSpace
    from hpo_nni.space.parameters import Scalar


INACTIVE = 0.5
MOST_PLACES = 1000  # a dimension with more values than this is handled as a continuous one


@dataclass(frozen=True)
class Axis:
    """One dimension.

    Attributes:
        places: where its values stand, ascending; empty for a continuous one.
        is_ordered: whether near places are likely to do alike; else they are names.
        parent: the axis that it depends on, and the place there that makes it exist; None for a
            dimension that every point has.
        is_exact: whether `places` are all its values, so that equal rows are equal points.
    """

    places: Array
    is_ordered: bool
    parent: tuple[int, float] | None
    is_exact: bool

    @cached_property
    def equal_parts(self) -> int:
        """How many equal parts of the interval the places are the middles of; 0 if they are not."""
        count = len(self.places)
        return count if np.allclose(self.places, (np.arange(count) + 0.5) / max(count, 1)) else 0

    @cached_property
    def edges(self) -> Array:
        """Half way between the places."""
        return (self.places[1:] + self.places[:-1]) / 2


class Cube:
    """The axes of a space, and what can be done on many points at once.

    Attributes:
        axes: one for each dimension of `space.flatten()`, in its order.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        dimensions = space.flatten()
        at = {dimension.path: index for index, dimension in enumerate(dimensions)}
        axes = []
        for dimension in dimensions:
            parent = None
            if dimension.condition is not None:
                index = at[dimension.condition.path]
                place = dimensions[index].parameter.to_unit(dimension.condition.name)
                parent = (index, place)
            axes.append(_axis(dimension.parameter, parent))
        self.axes = tuple(axes)

    @property
    def dimensions(self) -> int:
        """How many axes there are."""
        return len(self.axes)

    @cached_property
    def size(self) -> float:
        """How many points there are; infinite where a dimension is continuous."""
        counts = [float(len(axis.places)) if axis.is_exact else math.inf for axis in self.axes]
        below = [1.0] * len(self.axes)  # the factor of each axis' dependants is summed over places
        for index in reversed(range(len(self.axes))):
            branches: dict[float, float] = {}
            for child, axis in enumerate(self.axes):
                if axis.parent and axis.parent[0] == index:
                    branches[axis.parent[1]] = branches.get(axis.parent[1], 1.0) * below[child]
            own = counts[index] - len(branches) + sum(branches.values())
            below[index] = own
        return math.prod(
            below[index] for index, axis in enumerate(self.axes) if axis.parent is None
        )

    def encode(self, point: Mapping[str, Any]) -> Array:
        """The row of one point; raises ValueError for a point that does not fit."""
        return np.asarray(self.canonical(np.array([self.space.to_unit(point)]))[0])

    def start(self, values: Mapping[str, Any]) -> Array:
        """The row in the middle, save for the keys of the space whose values are given.

        Raises:
            ValueError: a value does not fit.
        """
        middle = self.decode(np.full(self.dimensions, 0.5))
        return self.encode(middle | {key: values[key] for key in values if key in middle})

    def decode(self, row: Array) -> dict[str, Any]:
        """The point of a row."""
        return self.space.from_unit([float(unit) for unit in row])

    def settle(self, row: Array) -> tuple[dict[str, Any], Array]:
        """The point of a row, and the row that it will be told with, equal to the last bit.

        On the way to a value and back, a logarithm rounds, and rounded types step.
        """
        point = self.decode(row)
        return point, self.encode(point)

    def canonical(self, rows: Array) -> Array:
        """Rows with every coordinate moved to the nearest place, and absent ones to the middle."""
        rows = np.clip(rows, 0.0, 1.0)
        for index, axis in enumerate(self.axes):
            if len(axis.places):
                taken = np.searchsorted(axis.edges, rows[:, index], side="right")
                rows[:, index] = axis.places[taken]
            if axis.parent is not None:
                rows[~self._exists(rows, axis), index] = INACTIVE
        return rows

    def exists(self, rows: Array) -> Array:
        """Which coordinates of canonical rows their points have, as an array of the same shape."""
        there = np.ones(rows.shape, dtype=bool)
        for index, axis in enumerate(self.axes):
            if axis.parent is not None:
                there[:, index] = there[:, axis.parent[0]] & self._exists(rows, axis)
        return there

    def enumerate(self, resolution: int = 1) -> Iterator[Array]:
        """Every row once, the last axis changing fastest.

        Args:
            resolution: at how many equidistant places a continuous axis stands.
        """
        steps = np.arange(1, resolution + 1) / (resolution + 1)
        return self._enumerate(np.full(self.dimensions, INACTIVE), 0, steps)

    def _enumerate(self, row: Array, index: int, steps: Array) -> Iterator[Array]:
        if index == self.dimensions:
            yield row.copy()
            return
        axis = self.axes[index]
        absent = axis.parent is not None and not self._exists(row[None, :], axis)[0]
        for place in [INACTIVE] if absent else axis.places if len(axis.places) else steps:
            row[index] = place
            yield from self._enumerate(row, index + 1, steps)

    def scatter(self, units: Array) -> Array:
        """Canonical rows from uniform numbers in [0, 1): each place as likely as the parameter's.

        Numbers of dimensions that a point does not have are ignored.
        """
        rows = units.copy()
        for index, axis in enumerate(self.axes):
            count = axis.equal_parts
            if count:
                taken = np.minimum((units[:, index] * count).astype(int), count - 1)
                rows[:, index] = axis.places[taken]
        return self.canonical(rows)

    @staticmethod
    def _exists(rows: Array, axis: Axis) -> Array:
        assert axis.parent is not None
        index, place = axis.parent
        return np.abs(rows[:, index] - place) < 1e-9


def _axis(parameter: Scalar, parent: tuple[int, float] | None) -> Axis:
    ordered = not isinstance(parameter, Choice) or parameter.is_ordered
    if isinstance(parameter, Choice):
        places = {parameter.to_unit(option) for option in parameter.options}  # some are there twice
        return Axis(np.array(sorted(places)), ordered, parent, is_exact=True)
    if isinstance(parameter, RandInt):
        count = parameter.high - parameter.low
        if count <= MOST_PLACES:
            return Axis((np.arange(count) + 0.5) / count, ordered, parent, is_exact=True)
    if isinstance(parameter, QUniform | QLogUniform):
        span = (parameter.high - parameter.low) / parameter.q
        if span <= MOST_PLACES:
            return Axis(_multiples(parameter), ordered, parent, is_exact=True)
    return Axis(np.empty(0), ordered, parent, is_exact=False)


def _multiples(parameter: QUniform | QLogUniform) -> Array:
    """The places of all values of a rounded parameter."""
    first, last = (round(bound / parameter.q) for bound in (parameter.low, parameter.high))
    values = {
        min(max(float(k * parameter.q), parameter.low), parameter.high)
        for k in range(first, last + 1)
    }
    places = (parameter.to_unit(value) for value in sorted(values))
    return np.unique(np.array(list(places)))
