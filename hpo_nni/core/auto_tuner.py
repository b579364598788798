"""AutoTuner: the tuner to take when there is no reason for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import one_of, texts, whole
from hpo_nni.core.search_tuner import SearchTuner
from hpo_nni.direction import Direction
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.ledger.records import TrialState
from hpo_nni.optimizers.base import Observation, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

ARGUMENTS = {
    "method": one_of("auto", "random", "sobol", "grid"),
    "trials": whole(None, least=1),
    "objectives": texts(),
    "constraints": texts(),
    "earlier_experiments": texts(),
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
            earlier_experiments: ids of experiments in the same working directory to learn from.
            method: `auto`; or `random`, `sobol`, `grid`, which learn nothing.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; a search space with
            faults; or no trial of this experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(arguments, ARGUMENTS, reads_metrics=_reads_metrics(arguments))
        self._refuse_unreadable_goals()
        self._refuse_unknown_experiments()

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
            "earlier": [self._earlier(one) for one in _listed(self.given["earlier_experiments"])],
        }

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

    def _refuse_unknown_experiments(self) -> None:
        wanted = _listed(self.given["earlier_experiments"])
        if self._dispatcher is None or not wanted:
            return
        known = [one.id for one in self._dispatcher.ledger.experiments()]
        problems = [
            Problem(
                "classArgs of AutoTuner",
                f"earlier_experiments: there is no experiment {one!r} in this working directory",
                f"hpo-nni show lists them; there are {', '.join(known)}",
            )
            for one in wanted
            if one not in known
        ]
        if problems:
            raise SettingsError(problems)

    def _earlier(self, experiment_id: str) -> list[Observation]:
        """The complete trials of another experiment, scored in today's direction."""
        if self._dispatcher is None:
            return []
        ledger = self._dispatcher.ledger
        record = ledger.experiment(experiment_id)
        sign = 1.0 if record is None or record.direction == self._direction.value else -1.0
        return [
            Observation(dict(trial.parameters), Outcome.COMPLETE, sign * trial.score)
            for trial in ledger.trials(experiment_id)
            if trial.state is TrialState.SUCCEEDED
            and trial.score is not None
            and not trial.is_baseline
        ]


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _reads_metrics(arguments: dict[str, Any]) -> bool:
    return bool(arguments.get("objectives") or arguments.get("constraints"))
