"""Which days a trial trains, and from which model each goes on: the policies of `[day_config]`.

A mean over other days is another score. So what becomes of a day is settled once for an experiment,
in the ledger: a day that one trial leaves out is left out by all of them, and a day that any trial
has got through is left out by none. See docs/adr/0018-missing-and-failed-days.md.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

from hpo_nni.errors import DayError, PlatformError, StoreError
from hpo_nni.failures import FailureKind
from hpo_nni.ledger.records import DayRecord, DayState, DecisionRecord
from hpo_nni.trial.day_data import DayData
from hpo_nni.trial.day_settings import Gap, Missing
from hpo_nni.trial.retry import TRANSIENT, Retrier
from hpo_nni.trial.triage import FailedJobError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.steps import Step

logger = logging.getLogger(__name__)


class Days:
    """The days of one trial, in their order.

    Args:
        place: ids.
        settings: the trial's.
        ledger: where it is settled what becomes of a day.
        pause: sleeps so many seconds; raises where the trial is told to end.
        announce: takes a step and a sentence about what it waits for.
    """

    def __init__(
        self,
        place: Place,
        settings: TrialSettings,
        ledger: Ledger,
        pause: Callable[[float], object],
        announce: Callable[[Step, str], None],
    ) -> None:
        self._place = place
        self._settings = settings.days
        self._days = settings.day_sources()
        self._ledger = ledger
        self._data = DayData(settings.accounts, Retrier(pause))
        self._pause = pause
        self._announce = announce
        self._stand_ins: dict[str, str] = {}  # a model that nobody made -> the one before it
        self._left_out: set[str] = set()
        self._failed: dict[str, FailedJobError] = {}  # nothing yet shows that it is the day's fault
        self._has_trained = False

    def leaves_out(self, step: Step) -> bool:
        """Whether a step must not run, for its day is left out; waits for its data by policy.

        Raises:
            DayError: its data is not there, and the trial cannot do without.
            StoreError, PlatformError: its data cannot be looked for, and a policy needs to know.
        """
        if self._is_left_out(step):
            return True
        if not self._settings.looks or step.is_settled:
            return False
        missing = self._look(step)
        if missing and self._settings.missing is Missing.WAIT:
            missing = self._await(step, missing)
            if self._is_left_out(step):
                return True
        if missing:
            self._give_up(step, missing)
        return bool(missing)

    def joined(self, step: Step) -> Step:
        """The step as it goes on from the last model that there is."""
        return step.started_from(self._start_of(step))

    def take_failure(self, step: Step, error: FailedJobError) -> None:
        """Leave out a day whose job has failed; raises the error where that cannot be.

        It is the day's fault, and not the configuration's, if no trial has got through the day, and
        this one gets through another.
        """
        is_day = step.key in self._days and self._settings.failed is Gap.SKIP
        if not is_day or error.failure.kind is FailureKind.INFEASIBLE:
            raise error
        settled = self._ledger.day(self._place.experiment_id, step.key)
        if settled is not None and settled.state is DayState.COUNTS:
            raise _of_the_configuration(error, settled)
        self._failed[step.key] = error
        self._stand_in(step)
        if len(self._days) - len(self._left_out | self._failed.keys()) < self._least:
            raise error
        logger.warning("trial %s: goes on without %s: %s", self._place.trial_id, step.key, error)
        if self._has_trained:
            self._settle_failed()

    def counts(self, step: Step) -> bool:
        """Note that the trial has got through a step; whether its score counts.

        Raises:
            FailedJobError: of an earlier day, which another trial has got through meanwhile.
        """
        if step.key not in self._days:
            return True
        self._has_trained = True
        settled = self._settle(step.key, DayState.COUNTS)
        self._settle_failed()
        if settled.state is DayState.COUNTS:
            return True
        self._note(step, settled)
        return False

    @property
    def _least(self) -> float:
        """How many days a trial needs."""
        return max(1.0, self._settings.least_share * len(self._days))

    def _is_left_out(self, step: Step) -> bool:
        settled = self._ledger.day(self._place.experiment_id, step.key)
        is_day = step.key in self._days
        if settled is None or settled.state is not DayState.LEFT_OUT or not is_day:
            return False
        self._note(step, settled)
        return True

    def _look(self, step: Step) -> list[str]:
        """What of a step's data is not there.

        That this account may not look is no fault where nothing depends on it: the job reads its
        data in its own role.
        """
        try:
            return self._data.missing(step.link.data)
        except TRANSIENT:
            raise
        except (PlatformError, StoreError) as error:
            if self._settings.missing is not Missing.FAIL:
                raise
            logger.warning("%s runs, and has to find its data itself: %s", step.key, error)
            return []

    def _await(self, step: Step, missing: Sequence[str]) -> list[str]:
        """Look again and again until a day's data is there or nobody waits for it any more."""
        first = self._settle(step.key, DayState.AWAITED, f"{_listed(missing)} is not there")
        deadline = first.time + self._settings.wait_seconds
        said = None
        while missing and time.time() < deadline and not self._is_left_out(step):
            if missing != said:
                until = f"{datetime.fromtimestamp(deadline).astimezone():%Y-%m-%d %H:%M %Z}"
                self._announce(step, f"waits for {_listed(missing)}, until {until}")
                said = missing
            self._pause(min(self._settings.poll_seconds, max(0.0, deadline - time.time())))
            missing = self._data.missing(step.link.data)
        self._ledger.set_reason(self._place.trial_id, "")
        return list(missing)

    def _give_up(self, step: Step, missing: Sequence[str]) -> None:
        """Leave out a day whose data is not there, or raise."""
        reason = f"{_listed(missing)} is not there"
        if self._settings.missing is Missing.WAIT:
            reason += f" after {self._settings.wait_seconds / 3600:.3g} hours"
        if self._settings.gives_up is Gap.FAIL:
            raise DayError(f"{step.key}: {reason}", hint=_POLICIES)
        if step.key not in self._days:
            message = f"{step.key}: {reason}, and it is no day that could be left out"
            raise DayError(message, hint="a day has a metric source of its own")
        settled = self._settle(step.key, DayState.LEFT_OUT, reason)
        if settled.state is DayState.COUNTS:
            message = f"{step.key}: {reason}, and trial {settled.trial_id} has got through this day"
            raise DayError(message, hint=_UNLIKE)
        self._note(step, settled)

    def _settle_failed(self) -> None:
        """Leave out for all what this trial went on without; raises where another did not."""
        for key, error in self._failed.items():
            settled = self._settle(key, DayState.LEFT_OUT, f"its job failed: {error.message}")
            if settled.state is DayState.COUNTS:
                raise _of_the_configuration(error, settled)
            self._left_out.add(key)
            self._decide(settled)
        self._failed.clear()

    def _note(self, step: Step, settled: DayRecord) -> None:
        """Take over what holds for all trials; raises DayError where too few days are left."""
        if step.key in self._left_out:
            return
        self._left_out.add(step.key)
        self._failed.pop(step.key, None)
        self._stand_in(step)
        self._decide(settled)
        left = len(self._days) - len(self._left_out)
        if left < self._least:
            raise DayError(
                f"{left} of {len(self._days)} days are left, and least_share asks for "
                f"{self._settings.least_share:g} of them: {step.key}: {settled.reason}",
                hint=_POLICIES,
            )

    def _decide(self, settled: DayRecord) -> None:
        logger.warning(
            "trial %s: %s is left out: %s", self._place.trial_id, settled.step, settled.reason
        )
        self._ledger.add_decision(
            DecisionRecord(
                self._place.trial_id,
                "runner",
                "leave out",
                f"{settled.step}: {settled.reason}",
                time.time(),
            )
        )

    def _settle(self, key: str, state: DayState, reason: str = "") -> DayRecord:
        place = self._place
        return self._ledger.settle_day(
            DayRecord(place.experiment_id, key, state, place.trial_id, time.time(), reason)
        )

    def _start_of(self, step: Step) -> str:
        return self._stand_ins.get(step.link.start, step.link.start)

    def _stand_in(self, step: Step) -> None:
        """Have the next day go on from what this one would have gone on from."""
        if step.link.model:
            self._stand_ins[step.link.model] = self._start_of(step)


def _of_the_configuration(error: FailedJobError, settled: DayRecord) -> FailedJobError:
    """The same error, which also says why the day is not to blame."""
    return FailedJobError(
        error.message,
        error.failure,
        job_id=error.job_id,
        log_tail=error.log_tail,
        hint=f"{error.hint}; trial {settled.trial_id} has got through this day: {_UNLIKE}",
    )


_POLICIES = "missing_policy of [day_config] can wait for a day, or leave it out for all trials"
_UNLIKE = "left out here, it would make the scores of the two unlike"


def _listed(places: Sequence[str]) -> str:
    return " and ".join(places)
