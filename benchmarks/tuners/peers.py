"""Tuners under one interface: a loop of asks and results, several at a time."""

from __future__ import annotations

import heapq
import importlib.util
import random
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.space import parse_space

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tasks import Instance, Task


class Peer(Protocol):
    """Something that proposes points."""

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""


class Ours:
    """One of our own optimizers."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""
        return self._optimizer.ask()

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""
        self._optimizer.tell([Observation(point, Outcome.COMPLETE, loss)])


class NniTuner:
    """One of NNI's own tuners."""

    def __init__(self, tuner: Any, space: Mapping[str, Any]) -> None:
        tuner.update_search_space(space)
        self._tuner, self._ids, self._count = tuner, {}, 0

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""
        import nni  # noqa: PLC0415

        try:
            point = self._tuner.generate_parameters(self._count)
        except nni.NoMoreTrialError:
            return None
        self._ids[id(point)] = self._count
        self._count += 1
        return point

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""
        number = self._ids.pop(id(point))
        self._tuner.receive_trial_result(number, point, loss)
        self._tuner.trial_end(number, True)


class Optuna:
    """Optuna as a user writes it: choices are categorical, or ordered where they are numbers."""

    def __init__(self, sampler: Any, space: Mapping[str, Any], *, ordered: bool) -> None:
        import optuna  # noqa: PLC0415

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(sampler=sampler)
        self._space, self._ordered, self._trials = space, ordered, {}

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""
        trial = self._study.ask()
        point = self._fill(trial, self._space, "")
        self._trials[id(point)] = trial
        return point

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""
        self._study.tell(self._trials.pop(id(point)), loss)

    def _fill(self, trial: Any, space: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        point = {}
        for key, entry in space.items():
            if key == "_name":
                continue
            point[key] = self._one(trial, prefix + key, entry["_type"], entry["_value"])
        return point

    def _one(self, trial: Any, name: str, kind: str, value: Any) -> Any:  # noqa: PLR0911 - a table
        if kind == "choice" and isinstance(value[0], dict):
            chosen = trial.suggest_categorical(name, [branch["_name"] for branch in value])
            branch = next(one for one in value if one["_name"] == chosen)
            return {"_name": chosen} | self._fill(trial, branch, f"{name}/{chosen}/")
        if kind == "choice":
            numeric = all(isinstance(v, (int, float)) for v in value)
            if numeric and self._ordered:
                return sorted(value)[trial.suggest_int(name, 0, len(value) - 1)]
            return trial.suggest_categorical(name, value)
        if kind == "randint":
            return trial.suggest_int(name, value[0], value[1] - 1)
        if kind in {"uniform", "loguniform"}:
            return trial.suggest_float(name, value[0], value[1], log=kind == "loguniform")
        if kind == "quniform":
            return trial.suggest_float(name, value[0], value[1], step=value[2])
        assert kind == "qloguniform"
        number = trial.suggest_float(name, value[0], value[1], log=True)
        return float(min(max(round(number / value[2]) * value[2], value[0]), value[1]))


class Hyperopt:
    """hyperopt's TPE, asked through its own trials object."""

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        from hyperopt import Trials, hp  # noqa: PLC0415
        from hyperopt.base import Domain  # noqa: PLC0415

        self._hp = hp
        self._built = self._build(space, "")
        self._domain = Domain(_nothing, self._built)
        self._trials, self._rng, self._docs = Trials(), np.random.default_rng(seed), {}

    def _build(self, space: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        hp, built = self._hp, {}
        for key, entry in space.items():
            if key == "_name":
                built[key] = entry
                continue
            name, kind, v = prefix + key, entry["_type"], entry["_value"]
            if kind == "choice" and isinstance(v[0], dict):
                built[key] = hp.choice(name, [self._build(b, f"{name}/{b['_name']}/") for b in v])
            elif kind == "choice":
                built[key] = hp.choice(name, v)
            elif kind == "randint":
                built[key] = v[0] + hp.randint(name, v[1] - v[0])
            elif kind == "uniform":
                built[key] = hp.uniform(name, *v)
            elif kind == "loguniform":
                built[key] = hp.loguniform(name, np.log(v[0]), np.log(v[1]))
            elif kind == "quniform":
                built[key] = hp.quniform(name, *v)
            else:
                built[key] = hp.qloguniform(name, np.log(v[0]), np.log(v[1]), v[2])
        return built

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""
        from hyperopt import space_eval, tpe  # noqa: PLC0415

        ids = self._trials.new_trial_ids(1)
        docs = tpe.suggest(ids, self._domain, self._trials, int(self._rng.integers(2**31)))
        self._trials.insert_trial_docs(docs)
        self._trials.refresh()
        doc = self._trials._dynamic_trials[-1]  # noqa: SLF001
        values = {k: v[0] for k, v in doc["misc"]["vals"].items() if v}
        point = space_eval(self._built, values)
        self._docs[id(point)] = doc
        return point

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""
        doc = self._docs.pop(id(point))
        doc["state"], doc["result"] = 2, {"loss": loss, "status": "ok"}
        self._trials.refresh()


def _nothing(_config: Any, seed: int = 0) -> float:
    """Stand in for the objective: we ask and tell."""
    return float(seed)


class Smac:
    """SMAC3's facade for hyper-parameters: a random forest with expected improvement."""

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        import tempfile  # noqa: PLC0415

        from ConfigSpace import ConfigurationSpace  # noqa: PLC0415
        from smac import HyperparameterOptimizationFacade, Scenario  # noqa: PLC0415

        self._space, self._seed = space, seed
        configs = ConfigurationSpace(seed=seed)
        self._add(configs, space, "", None)
        scenario = Scenario(configs, n_trials=50, seed=seed, output_directory=tempfile.mkdtemp())
        self._facade = HyperparameterOptimizationFacade(
            scenario, _nothing, overwrite=True, logging_level=False
        )
        self._asked: dict[int, Any] = {}

    def _add(self, configs: Any, space: Mapping[str, Any], prefix: str, parent: Any) -> None:
        import ConfigSpace  # noqa: PLC0415

        for key, entry in space.items():
            if key == "_name":
                continue
            name, kind, v = prefix + key, entry["_type"], entry["_value"]
            if kind == "choice":
                count = len(v)
                ordered = all(isinstance(one, (int, float)) for one in v)
                made = (
                    ConfigSpace.UniformIntegerHyperparameter(name, 0, count - 1)
                    if ordered and count > 1
                    else ConfigSpace.CategoricalHyperparameter(name, list(range(count)))
                )
            elif kind == "randint":
                made = ConfigSpace.UniformIntegerHyperparameter(name, v[0], v[1] - 1)
            else:
                made = ConfigSpace.UniformFloatHyperparameter(name, v[0], v[1], log="log" in kind)
            configs.add(made)
            if parent is not None:
                configs.add(ConfigSpace.EqualsCondition(made, *parent))
            if kind == "choice" and isinstance(v[0], dict):
                for index, branch in enumerate(v):
                    self._add(configs, branch, f"{name}/{branch['_name']}/", (made, index))

    def ask(self) -> Mapping[str, Any] | None:
        """Propose a point."""
        info = self._facade.ask()
        point = self._fill(dict(info.config), self._space, "")
        self._asked[id(point)] = info
        return point

    def _fill(self, values: Mapping[str, Any], space: Mapping[str, Any], prefix: str) -> Any:
        point = {}
        for key, entry in space.items():
            if key == "_name":
                continue
            name, kind, v = prefix + key, entry["_type"], entry["_value"]
            value = values[name]
            if kind == "choice":
                option = (sorted(v) if isinstance(v[0], (int, float)) else v)[int(value)]
                if isinstance(option, dict):
                    inner = self._fill(values, option, f"{name}/{option['_name']}/")
                    option = {"_name": option["_name"], **inner}
                point[key] = option
            elif kind.startswith("q"):
                rounded = round(float(value) / v[2]) * v[2]
                point[key] = float(min(max(rounded, v[0]), v[1]))
            else:
                point[key] = int(value) if kind == "randint" else float(value)
        return point

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Take a loss."""
        from smac.runhistory.dataclasses import TrialValue  # noqa: PLC0415

        self._facade.tell(self._asked.pop(id(point)), TrialValue(cost=loss))


class Cmaes:
    """`cmaes` as its own documents use it: `CatCMAwM` with its default population."""

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        from hpo_nni.optimizers.cube import Cube  # noqa: PLC0415 - the arrays of a space alone

        self._space = parse_space(space)
        self._axes = Cube(self._space).axes
        self._seed, self._restarts = seed, 0
        self._asked: dict[int, Any] = {}
        self._told: list[Any] = []
        self._begin()

    def _begin(self) -> None:
        from cmaes import CatCMAwM  # noqa: PLC0415

        free = [axis for axis in self._axes if not len(axis.places)]
        whole = [axis for axis in self._axes if len(axis.places) and axis.is_ordered]
        named = [len(axis.places) for axis in self._axes if not axis.is_ordered]
        self._strategy = CatCMAwM(
            x_space=[[0.0, 1.0]] * len(free) or None,
            z_space=[list(axis.places) for axis in whole] or None,
            c_space=named or None,
            seed=self._seed + 1000 * self._restarts,
        )

    def ask(self) -> Mapping[str, Any] | None:
        """Sample the distribution."""
        solution = self._strategy.ask()
        free, whole, named = (
            iter(() if part is None else part) for part in (solution.x, solution.z, solution.c)
        )
        units = []
        for axis in self._axes:
            if not axis.is_ordered:
                units.append(float(axis.places[int(np.argmax(next(named)))]))
            else:
                units.append(float(next(whole if len(axis.places) else free)))
        point = self._space.from_unit(units)
        self._asked[id(point)] = (solution, self._restarts)
        return point

    def tell(self, point: Mapping[str, Any], loss: float) -> None:
        """Close a generation when it is full; start anew after convergence."""
        solution, restart = self._asked.pop(id(point))
        if restart != self._restarts:
            return
        self._told.append((solution, loss))
        if len(self._told) == self._strategy.population_size:
            self._strategy.tell(self._told)
            self._told = []
            if self._strategy.should_stop():
                self._restarts += 1
                self._begin()


def run(
    peer: Peer, instance: Instance, budget: int, workers: int, seed: int
) -> tuple[list[float], float]:
    """The regret of the best point after each evaluation, and seconds of thinking in all.

    With several workers, each trial takes a random time, the same for all peers.
    """
    rng, clock, thinking = random.Random(seed), 0.0, 0.0
    running: list[tuple[float, int, Any]] = []
    regrets: list[float] = []
    best, begun, keep = np.inf, 0, []
    while len(regrets) < budget:
        while begun < budget and len(running) < workers:
            start = time.perf_counter()
            point = peer.ask()
            thinking += time.perf_counter() - start
            if point is None:
                break
            keep.append(point)  # ids of points stay unique
            heapq.heappush(running, (clock + rng.uniform(0.5, 1.5), begun, point))
            begun += 1
        if not running:
            break
        clock, _, point = heapq.heappop(running)
        loss = instance.loss(point)
        best = min(best, loss)
        regrets.append(instance.regret(best))
        start = time.perf_counter()
        peer.tell(point, loss)
        thinking += time.perf_counter() - start
    regrets += [regrets[-1]] * (budget - len(regrets))
    return regrets, thinking


def _ours(name: str, **arguments: Any) -> Callable[[Task, int], Peer]:
    def make(task: Task, seed: int) -> Peer:
        module, _, attribute = name.partition(":")
        optimizer = getattr(importlib.import_module(module), attribute)
        return Ours(optimizer(parse_space(task.space), Direction.MINIMIZE, seed=seed, **arguments))

    return make


def _optuna(sampler: str, *, ordered: bool, **arguments: Any) -> Callable[[Task, int], Peer]:
    def make(task: Task, seed: int) -> Peer:
        import warnings  # noqa: PLC0415

        import optuna  # noqa: PLC0415

        warnings.simplefilter("ignore")
        made = getattr(optuna.samplers, sampler)(seed=seed, **arguments)
        return Optuna(made, task.space, ordered=ordered)

    return make


def _nni(kind: str) -> Callable[[Task, int], Peer]:
    def make(task: Task, seed: int) -> Peer:
        if kind == "tpe":
            from nni.algorithms.hpo.tpe_tuner import TpeTuner  # noqa: PLC0415

            tuner = TpeTuner("minimize", seed=seed)
        elif kind == "evolution":
            from nni.algorithms.hpo.evolution_tuner import EvolutionTuner  # noqa: PLC0415

            np.random.seed(seed)  # noqa: NPY002 - it draws from there
            tuner = EvolutionTuner("minimize", population_size=32)
        else:
            from nni.algorithms.hpo.random_tuner import RandomTuner  # noqa: PLC0415

            tuner = RandomTuner(seed=seed)
        return NniTuner(tuner, task.space)

    return make


PEERS: dict[str, Callable[[Task, int], Peer]] = {
    "AutoTuner": _ours("hpo_nni.optimizers.auto:AutoOptimizer"),
    "Optuna TPE": _optuna("TPESampler", ordered=False),
    "Optuna TPE, ordered": _optuna("TPESampler", ordered=True),
    "NNI TPE": _nni("tpe"),
    "NNI Evolution": _nni("evolution"),
    "NNI random": _nni("random"),
    "hyperopt": lambda task, seed: Hyperopt(task.space, seed),
    "cmaes": lambda task, seed: Cmaes(task.space, seed),
}
SLOW: set[str] = set()
if importlib.util.find_spec("smac"):
    PEERS["SMAC3"] = lambda task, seed: Smac(task.space, seed)
    SLOW.add("SMAC3")
