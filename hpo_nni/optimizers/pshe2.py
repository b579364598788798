"""PSHE2: PaddleHub's swarm of points with momentum, as documented and as it really was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo_nni.optimizers.base import Outcome
from hpo_nni.optimizers.cube import Cube
from hpo_nni.optimizers.distinct import Visited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.space import SearchSpace


ALPHA = 0.5  # PaddleHub's weight of the pull towards the best points
EPSILON = 0.2  # PaddleHub's size of the random perturbation
_PATIENCE = 20  # perturbations of a repetition before a random point is taken


@dataclass
class _Member:
    """One point of the swarm.

    Attributes:
        place: in [-1, 1] as long as nobody pulls; clipped only when it becomes a point.
        best: the place of its best result so far.
        asked, told: whether its result of this round is awaited, and whether it has come.
    """

    place: Array
    momentum: Array
    best: Array
    best_loss: float = np.inf
    asked: bool = False
    told: bool = False


class PSHE2:
    """Particle swarm with momentum, in rounds of `population` points.

    The first round is scattered around the initial values. After a round each member is pulled
    towards the best place of all and towards its own best place, and perturbed. While results of a
    round are awaited, further proposals are perturbed copies of the best place; they may better
    it, and belong to no member.

    Names and dimensions that only some points have are places on [-1, 1] like numbers. Results
    from elsewhere may be the best place, too.

    Args:
        population: how many members there are; PaddleHub's 5.
        init: values to start from, by key; a key that is not given starts in the middle.
        faithful: whether to reproduce the published code, in which all members share one momentum
            and use the last member's distances.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        space: SearchSpace,
        direction: Direction,
        *,
        seed: int | None = None,
        population: int = 5,
        init: Mapping[str, Any] | None = None,
        faithful: bool = False,
    ) -> None:
        self._cube = Cube(space)
        self._sign = direction.sign
        self._rng = np.random.default_rng(seed)
        self._faithful = faithful
        self._visited = Visited(self._cube)
        self._round = 0
        self._best: Array | None = None
        self._best_loss = np.inf
        self._pending: dict[bytes, tuple[_Member | None, Array]] = {}
        start = 2.0 * self._cube.start(init or {}) - 1.0
        zeros = np.zeros(self._cube.dimensions)
        places = [self._spread(start, 1.0) for _ in range(population)]
        self._members = [_Member(place, zeros, place) for place in places]

    def ask(self) -> dict[str, Any] | None:
        """Return the next member's point; None at the end of a finite space."""
        if all(member.told for member in self._members):
            self._move()
        member = next((one for one in self._members if not one.asked), None)
        if member is not None:
            member.asked = True
            place = member.place
        else:
            centre = self._members[0].best if self._best is None else self._best
            place = self._spread(centre, EPSILON)
        places = [place]

        def rows() -> Iterator[Array]:
            yield self._row(place)
            for _ in range(_PATIENCE):
                places.append(self._spread(np.clip(places[-1], -1.0, 1.0), EPSILON))
                yield self._row(places[-1])
            places.clear()  # what follows is none of its own

        taken = self._visited.take(rows(), self._rng)
        if taken is None:
            return None
        point, row = taken
        self._pending[row.tobytes()] = (member, places[-1] if places else 2.0 * row - 1.0)
        return point

    def tell(self, observations: Sequence[Observation]) -> None:
        """Give each result to its member; one without a score is worse than all others."""
        for observation in observations:
            row = self._cube.encode(observation.point)
            self._visited.add(row)
            if observation.outcome is Outcome.RUNNING:
                continue
            member, place = self._pending.pop(row.tobytes(), (None, 2.0 * row - 1.0))
            if observation.outcome is Outcome.CANCELLED:
                if member is not None:
                    member.asked = False
                continue
            loss = np.inf
            if observation.outcome in {Outcome.COMPLETE, Outcome.STOPPED}:
                loss = np.inf if observation.score is None else -self._sign * observation.score
            if loss < self._best_loss:
                self._best, self._best_loss = place, loss
            if member is not None:
                member.told = True
                if loss < member.best_loss:
                    member.best, member.best_loss = place, loss

    def _move(self) -> None:
        """Begin the next round."""
        self._round += 1
        best = self._members[0].best if self._best is None else self._best
        keep = 1.0 - 3.0 * ALPHA / self._round
        last = self._members[-1]
        last_pull = (last.place - last.best) + (last.place - best)
        shared = last.momentum
        for member in self._members:
            pull = (member.place - member.best) + (member.place - best)
            if self._faithful:
                shared = keep * shared - ALPHA * last_pull
                member.momentum = shared
            else:
                member.momentum = keep * member.momentum - ALPHA * pull
            member.place = self._spread(member.place + ALPHA * member.momentum, EPSILON)
            member.asked = member.told = False
        if self._faithful:
            for member in self._members:
                member.momentum = shared

    def _spread(self, place: Array, width: float) -> Array:
        """Move every coordinate towards a random end by up to `width` of the way there."""
        draws = self._rng.uniform(-1.0, 1.0, len(place))
        room = np.where(draws >= 0, 1.0 - place, place + 1.0)
        return np.asarray(place + room * draws * width)

    def _row(self, place: Array) -> Array:
        return np.asarray(self._cube.canonical((place[None, :] + 1.0) / 2.0)[0])
