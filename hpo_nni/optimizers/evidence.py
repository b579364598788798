"""All that was told about points of one space, as arrays that grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpo_nni.optimizers.base import Outcome

if TYPE_CHECKING:
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.optimizers.cube import Cube
    from hpo_nni.optimizers.goals import Goals


_COUNTED = (Outcome.COMPLETE, Outcome.STOPPED, Outcome.INFEASIBLE, Outcome.FAILED)


class Evidence:
    """Rows and what became of them; nothing is known of a cancelled point, so it is not here.

    Args:
        cube: whose rows they are.
        goals: which numbers of an observation count.
    """

    def __init__(self, cube: Cube, goals: Goals) -> None:
        self._cube = cube
        self._goals = goals
        self._count = 0
        self._rows = np.empty((64, cube.dimensions))
        self._losses = np.empty((64, goals.width))
        self._outcomes = np.empty(64, dtype=np.int8)

    def __len__(self) -> int:
        return self._count

    def add(self, row: Array, observation: Observation) -> None:
        """Take one observation; a complete one without its numbers has failed."""
        if observation.outcome not in _COUNTED:
            return
        losses = self._goals.losses(observation)
        outcome = observation.outcome
        if outcome is Outcome.COMPLETE and np.isnan(losses[: self._goals.objectives]).any():
            outcome = Outcome.FAILED
        if self._count == len(self._rows):
            self._grow()
        self._rows[self._count] = row
        self._losses[self._count] = losses
        self._outcomes[self._count] = _COUNTED.index(outcome)
        self._count += 1

    def where(self, *outcomes: Outcome) -> Array:
        """The indices of points that went so, in the order of their telling."""
        codes = [_COUNTED.index(outcome) for outcome in outcomes]
        return np.flatnonzero(np.isin(self._outcomes[: self._count], codes))

    @property
    def rows(self) -> Array:
        """One row for each point."""
        return self._rows[: self._count]

    @property
    def losses(self) -> Array:
        """The objectives of each point, then its constrained metrics; NaN where not known."""
        return self._losses[: self._count]

    def _grow(self) -> None:
        self._rows = np.vstack([self._rows, np.empty_like(self._rows)])
        self._losses = np.vstack([self._losses, np.empty_like(self._losses)])
        self._outcomes = np.concatenate([self._outcomes, np.empty_like(self._outcomes)])


def some_of(count: int, limit: int, best_first: Array, rng: np.random.Generator) -> Array:
    """At most `limit` indices: the better half of them the best ones, the others drawn."""
    if count <= limit:
        return np.arange(count)
    order = np.argsort(best_first, kind="stable")
    best, rest = order[: limit // 2], order[limit // 2 :]
    drawn = rng.choice(rest, limit - len(best), replace=False)
    return np.sort(np.concatenate([best, drawn]))
