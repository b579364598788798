"""Optuna's samplers behind ask and tell.

Optuna sees the unit cube of the search space: one number for each dimension, a rank where the
dimension has finitely many values. So a choice among numbers is ordered to it, log-uniform ranges
are uniform, and dimensions inside nested choices exist only where their branch was taken.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from hpo_nni.optimizers.base import Outcome
from hpo_nni.space.parameters import Choice, RandInt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.base import Observation
    from hpo_nni.space import SearchSpace
    from hpo_nni.space.search_space import Dimension

# Name -> class of `optuna.samplers` and its arguments. `group` splits conditional dimensions,
# `constant_liar` keeps parallel trials apart. Grid and brute force end a study, and want it whole:
# our own `grid` is for that.
_QUIET = {"warn_independent_sampling": False}
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", {"multivariate": True, "group": True, "constant_liar": True}),
    "random": ("RandomSampler", {}),
    "cmaes": ("CmaEsSampler", _QUIET),
    "gp": ("GPSampler", _QUIET),
    "nsgaii": ("NSGAIISampler", {}),
    "nsgaiii": ("NSGAIIISampler", {}),
    "qmc": ("QMCSampler", {"warn_asynchronous_seeding": False, **_QUIET}),
}
_OURS = "hpo_nni.optimizers.distinct"  # with numpy, so as late as Optuna
_PATIENCE = 20  # proposals that are repetitions before a random point is taken


class OptunaBridge:
    """One study of Optuna's, in memory.

    Args:
        sampler: a key of `SAMPLERS`, or the name of its class.
        arguments: of the sampler, over those of the table.
    """

    def __init__(
        self,
        space: SearchSpace,
        direction: Direction,
        *,
        seed: int | None = None,
        sampler: str = "tpe",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._dimensions = space.flatten()
        self._space = space
        self._direction = direction
        self._seed = seed
        self._sampler = sampler
        self._arguments = dict(arguments or {})
        self._study: Any = None
        self._pending: dict[str, list[Any]] = defaultdict(list)
        self._cube: Any = None
        self._visited: Any = None
        self._rng: Any = None

    def ask(self) -> dict[str, Any] | None:
        """Let the sampler fill the dimensions that the point has; None after the last point.

        What it repeats is taken back; if it does nothing else, a random point is drawn.
        """
        study = self._opened()
        for _ in range(_PATIENCE):
            trial = study.ask()
            walked = self._walk(partial(_suggested, trial))
            units = {dimension.path: unit for dimension, unit in walked}
            point = self._space.from_unit([units.get(d.path, 0.5) for d in self._dimensions])
            row = self._cube.encode(point)
            if row not in self._visited:
                self._visited.add(row)
                self._pending[_identity(point)].append(trial)
                return point
            study.tell(trial, None, _optuna().trial.TrialState.FAIL)
        taken = self._visited.take((), self._rng)
        return None if taken is None else dict(taken[0])

    def tell(self, observations: Sequence[Observation]) -> None:
        """Close what was asked for; add what was not.

        To the samplers a stopped trial is a pruned one with its last score, an infeasible one is
        pruned before its first score, which is worse than any other, and one that failed or was
        cancelled has never been.
        """
        self._opened()
        for observation in observations:
            self._visited.add(self._cube.encode(observation.point))
            if observation.outcome is Outcome.RUNNING:
                continue
            asked = self._pending.get(_identity(observation.point))
            if asked:
                self._close(asked.pop(0), observation)
            else:
                self._add(observation)

    def _opened(self) -> Any:
        """Return the study; importing Optuna takes a second, so that waits for the first call."""
        if self._study is None:
            optuna = _optuna()
            class_name, defaults = find_sampler(self._sampler)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = getattr(optuna.samplers, class_name)(
                    seed=self._seed, **defaults | self._arguments
                )
            self._study = optuna.create_study(sampler=sampler, direction=self._direction.value)
            numpy, ours = (importlib.import_module(name) for name in ("numpy", _OURS))
            self._cube, self._rng = ours.Cube(self._space), numpy.random.default_rng(self._seed)
            self._visited = ours.Visited(self._cube)
        return self._study

    def _walk(self, locate: Callable[[Dimension], float]) -> list[tuple[Dimension, float]]:
        """Pair the dimensions of one point with the places on the unit scale that `locate` gives.

        A dimension inside a nested choice is there only if its branch was taken.
        """
        walked: list[tuple[Dimension, float]] = []
        branches: dict[tuple[str, ...], Any] = {}
        for dimension in self._dimensions:
            condition = dimension.condition
            if condition is None or branches.get(condition.path) == condition.name:
                unit = locate(dimension)
                branches[dimension.path] = dimension.parameter.from_unit(unit)
                walked.append((dimension, unit))
        return walked

    def _close(self, trial: Any, observation: Observation) -> None:
        state = _state(observation)
        for step, score in _seen(observation).items():
            trial.report(score, step)
        value = observation.score if state.name == "COMPLETE" else None
        self._study.tell(trial, value, state)

    def _add(self, observation: Observation) -> None:
        study, optuna = self._opened(), _optuna()
        state = _state(observation)
        if state.name == "FAIL":
            return
        located = zip(self._dimensions, self._space.to_unit(observation.point), strict=True)
        units = {dimension.path: unit for dimension, unit in located}
        present = self._walk(lambda dimension: units[dimension.path])
        study.add_trial(
            optuna.create_trial(
                state=state,
                value=observation.score if state.name == "COMPLETE" else None,
                params={_name(d): _coordinate(d, unit) for d, unit in present},
                distributions={_name(d): _distribution(d) for d, _ in present},
                intermediate_values=_seen(observation),
            )
        )


def find_sampler(name: str) -> tuple[str, dict[str, Any]]:
    """The class of a sampler and its arguments; `tpe` and `TPESampler` are the same.

    Raises:
        KeyError: there is none of that name.
    """
    return SAMPLERS[name.lower().removesuffix("sampler")]


def _optuna() -> Any:
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _identity(point: Mapping[str, Any]) -> str:
    return json.dumps(point, sort_keys=True, default=str)


def _state(observation: Observation) -> Any:
    states = _optuna().trial.TrialState
    if observation.outcome is Outcome.COMPLETE and observation.score is not None:
        return states.COMPLETE
    is_bad = observation.outcome in {Outcome.STOPPED, Outcome.INFEASIBLE}
    return states.PRUNED if is_bad else states.FAIL


def _seen(observation: Observation) -> dict[int, float]:
    """What a trial that was pruned had reached: {step: score}."""
    if observation.outcome is not Outcome.STOPPED or observation.score is None:
        return {}
    return {observation.step: observation.score}


def _name(dimension: Dimension) -> str:
    return "/".join(dimension.path)


def _ranks(dimension: Dimension) -> int | None:
    """How many values the dimension has; None where that is no help."""
    if isinstance(dimension.parameter, Choice):
        return len(dimension.parameter.options)
    if isinstance(dimension.parameter, RandInt):
        return dimension.parameter.high - dimension.parameter.low
    return None


def _distribution(dimension: Dimension) -> Any:
    distributions = _optuna().distributions
    ranks = _ranks(dimension)
    if ranks is None:
        return distributions.FloatDistribution(0.0, 1.0)
    if isinstance(dimension.parameter, Choice) and not dimension.parameter.is_ordered:
        return distributions.CategoricalDistribution(range(ranks))
    return distributions.IntDistribution(0, ranks - 1)


def _suggested(trial: Any, dimension: Dimension) -> float:
    """Let Optuna choose, and translate its coordinate to the unit scale."""
    name, ranks = _name(dimension), _ranks(dimension)
    if ranks is None:
        return float(trial.suggest_float(name, 0.0, 1.0))
    if isinstance(dimension.parameter, Choice) and not dimension.parameter.is_ordered:
        rank = trial.suggest_categorical(name, range(ranks))
    else:
        rank = trial.suggest_int(name, 0, ranks - 1)
    return float((rank + 0.5) / ranks)


def _coordinate(dimension: Dimension, unit: float) -> float:
    """Translate a place on the unit scale to Optuna's coordinate; undoes `_suggested`."""
    ranks = _ranks(dimension)
    return unit if ranks is None else min(int(unit * ranks), ranks - 1)
