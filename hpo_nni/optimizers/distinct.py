"""No point twice: what every optimizer here does with the points it has already seen."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hpo_nni.optimizers.cube import Cube

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

    from hpo_nni.optimizers.arrays import Array


__all__ = ["Cube", "Visited"]

_GUESSES = 64  # random rows tried before all rows are gone through


class Visited:
    """The rows of a cube that have been asked for or told.

    Args:
        cube: whose rows they are, canonical.
    """

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        self._rows: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: Array) -> bool:
        return _key(row) in self._rows

    def add(self, row: Array) -> None:
        """Never propose this row again."""
        self._rows.add(_key(row))

    @property
    def is_everything(self) -> bool:
        """Whether a finite space has no further points."""
        return len(self._rows) >= self._cube.size

    def take(
        self, rows: Iterable[Array], rng: np.random.Generator
    ) -> tuple[dict[str, Any], Array] | None:
        """The first row whose point is new, else a random one that is; from now on it is not new.

        Returns:
            the point and the row that it will be told with; None when there is no new one.
        """
        for row in itertools.chain(rows, self._unseen(rng)):
            point, settled = self._cube.settle(row)
            if settled not in self:
                self.add(settled)
                return point, settled
        return None

    def _unseen(self, rng: np.random.Generator) -> Iterator[Array]:
        if self.is_everything:
            return
        yield from self._cube.scatter(rng.random((_GUESSES, self._cube.dimensions)))
        # nearly everything has been seen, so it was few: a space is finite if its axes are small
        unseen = [row for row in self._cube.enumerate() if row not in self]
        yield from (unseen[index] for index in rng.permutation(len(unseen)))


def _key(row: Array) -> bytes:
    return row.tobytes()
