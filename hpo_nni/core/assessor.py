"""From NNI's assessor calls to a stopping rule, and from its verdicts to NNI and the ledger."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpo_nni.core.dispatcher import this_dispatcher
from hpo_nni.core.ending import kill_instance, remove_filepath
from hpo_nni.core.recorded_histories import RecordedHistories
from hpo_nni.core.resumed_trials import ResumedTrials
from hpo_nni.ledger.records import DecisionRecord
from hpo_nni.nni_api.algorithms import Assessor, AssessResult
from hpo_nni.stopping.base import History

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.ledger.records import Known
    from hpo_nni.stopping.base import StoppingRule, Verdict

logger = logging.getLogger(__name__)

# NNI kills within 5 s of the first "bad". Each further one sends another signal, which may hit the
# trial's clean-up; but should NNI have failed to stop the trial, it must hear it again.
REPEAT_SECONDS = 30.0


class RuleAssessor(Assessor):  # type: ignore[misc]  # NNI has no types
    """An NNI assessor that asks a stopping rule.

    Verdicts are made from the ledger, which holds every evaluation at its training step; NNI is
    told of fewer, and only in their order. Trials that are not in the ledger (a user's own trial
    command) are judged by what NNI passes on, one step per report.

    No method raises: an exception would end the experiment. What goes wrong is logged, and the
    trial is kept.

    Args:
        rule: makes the rule for a direction.
        direction: what `optimize_mode` says here; the tuner's wins.
        arguments: what was decided from `classArgs`, for the ledger: `replay` makes the rule anew.
        clock: seconds, for the pause between two "bad" for the same trial.
    """

    def __init__(
        self,
        rule: Callable[[Direction], StoppingRule],
        direction: Direction,
        *,
        arguments: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._dispatcher = this_dispatcher()
        self._recorded: RecordedHistories | None = None
        if self._dispatcher is not None:
            described = {"class": _ours(type(self)), "arguments": dict(arguments or {})}
            direction = self._dispatcher.begin(direction, {"assessor": described})
            self._recorded = RecordedHistories(
                self._dispatcher.ledger, self._dispatcher.experiment_id
            )
        self.rule = rule(direction)
        self._clock = clock
        self._lock = threading.Lock()
        self._reported: dict[str, History] = {}
        self._judged: dict[str, tuple[object, ...]] = {}
        self._stopped_at: dict[str, float] = {}
        if self._dispatcher is not None:
            ResumedTrials(
                self._dispatcher, self._may_go_on, lambda trial_id: trial_id in self._reported
            ).follow()

    def assess_trial(self, trial_job_id: str, trial_history: list[Any]) -> AssessResult:
        """Say whether a trial may go on; called by NNI after an intermediate result."""
        try:
            with self._lock:
                return self._assess(trial_job_id, trial_history)
        except Exception:
            logger.exception("trial %s is kept, for it could not be judged", trial_job_id)
            return AssessResult.Good

    def trial_end(self, trial_job_id: str, success: bool) -> None:  # noqa: FBT001 - NNI's signature
        """Cancel the trial's jobs and close its entry if it did not end by itself.

        NNI skips this for a trial that never reported a metric and for every trial alive at
        `nnictl stop`; the runner's signal handler covers both.
        """
        if success:
            with self._lock:
                known = self._reported.get(trial_job_id)
                if known is not None and known.steps:
                    self._reported[trial_job_id] = replace(known, is_complete=True)
        else:
            kill_instance(trial_job_id=trial_job_id)
            remove_filepath(trial_id=trial_job_id)

    def _may_go_on(self, trial_id: str) -> bool:
        """Judge a trial that NNI does not ask about; see `ResumedTrials`."""
        with self._lock:
            return bool(self._judge(trial_id) is AssessResult.Good)

    def _assess(self, trial_id: str, reported: Sequence[Any]) -> AssessResult:
        self._reported[trial_id] = history_of(reported)
        return self._judge(trial_id)

    def _judge(self, trial_id: str) -> AssessResult:
        said = self._stopped_at.get(trial_id)
        if said is not None:
            return self._repeat(trial_id, said)
        if self._is_baseline(trial_id):
            return AssessResult.Good
        trial, peers, known = self._histories(trial_id)
        moment = (*trial.steps[-1:], trial.nonfinite)
        if moment == ("",) or self._judged.get(trial_id) == moment:
            return AssessResult.Good
        verdict = self.rule.judge(trial, peers)
        self._judged[trial_id] = moment
        if not self._write_down(trial_id, verdict, known) or verdict.keep:
            return AssessResult.Good
        self._stopped_at[trial_id] = self._clock()
        return AssessResult.Bad

    def _is_baseline(self, trial_id: str) -> bool:
        """The untuned config runs to its end, or no gain could be told."""
        if self._dispatcher is None:
            return False
        trial = self._dispatcher.ledger.trial(trial_id)
        return trial is not None and trial.is_baseline

    def _repeat(self, trial_id: str, said: float) -> AssessResult:
        """A stopped trial still reports: wait, then say it again."""
        if self._clock() - said < REPEAT_SECONDS:
            return AssessResult.Good
        logger.warning("trial %s still reports %g s after its end", trial_id, REPEAT_SECONDS)
        self._stopped_at[trial_id] = self._clock()
        return AssessResult.Bad

    def _histories(self, trial_id: str) -> tuple[History, Mapping[str, History], Known | None]:
        """Return the trial's history, all others', and their moment, from one source for both."""
        if self._recorded is not None:
            recorded = self._recorded.read()
            if trial_id in recorded:
                return *split(recorded, trial_id), self._recorded.known
        return *split(self._reported, trial_id), None

    def _write_down(self, trial_id: str, verdict: Verdict, known: Known | None) -> bool:
        """Note the verdict; False if the trial had ended by itself before it could be stopped."""
        if not verdict.keep:
            logger.info("trial %s is stopped: %s", trial_id, verdict.reason)
        if self._dispatcher is None or self._dispatcher.ledger.trial(trial_id) is None:
            return True
        return self._dispatcher.ledger.add_decision(
            DecisionRecord(
                trial_id=trial_id,
                actor="assessor",
                action="keep" if verdict.keep else "stop",
                reason=verdict.reason,
                time=time.time(),
                figures=verdict.figures,
            ),
            known,
        )


def split(histories: Mapping[str, History], trial_id: str) -> tuple[History, Mapping[str, History]]:
    """The history of one trial, and those of all others that have a score."""
    peers = {
        name: history for name, history in histories.items() if name != trial_id and history.steps
    }
    return histories.get(trial_id, History((), ())), peers


def history_of(reported: Sequence[Any]) -> History:
    """Read what trials reported to NNI; the place in the list, from 1, stands for the step.

    >>> history_of([0.5, {"default": 0.6, "auc": 0.7}, None, float("nan"), "0.9"])
    History(steps=(1, 2), scores=(0.5, 0.6))
    """
    scores = [metric_of(value) for value in reported]
    history = History.of(enumerate(scores, start=1))
    if reported and scores[-1] is None and _is_nonfinite(reported[-1]):
        return replace(history, nonfinite="the score")
    return history


def metric_of(value: Any) -> float | None:
    """Return the finite number that NNI shows for a metric: itself, or its `default`.

    >>> metric_of({"default": 1, "auc": 0.7}), metric_of({"auc": 0.7}), metric_of("0.9")
    (1.0, None, None)
    """
    number = value.get("default") if isinstance(value, dict) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return float(number) if math.isfinite(number) else None


def _ours(kind: type) -> str:
    """The class of this package that a user's own assessor extends, or the class itself."""
    ours = [one for one in kind.__mro__ if one.__module__.startswith("hpo_nni.core.")]
    return (ours or [kind])[0].__name__


def _is_nonfinite(value: Any) -> bool:
    number = value.get("default") if isinstance(value, dict) else value
    return isinstance(number, float) and not math.isfinite(number)
