"""AutoTuner: the tuner to take when there is no reason for another one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import Argument, one_of, texts, whole
from hpo_nni.core.past import earlier_sweeps
from hpo_nni.core.search_tuner import SearchTuner
from hpo_nni.direction import Direction
from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.optimizers.base import Optimizer
    from hpo_nni.optimizers.sweeps import EarlierSweep
    from hpo_nni.space import SearchSpace

logger = logging.getLogger(__name__)

OFF, AUTO = "off", "auto"


def _is_warm_start(value: Any) -> bool:
    """A bare `off` is false in YAML."""
    ids = [value] if isinstance(value, str) else value
    return value is False or (
        isinstance(ids, list) and bool(ids) and all(isinstance(one, str) and one for one in ids)
    )


ARGUMENTS = {
    "method": one_of("auto", "random", "sobol", "grid"),
    "trials": whole(None, least=1),
    "objectives": texts(),
    "constraints": texts(),
    "warm_start": Argument(OFF, "off, auto, or ids of experiments", _is_warm_start),
}


class AutoTuner(SearchTuner):
    """Proposes points by a model of all results so far.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            seed: same seed and same order of results, same points; not given, different each time.
            baseline_trials: how many trials run the untuned config first; 0.
            objectives: several metrics at once, as `[auc, -latency]`: large auc, small latency. Not
                given, the score alone.
            constraints: limits on metrics, as `["latency < 20"]`.
            trials: how many there will be; not given, the experiment's `maxTrialNumber`.
            warm_start: `off` (default); `auto`, to start from the earlier experiments of the same
                name in the same working directory; or the ids of those to start from.
            method: `auto`; or `random`, `sobol`, `grid`, which learn nothing.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; or no trial of this
            experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(arguments, ARGUMENTS, reads_metrics=_reads_metrics(arguments))
        self._earlier: list[EarlierSweep] = []
        self._defaults: Mapping[str, Any] = {}
        self._refuse_unreadable_goals()
        self._refuse_impossible_start()

    def choose(self) -> tuple[str, dict[str, Any]]:
        """As SearchTuner says."""
        if self.given["method"] != "auto":
            return self.given["method"], {}
        config = {} if self._dispatcher is None else self._dispatcher.config
        stated = config.get("maxTrialNumber")
        return "auto", {
            "trials": self.given["trials"] or (stated if isinstance(stated, int) else None),
            "objectives": _listed(self.given["objectives"]),
            "constraints": _listed(self.given["constraints"]),
            "earlier": self._earlier,
            "defaults": self._defaults,
        }

    def _optimizer_of(self, space: SearchSpace, direction: Direction) -> Optimizer:
        self._earlier, self._defaults = self._past(space)
        made = super()._optimizer_of(space, direction)
        if self._starts_warm():
            self._note_start(made)
        return made

    def _refuse_unreadable_goals(self) -> None:
        if not _reads_metrics(self.given):
            return
        if self.given["method"] != "auto":
            where = "classArgs of AutoTuner"
            message = f"method {self.given['method']} knows no objectives and no constraints"
            raise SettingsError([Problem(where, message)])
        from hpo_nni.optimizers.goals import Goals  # noqa: PLC0415 - numpy, where it is needed

        direction = Direction(self.given["optimize_mode"])
        objectives, constraints = (self.given[key] for key in ("objectives", "constraints"))
        Goals.parse(direction, _listed(objectives), _listed(constraints))

    def _refuse_impossible_start(self) -> None:
        if not self._starts_warm():
            return
        where, method = "classArgs of AutoTuner", self.given["method"]
        problems = []
        if method != "auto":
            problems.append(Problem(where, f"warm_start: method {method} learns nothing"))
        if self._dispatcher is not None:
            known = [one.id for one in self._dispatcher.ledger.experiments()]
            problems += [
                Problem(
                    where,
                    f"warm_start: there is no experiment {one!r} in this working directory",
                    f"hpo-nni show lists them; there are {', '.join(known)}",
                )
                for one in self._named()
                if one not in known
            ]
            if not self._named() and not self._dispatcher.project:
                message = "warm_start: auto goes by experimentName, and the experiment has none"
                problems.append(Problem(where, message, "write experimentName into its config"))
        if problems:
            raise SettingsError(problems)

    def _starts_warm(self) -> bool:
        return self.given["warm_start"] not in (False, OFF)

    def _named(self) -> list[str]:
        """The ids of the experiments to start from; none for all of the project."""
        if not self._starts_warm() or self.given["warm_start"] == AUTO:
            return []
        return _listed(self.given["warm_start"])

    def _past(self, space: SearchSpace) -> tuple[list[EarlierSweep], Mapping[str, Any]]:
        """The sweeps to start from, and what parameters were that they did not vary."""
        if self._dispatcher is None or not self._starts_warm():
            return [], {}
        ledger, own = self._dispatcher.ledger, self._dispatcher.experiment_id
        experiment = ledger.experiment(own)
        assert experiment is not None
        sweeps = earlier_sweeps(ledger, experiment, self._named())
        varied = {key for sweep in sweeps for trial in sweep.trials for key in trial.point}
        if not sweeps or varied >= space.keys():
            return sweeps, {}
        from hpo_nni.core.baseline import baseline_point  # noqa: PLC0415 - it brings Jinja

        try:
            return sweeps, baseline_point(self._dispatcher.config, space)
        except SettingsError:
            logger.warning("the untuned config does not say what %s was", space.keys() - varied)
            return sweeps, {}

    def _note_start(self, optimizer: Optimizer) -> None:
        """Say what the search starts from, and write it down for `hpo-nni why`."""
        if self._dispatcher is None:
            return
        if not self._earlier:
            logger.info("there is no earlier sweep to start from: this is a cold start")
            return
        first = optimizer.first_points  # type: ignore[attr-defined]  # AutoOptimizer's
        names = [sweep.name for sweep in self._earlier]
        logger.info(
            "warm start from %d earlier sweeps (%s), %d trials; tried first: %s",
            len(names),
            ", ".join(names),
            sum(len(sweep.trials) for sweep in self._earlier),
            "; ".join(f"the best of {one.sweep}, its trial {one.trial}" for one in first) or "none",
        )
        facts = {
            "sweeps": names,
            "first": [
                {"point": dict(one.point), "sweep": one.sweep, "trial": one.trial} for one in first
            ],
        }
        self._dispatcher.ledger.note_settings(self._dispatcher.experiment_id, {"warm_start": facts})


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _reads_metrics(arguments: dict[str, Any]) -> bool:
    return bool(arguments.get("objectives") or arguments.get("constraints"))
