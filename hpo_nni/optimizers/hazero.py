"""HAZero: PaddleHub's name for CMA-ES, on integers, choices and conditional dimensions too."""

from __future__ import annotations

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
    from hpo_nni.optimizers.cube import Axis
    from hpo_nni.space import SearchSpace


STEP = 0.2  # PaddleHub's first step size, where each dimension goes from -1 to 1
_PATIENCE = 20  # proposals that are repetitions before a random point is taken


class HAZero:
    """CMA-ES with margin (`cmaes.CatCMAwM`), from the middle or from given values.

    As PaddleHub's HAZero it works on dimensions scaled to [-1, 1], starts at the normalised initial
    value with a step of 0.2, and minimises. Integers, rounded numbers and numeric choices have a
    margin that keeps their neighbours reachable (Hamano et al.: CMA-ES with margin, 2022); other
    choices have a categorical distribution (Hamano et al.: CatCMA with margin, 2025). A dimension
    that a point does not have takes no part in its score.

    A generation is closed when enough results are there, whichever those are; so results may come
    in any order. Where the distribution has collapsed, it starts anew at a random place with twice
    the population (Auger, Hansen: A restart CMA evolution strategy, 2005). Results from elsewhere
    count only before the first proposal: it starts at the best of them.

    Args:
        population: how many points there are in a generation; CMA-ES's own 4 + 3 ln(dimensions).
        init: values to start from, by key; a key that is not given starts in the middle.
        restarts: whether to start anew after convergence; if not, `ask` returns None from then on.
    """

    def __init__(  # noqa: PLR0913 - keywords
        self,
        space: SearchSpace,
        direction: Direction,
        *,
        seed: int | None = None,
        population: int | None = None,
        init: Mapping[str, Any] | None = None,
        restarts: bool = True,
    ) -> None:
        self._cube = Cube(space)
        self._sign = direction.sign
        self._rng = np.random.default_rng(seed)
        self._population = population
        self._start = self._cube.start(init or {})
        self._restarts = restarts
        self._visited = Visited(self._cube)
        self._pending: dict[bytes, tuple[Any, int]] = {}
        self._generation: list[tuple[Any, float]] = []
        self._runs = 0
        self._best_before = np.inf
        self._strategy: Any = None

    @property
    def has_converged(self) -> bool:
        """Whether the present distribution has collapsed."""
        return self._strategy is not None and bool(self._strategy.should_stop())

    def ask(self) -> dict[str, Any] | None:
        """Sample the distribution; None at the end of a finite space, or of the only run."""
        if self._strategy is None:
            self._begin(self._start)
        if self.has_converged:
            if not self._restarts:
                return None
            self._begin(self._cube.scatter(self._rng.random((1, self._cube.dimensions)))[0])
        sampled: list[Any] = []

        def rows() -> Iterator[Array]:
            for _ in range(_PATIENCE):
                row, solution = self._sample()
                sampled.append(solution)
                yield row
            sampled.append(None)  # what follows is none of its own

        taken = self._visited.take(rows(), self._rng)
        if taken is None:
            return None
        point, row = taken
        self._pending[row.tobytes()] = (sampled[-1], self._runs)
        return point

    def tell(self, observations: Sequence[Observation]) -> None:
        """Count each result that was asked for; one without a score is as bad as it can be."""
        for observation in observations:
            row = self._cube.encode(observation.point)
            self._visited.add(row)
            if observation.outcome is Outcome.RUNNING:
                continue
            loss = np.inf if observation.score is None else -self._sign * observation.score
            if observation.outcome in {Outcome.INFEASIBLE, Outcome.FAILED}:
                loss = np.inf
            solution, run = self._pending.pop(row.tobytes(), (None, -1))
            if self._strategy is None and loss < self._best_before:
                self._best_before, self._start = loss, row
            if observation.outcome is Outcome.CANCELLED or solution is None or run != self._runs:
                continue
            self._generation.append((solution, loss))
            if len(self._generation) == self._strategy.population_size:
                self._close()

    def _close(self) -> None:
        finite = [loss for _, loss in self._generation if np.isfinite(loss)]
        worst = max(finite, default=0.0) + 1.0  # the penalties inside need numbers
        told = [(one, loss if np.isfinite(loss) else worst) for one, loss in self._generation]
        self._strategy.tell(told)
        self._generation = []

    def _begin(self, start: Array) -> None:
        """Start a run around a row."""
        from cmaes import CatCMAwM  # noqa: PLC0415 - at the first proposal

        axes = list(zip(self._cube.axes, start, strict=True))
        free = [2.0 * at - 1.0 for axis, at in axes if not len(axis.places)]
        whole = [(axis, 2.0 * at - 1.0) for axis, at in axes if _is_whole(axis)]
        named = [len(axis.places) for axis, _ in axes if _is_named(axis)]
        population = self._population or 4 + int(3 * np.log(max(len(axes), 1)))
        self._strategy = CatCMAwM(
            # one number more, which means nothing: CMA-ES needs two
            x_space=[[-1.0, 1.0]] * (len(free) + 1),
            z_space=[list(2.0 * axis.places - 1.0) for axis, _ in whole] or None,
            c_space=named or None,
            mean=np.array([*free, 0.0, *(at for _, at in whole)]),
            sigma=STEP,
            cov=np.eye(len(free) + 1 + len(whole)),  # its own would be narrower, and 0 at an edge
            population_size=population * 2**self._runs,
            seed=int(self._rng.integers(2**31)),
        )
        self._runs += 1
        self._generation = []

    def _sample(self) -> tuple[Array, Any]:
        solution = self._strategy.ask()
        free = iter(solution.x)
        whole = iter(() if solution.z is None else solution.z)
        names = iter(() if solution.c is None else solution.c)
        row = np.empty(self._cube.dimensions)
        for index, axis in enumerate(self._cube.axes):
            if _is_named(axis):
                row[index] = axis.places[int(np.argmax(next(names)))]
            elif _is_whole(axis):
                row[index] = (next(whole) + 1.0) / 2.0
            else:
                row[index] = axis.places[0] if len(axis.places) else (next(free) + 1.0) / 2.0
        return self._cube.canonical(row[None, :])[0], solution


def _is_named(axis: Axis) -> bool:
    """Whether the axis has a categorical distribution; with two values there is no more order."""
    return len(axis.places) == 2 or (len(axis.places) > 2 and not axis.is_ordered)


def _is_whole(axis: Axis) -> bool:
    return len(axis.places) > 2 and axis.is_ordered
