"""AutoOptimizer: a model of all that is known, from the first results on.

Why it is made of these parts, and where each constant comes from: docs/adr/0015-auto-tuner.md.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.optimizers.acquisition import Effort, climb
from hpo_nni.optimizers.arrays import one_thread
from hpo_nni.optimizers.base import Outcome
from hpo_nni.optimizers.cube import Cube
from hpo_nni.optimizers.designs import latin_hypercube
from hpo_nni.optimizers.distinct import Visited
from hpo_nni.optimizers.earlier import EarlierSweeps
from hpo_nni.optimizers.evidence import Evidence
from hpo_nni.optimizers.goals import Goals
from hpo_nni.optimizers.promise import Beliefs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.optimizers.earlier import FirstPoint
    from hpo_nni.optimizers.sweeps import EarlierSweep
    from hpo_nni.space import SearchSpace


MOST_FIRST, LEAST_FIRST = 8, 3  # points before there is a model
FIRST_SHARE = 0.2  # of the trials, where their number is known
EFFORT = Effort()


class AutoOptimizer:
    """Scattered points first, then where a Gaussian process promises most.

    Beyond some 200 results, the process models the best of them and a sample of the rest, which
    makes it a refinement of the best places. Points that await their results count as if they had
    gone as expected, so no two workers get the same idea. Early-stopped points count as at least
    mediocre; infeasible ones and limits on metrics teach where to stay away. With several
    objectives, it is the dominated volume that is to grow.

    The same seed, and the same results in the same order, give the same points.

    Args:
        trials: how many there will be, if that is known.
        objectives: metrics, `-` before those that are to be small; None for the score alone.
        constraints: limits on metrics, as `latency < 20`.
        earlier: the results of earlier sweeps in this space or another one, the oldest first:
            their scores are compared within a day of a sweep only.
        defaults: what parameters were that earlier sweeps did not vary, where that is known.

    Raises:
        SettingsError: objectives or constraints that cannot be read.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        space: SearchSpace,
        direction: Direction,
        *,
        seed: int | None = None,
        trials: int | None = None,
        objectives: Sequence[str] | None = None,
        constraints: Sequence[str] | None = None,
        earlier: Sequence[EarlierSweep] = (),
        defaults: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        goals = Goals.parse(direction, objectives, constraints)
        self._cube = Cube(space)
        self._entropy = np.random.SeedSequence(seed).entropy
        share = MOST_FIRST if trials is None else int(trials * FIRST_SHARE)
        self._first = min(MOST_FIRST, max(LEAST_FIRST, share))
        self._evidence = Evidence(self._cube, goals)
        self._visited = Visited(self._cube)
        self._pending: dict[bytes, Array] = {}
        self._earlier = EarlierSweeps(self._cube, direction, earlier, defaults)
        self._beliefs = Beliefs(self._cube, goals, self._earlier)
        self._design: Array | None = None

    @property
    def first_points(self) -> Sequence[FirstPoint]:
        """The best points of earlier sweeps, which are tried before all others."""
        return self._earlier.best

    def ask(self) -> dict[str, Any] | None:
        """Propose a point that was not there before; None when there is none left."""
        if self._visited.is_everything:
            return None
        taken = self._again() or self._new()
        if taken is None:
            return None
        point, row = taken
        self._pending[row.tobytes()] = row
        return point

    def tell(self, observations: Sequence[Observation]) -> None:
        """Learn from any outcome but a cancellation, after which the point is only not repeated."""
        for observation in observations:
            row = self._cube.encode(observation.point)
            self._visited.add(row)
            if observation.outcome is Outcome.RUNNING:
                self._pending[row.tobytes()] = row
                continue
            self._pending.pop(row.tobytes(), None)
            self._evidence.add(row, observation)

    def _again(self) -> tuple[dict[str, Any], Array] | None:
        """The next best point of an earlier sweep, at every other turn, unless they mislead.

        Between them, scattered points show whether the past is right about the rest, too.
        """
        left = [one for one in self._earlier.best if one.row not in self._visited]
        tried = len(self._earlier.best) - len(left)
        if not left or len(self._visited) < 2 * tried or self._is_misled():
            return None
        self._visited.add(left[0].row)
        return dict(left[0].point), left[0].row

    def _new(self) -> tuple[dict[str, Any], Array] | None:
        rng = self._rng(len(self._visited))
        with one_thread():
            candidates = self._candidates(rng)
        return self._visited.take(candidates, rng)

    def _candidates(self, rng: np.random.Generator) -> Iterable[Array]:
        """Rows, the most promising first."""
        complete = self._evidence.where(Outcome.COMPLETE)
        repeated = sum(one.row in self._visited for one in self._earlier.best)
        begun = len(self._visited) - repeated
        is_led = begun >= repeated and self._earlier.can_guess and not self._is_misled()
        if len(complete) < 2 or (begun < self._first and not is_led):
            fresh = self._cube.scatter(rng.random((self._first, self._cube.dimensions)))
            return self._possible(np.vstack([self._scattered()[begun:], fresh]))
        prospect = self._beliefs.form(self._evidence, self._awaited(), rng)
        return climb(self._cube, prospect, rng, EFFORT)

    def _is_misled(self) -> bool:
        complete = self._evidence.where(Outcome.COMPLETE)
        rows, losses = self._evidence.rows[complete], self._evidence.losses[complete, 0]
        return self._earlier.mislead(rows, losses)

    def _possible(self, rows: Array) -> Array:
        """Rows in their order, those that can hardly run last."""
        chance = self._beliefs.feasibility(self._evidence)
        if chance is None:
            return rows
        doubtful = np.exp(chance(rows)) < 0.5
        return np.concatenate([rows[~doubtful], rows[doubtful]])

    def _scattered(self) -> Array:
        if self._design is None:
            units = latin_hypercube(self._cube.dimensions, self._first, self._rng(0))
            self._design = self._cube.scatter(units)
        return self._design

    def _awaited(self) -> Array:
        if not self._pending:
            return np.empty((0, self._cube.dimensions))
        return np.array(list(self._pending.values()))

    def _rng(self, number: int) -> np.random.Generator:
        """Random numbers that depend on the seed and on how much is known, not on the past."""
        assert self._entropy is not None
        return np.random.default_rng([*np.atleast_1d(self._entropy), number])
