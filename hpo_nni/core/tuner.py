"""From NNI's tuner calls to ask and tell, with all that NNI gets wrong put right on the way."""

from __future__ import annotations

import json
import logging
import random
import threading
from typing import TYPE_CHECKING, Any

from hpo_nni.core.assessor import metric_of
from hpo_nni.core.budget_guard import BudgetGuard
from hpo_nni.core.dispatcher import this_dispatcher
from hpo_nni.core.ending import sweep_experiment
from hpo_nni.core.known_trials import KnownTrials
from hpo_nni.errors import SettingsError
from hpo_nni.failures import FailureKind
from hpo_nni.ledger.records import (
    BASELINE,
    JUDGED,
    TrialState,
    counted_trials,
    visible_point,
)
from hpo_nni.nni_api.algorithms import NoMoreTrialError, Tuner
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.space import parse_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.ledger.records import TrialRecord
    from hpo_nni.optimizers.base import Optimizer
    from hpo_nni.space import SearchSpace

logger = logging.getLogger(__name__)

_OUTCOMES = {
    TrialState.SUCCEEDED: Outcome.COMPLETE,
    TrialState.STOPPED: Outcome.STOPPED,
    TrialState.FAILED: Outcome.FAILED,
    TrialState.CANCELLED: Outcome.CANCELLED,
}


class AskTellTuner(Tuner):  # type: ignore[misc]  # NNI has no types
    """An NNI tuner that asks an optimizer.

    Results come from NNI and from the ledger, whichever knows first, and each trial counts once.
    From NNI: final metrics and imported data. From the ledger, before each proposal: what NNI never
    tells a tuner, which is early-stopped, failed and cancelled trials, and those that people added
    on the web page.

    No method raises, save NoMoreTrialError for a space without further points, a budget without
    room, or an experiment that somebody has ended: any other exception would end the dispatcher.
    What goes wrong is logged, and a random point is proposed.

    Args:
        optimizer: makes the optimizer for a space and a direction, at the first proposal and again
            when the search space changes; the history that still fits is told anew.
        direction: what `optimize_mode` says.
        baseline_trials: how many trials run the untuned config before the optimizer is asked.
        seed: for the random points.
        reads_metrics: whether the optimizer looks at more than the score.
    """

    _accept_customized = True  # NNI hides the results of people's own trials from others

    def __init__(
        self,
        optimizer: Callable[[SearchSpace, Direction], Optimizer],
        direction: Direction,
        *,
        baseline_trials: int = 0,
        seed: int | None = None,
        reads_metrics: bool = False,
    ) -> None:
        super().__init__()
        self._dispatcher = this_dispatcher()
        if self._dispatcher is not None:
            direction = self._dispatcher.begin(direction)
        self._ledgers_trials: KnownTrials | None = None
        self._budget: BudgetGuard | None = None
        if self._dispatcher is not None:
            self._ledgers_trials = KnownTrials(
                self._dispatcher.ledger, self._dispatcher.experiment_id
            )
            self._budget = BudgetGuard(self._dispatcher, self._ledgers_trials)
        self._make = optimizer
        self._direction = direction
        self._baseline_trials = baseline_trials
        self._reads_metrics = reads_metrics
        self._rng = random.Random(seed)  # noqa: S311 - no secrets here
        self._lock = threading.RLock()
        self._space: SearchSpace | None = None
        self._optimizer: Optimizer | None = None
        self._proposed: dict[int, dict[str, Any]] = {}
        self._history: list[Observation] = []
        self._known: set[str] = set()  # points with scores, of all that is in the history
        self._anonymous: set[str] = set()  # imported, of trials that may be in the ledger
        self._failed: dict[str, Observation] = {}  # what the ledger said of failed trials, by id
        self._told = 0
        self._results: set[object] = set()  # ids of parameters and trials whose end is known

    # What NNI calls

    def update_search_space(self, search_space: Any) -> None:
        """Take the search space; later ones replace it, and a faulty one of them changes nothing.

        Raises:
            SettingsError: the first one has faults, or the arguments do not fit it. NNI then ends
                the experiment, of which no trial has begun.
        """
        with self._lock:
            before = self._space
            try:
                space = parse_space(search_space)
                if before is None:
                    self.check_space(space)
            except SettingsError:
                if before is None:
                    raise
                logger.exception("the search space has faults; the one before stays")
                return
            self._space = space
            if self._dispatcher is not None and before != self._space:
                self._dispatcher.note_space(search_space)
            self._optimizer, self._told = None, 0

    def check_space(self, space: SearchSpace) -> None:
        """Raise SettingsError where the tuner's arguments do not fit the first search space."""

    def generate_parameters(self, parameter_id: int, **_: Any) -> dict[str, Any]:
        """Return the next point; raises NoMoreTrialError when there is none."""
        with self._lock:
            if self._space is None:
                raise NoMoreTrialError("there is no valid search space")
            refused = self._halted() or self._over_budget()
            if refused:
                raise NoMoreTrialError(refused)
            point = self._next(self._space)
            if point is None:
                raise NoMoreTrialError("the search space has no further points")
            self._proposed[parameter_id] = point
            return dict(point)

    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **details: Any
    ) -> None:
        """Take a final metric, in any order, of whatever shape."""
        with self._lock:
            point = self._proposed.get(parameter_id, parameters)
            score = metric_of(value)
            outcome = Outcome.FAILED if score is None else Outcome.COMPLETE
            ids = (parameter_id, details.get("trial_job_id"))
            observation = Observation(_as_point(point), outcome, score, metrics=metrics_of(value))
            self._learn(ids, observation)

    def trial_end(self, parameter_id: int, success: bool, **_: Any) -> None:  # noqa: FBT001 - NNI's signature
        """Note that a trial ended.

        The ledger knows better: which trial, why, and with what score. NNI says none of that, so
        its word counts only where the ledger knows no trials (a user's own trial command). But it
        says it of trials, too, of which no assessor hears: their jobs end here.
        """
        if not success:
            sweep_experiment()
        with self._lock:
            if success or self._knows_trials():
                return
            point = self._proposed.get(parameter_id)
            if point is not None and parameter_id not in self._results:
                # Failed, stopped or cancelled: a result that comes later still counts.
                self._history.append(Observation(_as_point(point), Outcome.CANCELLED))

    def import_data(self, data: Any) -> None:
        """Take results from a file, or, after `nnictl resume`, those of this experiment.

        Trials that NNI resumed report through here too, without their ids; what the ledger has
        told already, or tells later, is recognised by point and score.
        """
        with self._lock:
            for entry in data if isinstance(data, list) else []:
                if not isinstance(entry, dict):
                    continue
                point, score = _as_point(entry.get("parameter")), metric_of(entry.get("value"))
                if not point or score is None:
                    continue
                metrics = metrics_of(entry.get("value"))
                observation = Observation(point, Outcome.COMPLETE, score, metrics=metrics)
                trial_id = entry.get("trialJobId")
                if trial_id is None:
                    if _identity(observation) in self._known:
                        continue
                    self._anonymous.add(_identity(observation))
                self._learn((trial_id,), observation)

    # From history to proposal

    def _halted(self) -> str:
        """Why somebody ended the experiment; empty while it goes on."""
        if self._dispatcher is None:
            return ""
        try:
            experiment = self._dispatcher.ledger.experiment(self._dispatcher.experiment_id)
        except Exception:  # the trial asks again, and has the last word
            logger.exception("the ledger cannot be read")
            return ""
        return "" if experiment is None or experiment.halted is None else experiment.halt_reason

    def _over_budget(self) -> str:
        return self._budget.refusal(awaiting=len(self._proposed)) if self._budget else ""

    def _next(self, space: SearchSpace) -> dict[str, Any] | None:
        try:
            if self._baseline_trials and self._baseline_trials > self._baselines_begun():
                baseline = self._baseline(space)
                if baseline is not None:
                    return baseline
            self._read_ledger()
            news, self._told = self._history[self._told :], len(self._history)
            if self._optimizer is None:
                self._optimizer = self._make(space, self._direction)
                news = [*news, *self._running()]
            self._optimizer.tell([one for one in news if space.contains(one.point)])
            return self._optimizer.ask()
        except Exception:
            logger.exception("no proposal: a random point is tried instead")
            return space.sample(self._rng)

    def _baseline(self, space: SearchSpace) -> dict[str, Any] | None:
        # It brings Jinja and the config formats, which the dispatcher must not wait for.
        from hpo_nni.core.baseline import baseline_point  # noqa: PLC0415

        try:
            return baseline_point(self._dispatcher.config if self._dispatcher else {}, space)
        except SettingsError:
            logger.exception("baseline_trials: no untuned trial can run")
            self._baseline_trials = 0
            return None

    def _baselines_begun(self) -> int:
        """Count untuned trials: those proposed here, or, after a resume, those in the ledger."""
        proposed = sum(BASELINE in point for point in self._proposed.values())
        return max(proposed, sum(trial.is_baseline for trial in self._trials()))

    def _running(self) -> list[Observation]:
        """What a new optimizer has not asked for itself: of a space before, or before a resume."""
        ended = {_named(one.point) for one in self._history}
        points = [
            point
            for number, point in self._proposed.items()
            if number not in self._results and _named(point) not in ended
        ]
        known = ended | {_named(point) for point in points}
        points += [
            dict(trial.parameters)
            for trial in self._trials()
            if not trial.state.is_final and _named(trial.parameters) not in known
        ]
        return [Observation(_as_point(point), Outcome.RUNNING) for point in points]

    def _read_ledger(self) -> None:
        trials = self._trials()
        counted = counted_trials(trials)
        self._forget({trial.id for trial in trials} - {trial.id for trial in counted})
        ended = [trial for trial in counted if trial.id not in self._results]
        ended = [trial for trial in ended if trial.state.is_final]
        for trial in ended:
            score, step = trial.score, 0
            if trial.state is TrialState.STOPPED:
                step, score = self._last_score(trial.id)
            outcome = _OUTCOMES[trial.state]
            if outcome is Outcome.COMPLETE and score is None:
                outcome = Outcome.FAILED
            if outcome is Outcome.FAILED and trial.failure == FailureKind.INFEASIBLE.value:
                outcome = Outcome.INFEASIBLE
            metrics = self._last_metrics(trial) if self._reads_metrics else {}
            observation = Observation(_as_point(trial.parameters), outcome, score, step, metrics)
            if _identity(observation) in self._anonymous:
                self._anonymous.remove(_identity(observation))
                self._results.add(trial.id)
                continue
            self._learn((trial.id,), observation)
            self._failed |= {trial.id: observation} if trial.state is TrialState.FAILED else {}

    def _forget(self, trial_ids: Iterable[str]) -> None:
        """Take back what was learnt of failed trials that run again since."""
        for trial_id in trial_ids:
            self._results.add(trial_id)
            observation = self._failed.pop(trial_id, None)
            if observation in self._history:
                self._history.remove(observation)
                self._optimizer, self._told = None, 0  # it cannot unlearn: another one is told

    def _last_score(self, trial_id: str) -> tuple[int, float | None]:
        assert self._dispatcher is not None
        measured = [
            (one.step, one.score)
            for one in self._dispatcher.ledger.evaluations(trial_id)
            if one.source == JUDGED and one.score is not None
        ]
        return measured[-1] if measured else (0, None)

    def _last_metrics(self, trial: TrialRecord) -> dict[str, float]:
        """The metrics of the evaluation that gave the trial its score, else of the last one."""
        assert self._dispatcher is not None
        judged = [
            one for one in self._dispatcher.ledger.evaluations(trial.id) if one.source == JUDGED
        ]
        scored = [one for one in judged if one.score == trial.score] or judged
        return metrics_of(scored[-1].values) if scored else {}

    def _learn(self, ids: Sequence[object], observation: Observation) -> None:
        """Add one trial to the history, once: NNI repeats itself, and the ledger says it too."""
        known = [one for one in ids if one is not None]
        if not any(one in self._results for one in known):
            self._results.update(known)
            self._known.add(_identity(observation))
            self._history.append(observation)

    def _trials(self) -> list[TrialRecord]:
        return [] if self._ledgers_trials is None else self._ledgers_trials.read()

    def _knows_trials(self) -> bool:
        try:
            return bool(self._trials())
        except Exception:
            logger.exception("the ledger cannot be read")
            return False


def metrics_of(value: Any) -> dict[str, float]:
    """Return the finite numbers of a dict of metrics; none where it is no dict.

    >>> metrics_of({"default": 0.5, "auc": 0.7, "note": "x"}), metrics_of(0.7)
    ({'default': 0.5, 'auc': 0.7}, {})
    """
    if not isinstance(value, dict):
        return {}
    numbers = ((str(name), metric_of(number)) for name, number in value.items())
    return {name: number for name, number in numbers if number is not None}


def _identity(observation: Observation) -> str:
    return f"{observation.outcome.value} {observation.score} {_named(observation.point)}"


def _named(point: Any) -> str:
    return json.dumps(_as_point(point), sort_keys=True, default=str)


def _as_point(parameters: Any) -> dict[str, Any]:
    """Read parameters as NNI passes them on, without our marks; empty where they are no point."""
    if isinstance(parameters, str):
        try:
            parameters = json.loads(parameters)
        except ValueError:
            return {}
    if not isinstance(parameters, dict):
        return {}
    return visible_point(parameters)
