"""One trial, from its point to its score: edit the config, run the steps, follow the metrics.

Whatever happens, the trial ends in the ledger in one state with one reason, and its jobs have ended
before its process does.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpo_nni.errors import HpoNniError, LedgerError, NniError, NniGoneError
from hpo_nni.ledger.records import TrialState
from hpo_nni.metrics import report_values
from hpo_nni.trial.budget import Budget
from hpo_nni.trial.days import Days
from hpo_nni.trial.job_run import JobRunner
from hpo_nni.trial.meter import Meter
from hpo_nni.trial.orders import BY_NNIS_END, ask_for_no_more, who_ended
from hpo_nni.trial.retry import Retrier
from hpo_nni.trial.shutdown import Interrupted
from hpo_nni.trial.triage import FailedJobError, Triage
from hpo_nni.trial.walk import Walk, WalkPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.failures import Failure
    from hpo_nni.ledger import Ledger
    from hpo_nni.nni_api.trial_channel import TrialChannel
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import Step, TrialSettings
    from hpo_nni.trial.shutdown import Shutdown

logger = logging.getLogger(__name__)

_NO_DAYS = WalkPlan()
PIECE = 5.0  # seconds between two looks at whether the trial was told to end
SIGNAL_SECONDS = 0.5  # in which NNI's signal follows the end of its REST


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: TrialState
    reason: str = ""
    score: float | None = None


class TrialRunner:
    """Runs the steps of one trial.

    Args:
        place: ids and directories.
        settings: the ini, with the trial's point substituted.
        ledger: already knows the trial.
        channel: where results are reported.
        shutdown: tells when to end.

    Raises:
        SettingsError: a credential leads nowhere.
    """

    def __init__(
        self,
        place: Place,
        settings: TrialSettings,
        ledger: Ledger,
        channel: TrialChannel,
        shutdown: Shutdown,
    ) -> None:
        self._place = place
        self._settings = settings
        self._ledger = ledger
        self._shutdown = shutdown
        self._channel = channel
        self._retrier = Retrier(shutdown.pause)
        self._triage = Triage(settings.failures, settings.platform)
        self._meter = Meter(place, settings, ledger, self._report_intermediate, shutdown.pause)
        self._jobs = JobRunner(place, settings, ledger, shutdown, self._meter)
        self._redact = self._jobs.redact
        self._days = Days(place, settings, ledger, self._pause, self._jobs.announce)

    def run(self, plan: WalkPlan = _NO_DAYS) -> Outcome:
        """Run all steps; the result is in the ledger before NNI hears of it.

        Args:
            plan: what goes into the days among them.
        """
        refused = self._refused_by_budget()
        if refused:
            return self._end(TrialState.CANCELLED, refused)
        walk = Walk(plan, self._place, self._settings, self._ledger, self._meter)
        try:
            return self._run(walk)
        finally:
            walk.end()

    def _run(self, walk: Walk) -> Outcome:
        try:
            self._retrier(self._meter.reach)
            for step in self._settings.steps:
                if self._get_through(step, walk):
                    self._meter.complete(step.key)
                    walk.complete()
                else:
                    self._meter.leave_out(step.key)
            final = self._meter.final()
            walk.complete()
        except Interrupted:
            return self._end_as_told()
        except HpoNniError as error:
            if isinstance(error, (NniError, LedgerError)) and self._is_being_ended():
                return self._end_as_told()
            if isinstance(error, NniGoneError):
                return self._end(TrialState.CANCELLED, f"{BY_NNIS_END}: {error.message}")
            self._ledger.note_failure(self._place.trial_id, self._redacted(error))
            return self._end(TrialState.FAILED, str(error))
        outcome = self._end(TrialState.SUCCEEDED, "", final.score)
        if outcome.state is TrialState.SUCCEEDED:
            self._channel.report("FINAL", 0, report_values(final))
        return outcome

    def _refused_by_budget(self) -> str:
        """Why the budget does not let the trial begin; empty if it does.

        Our tuners ask before they propose. This is for all others, and for trials that began at
        the same time.
        """
        budget = Budget(self._ledger, self._place.experiment_id, self._settings.costs)
        reason = budget.admit_trial(time.time(), self._place.trial_id)
        if reason and not budget.is_kept_by_tuner:
            ask_for_no_more(self._place, self._ledger)
        return reason

    def _get_through(self, planned: Step, walk: Walk) -> bool:
        """Run a step and read what it wrote; False where its day is left out."""
        if self._days.leaves_out(planned):
            return False
        self._meter.begin(planned.key)
        step = walk.begin(self._days.joined(planned), self._pause)
        try:
            if not step.is_settled:
                self._run_step(step)
        except FailedJobError as error:
            self._days.take_failure(step, error)
            return False
        self._retrier(self._meter.catch_up)
        return self._days.counts(step)

    def _run_step(self, step: Step) -> None:
        """Run a step, again where its failure may pass; raises as `JobRunner.run`."""
        self._triage.run(
            lambda: self._run_job(step),
            self._shutdown.pause,
            lambda why: self._jobs.announce(step, why),
        )

    def _run_job(self, step: Step) -> None:
        self._raise_if_told()
        self._jobs.run(step)

    def _redacted(self, error: HpoNniError) -> Failure:
        failure = self._triage.of_error(error)
        return replace(failure, evidence=self._redact(failure.evidence))

    def _pause(self, seconds: float) -> None:
        """Sleep in pieces, for an order to end may come by the ledger only."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._shutdown.pause(min(left, PIECE))
            self._raise_if_told()

    def _raise_if_told(self) -> None:
        if self._shutdown.requested or self._is_ordered_to_end():
            raise Interrupted

    def _is_being_ended(self) -> bool:
        """Whether NNI does not answer because it ends trials: its REST closes, then it kills."""
        return self._is_ordered_to_end() or self._shutdown.wait(SIGNAL_SECONDS)

    def _is_ordered_to_end(self) -> bool:
        return self._ledger.standing_order(self._place.trial_id) is not None

    def _report_intermediate(self, sequence: int, values: Mapping[str, float]) -> None:
        self._channel.report("PERIODICAL", sequence, values)

    def _end_as_told(self) -> Outcome:
        return self._end(*who_ended(self._place, self._ledger, self._shutdown.cause))

    def _end(self, state: TrialState, reason: str, score: float | None = None) -> Outcome:
        """Close the trial in the ledger, which may know better how it ended."""
        self._ledger.end_trial(self._place.trial_id, state, self._redact(reason), score)
        trial = self._ledger.trial(self._place.trial_id)
        assert trial is not None
        return Outcome(trial.state, trial.reason, trial.score)
