"""No point twice: what every optimizer here does with the points it has already seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpo_nni.optimizers.cube import Cube

if TYPE_CHECKING:
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

    def find_unseen(self, rng: np.random.Generator) -> Array | None:
        """A random row that is not among them; None when there is none."""
        if self.is_everything:
            return None
        for row in self._cube.scatter(rng.random((_GUESSES, self._cube.dimensions))):
            if row not in self:
                return np.asarray(row)
        # nearly everything has been seen, so it was few: a space is finite if its axes are small
        unseen = [row for row in self._cube.enumerate() if row not in self]
        return unseen[int(rng.integers(len(unseen)))] if unseen else None


def _key(row: Array) -> bytes:
    return row.tobytes()
