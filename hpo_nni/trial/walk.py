"""A trial's walk through its days: which were trained before, and which it trains.

A day that another trial trains at the moment is waited for, as long as that trial's process lives;
nobody waits while holding a day, so nobody waits for ever. What a trial trains is for others when
it has succeeded, has been measured in full, and nothing that went in has changed meanwhile.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.records import BASELINE, DecisionRecord, Training
from hpo_nni.metrics.base import MetricPoint
from hpo_nni.trial.retry import TRANSIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.trial.meter import Meter
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.steps import Step
    from hpo_nni.trial.training_hashes import Work

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WalkPlan:
    """What the days of a trial take.

    Attributes:
        works: by the keys of their steps; none where every day is trained.
        version_of: what lies at a place now; empty for nothing.
    """

    works: Mapping[str, Work] = field(default_factory=dict)
    version_of: Callable[[str], str] = lambda _: ""

    def fingerprints(self, steps: Sequence[Step]) -> dict[str, str]:
        """The same for two runs whose settings say the same of a day, by the keys of the steps."""
        made: dict[str, str] = {}
        found: dict[str, str] = {}
        for step in steps:
            if step.key in self.works:
                start = made.get(step.link.start, step.link.start)
                found[step.key] = self.works[step.key].hash(start, {})
                made[step.link.model] = found[step.key]
        return found


class _Start(NamedTuple):
    """The model that a day starts from.

    Attributes:
        place: where it is.
        name: the hash of its day; of a model that no day has left, place and version.
        trainer: the trial that has trained that day; empty for another model.
    """

    place: str
    name: str
    trainer: str = ""


@dataclass(frozen=True)
class _Day:
    """A day that is about to be trained or used.

    Attributes:
        inputs: the versions of all that goes in, the model that it starts from too, unless that is
            another day's.
        hash: the name of its training.
    """

    step: Step
    work: Work
    start: _Start
    inputs: Mapping[str, str]
    hash: str


class Walk:
    """Takes the steps of one trial, one after the other.

    Args:
        plan: of its days.
        place: ids and directories.
        settings: the trial's, as if it trained all of them.
        ledger: knows what was trained.
        meter: hears of metrics that were measured before.
    """

    def __init__(
        self, plan: WalkPlan, place: Place, settings: TrialSettings, ledger: Ledger, meter: Meter
    ) -> None:
        self._plan = plan
        self._trial_id = place.trial_id
        self._settings = settings
        self._ledger = ledger
        self._meter = meter
        self._made: dict[str, _Start] = {}  # by where this trial's commands put the model
        self._claims: dict[str, tuple[Training, _Day]] = {}

    def begin(self, step: Step, pause: Callable[[float], object]) -> Step:
        """What is to be done of a step: settled where its day was trained before.

        Args:
            step: as if this trial trained all days.
            pause: sleeps so many seconds; may raise, to give up.

        Raises:
            TransientStoreError, TransientPlatformError: a service did not answer for long.
            SettingsError: the place of the model that it starts from cannot stand in the command.
        """
        self.end()  # what it trained so far is handed over or no good, and who waits holds nothing
        work = self._plan.works.get(step.key)
        if work is None:
            return step
        try:
            day = self._look(step, work)
        except TRANSIENT:
            raise
        except HpoNniError as error:
            logger.warning("%s is trained: what goes in cannot be told: %s", step.key, error)
            return step
        step = step.started_from(day.start.place)
        training = self._take(day, pause)
        if training is None:  # what an earlier run of the trial has done would be known
            place = self._absolute(step.link.model)
            self._made[step.link.model] = _Start(place, day.hash, self._trial_id)
            return replace(step, is_settled=False)
        self._made[step.link.model] = _Start(training.model, training.hash, training.trial_id)
        self._reuse(day, training)
        return replace(step, is_settled=True)

    def complete(self) -> None:
        """Hand over the days that have been trained and measured."""
        for key, (claim, day) in list(self._claims.items()):
            source = day.work.source
            points = self._meter.measured(source) if source else []
            if points is not None:
                del self._claims[key]
                self._hand_over(claim, day, points)

    def end(self) -> None:
        """Let others train what this trial began and did not finish."""
        for claim, _ in self._claims.values():
            self._ledger.release_training(claim)
            logger.info("trial %s: %s is not kept for others", self._trial_id, claim.step)
        self._claims.clear()

    def _look(self, step: Step, work: Work) -> _Day:
        start = self._start_of(step)
        inputs = {place: self._plan.version_of(place) for place in work.places}
        name = work.hash(start.name, inputs)
        if not start.trainer:
            inputs[start.place] = start.name.removeprefix(f"{start.place} ")
        return _Day(step, work, start, inputs, name)

    def _start_of(self, step: Step) -> _Start:
        place = step.link.start
        if place in self._made:
            return self._made[place]
        version = self._plan.version_of(place)
        for one in self._ledger.trainings():  # somebody may name a model that a day has left
            if one.model == self._absolute(place) and one.ended and one.version == version:
                return _Start(place, one.hash, one.trial_id)
        return _Start(place, f"{place} {version}")

    def _take(self, day: _Day, pause: Callable[[float], object]) -> Training | None:
        """The day as it was trained before; None where this trial is to train it."""
        while True:
            seen = self._ledger.trainings_of(day.hash)
            others = [one for one in seen if not self._repeats(one)]
            found = next((one for one in others if self._is_usable(day.work, one)), None)
            if found is not None:
                if self._ledger.use_training(found, self._trial_id, day.step.key):
                    return found
                continue
            twin = next((one for one in others if self._is_under_way(day.work, one)), None)
            if twin is not None:
                self._say_what_for(day.step, twin)
                pause(self._settings.metrics.poll_interval)
                continue
            claim = self._claim(day)
            if self._ledger.claim_training(claim, seen):
                self._claims[day.step.key] = claim, day
                return None

    def _repeats(self, training: Training) -> bool:
        """Whether this trial is there to show the noise of what another one has trained.

        That is so of the trials of the untuned config that a tuner was told to repeat.
        """
        me, other = self._ledger.trial(self._trial_id), self._ledger.trial(training.trial_id)
        if me is None or other is None or me.id == other.id:
            return False
        is_same = me.experiment_id == other.experiment_id
        return is_same and bool(me.parameters.get(BASELINE) and other.parameters.get(BASELINE))

    def _claim(self, day: _Day) -> Training:
        return Training(
            hash=day.hash,
            trial_id=self._trial_id,
            step=day.step.key,
            parent=day.start.name if day.start.trainer else "",
            parent_trainer=day.start.trainer,
            model=self._absolute(day.step.link.model),
            begun=time.time(),
            measured=day.work.measured,
            settings_file=str(self._settings.path),
        )

    def _is_under_way(self, work: Work, training: Training) -> bool:
        """Whether another trial trains it and can still finish it, as far as can be seen here."""
        if training.ended is not None or work.measured not in {"", training.measured}:
            return False
        trial = self._ledger.trial(training.trial_id)
        if trial is None or trial.state.is_final or trial.id == self._trial_id:
            return False
        runner = trial.runner
        return runner is not None and runner.is_here and runner.is_alive()

    def _say_what_for(self, step: Step, twin: Training) -> None:
        why = f"{step.key}: trial {twin.trial_id} trains the same, and is waited for"
        trial = self._ledger.trial(self._trial_id)
        if trial is None or trial.reason != why:
            logger.info("trial %s: %s", self._trial_id, why)
            self._ledger.set_reason(self._trial_id, why)

    def _is_usable(self, work: Work, training: Training) -> bool:
        """Whether a day is there in full: trained, measured as it would be now, and unchanged."""
        if training.ended is None or training.pruned is not None:
            return False
        if work.source:
            names = {name for _, values, _ in training.points for name in values}
            wanted = {name for name, weight in self._settings.metrics.weights.items() if weight}
            if training.measured != work.measured or not wanted <= names:
                return False
        try:
            is_as_it_was = self._plan.version_of(training.model) == training.version
        except TRANSIENT:
            raise
        except HpoNniError as error:
            logger.warning("%s cannot be used: %s", training.model, error)
            return False
        if not is_as_it_was:
            logger.info("%s has changed since it was trained, or has gone", training.model)
        return is_as_it_was

    def _reuse(self, day: _Day, training: Training) -> None:
        if day.work.source:
            points = [MetricPoint(*point) for point in training.points]
            self._meter.recall(day.work.source, points)
        trainer = self._ledger.trial(training.trial_id)
        of = f" of experiment {trainer.experiment_id}" if trainer else ""
        who = f"trial {training.trial_id}{of} has trained it; model {training.model}"
        why = f"{day.step.key}: {who}"
        logger.info("trial %s does not train %s", self._trial_id, why)
        self._ledger.set_reason(self._trial_id, "")
        decision = DecisionRecord(self._trial_id, "runner", "reuse", why, time.time())
        self._ledger.add_decision(decision)

    def _hand_over(self, claim: Training, day: _Day, points: Sequence[MetricPoint]) -> None:
        why = self._why_not(claim, day.inputs)
        if not why:
            version = self._plan.version_of(claim.model)
            self._ledger.end_training(claim, version, [list(point) for point in points])
            return
        self._ledger.release_training(claim)
        logger.warning("trial %s: %s is not kept for others: %s", self._trial_id, claim.step, why)

    def _why_not(self, claim: Training, inputs: Mapping[str, str]) -> str:
        """Why nobody may use a day that has been trained; empty if all may."""
        try:
            if not self._plan.version_of(claim.model):
                return f"it has left nothing in {claim.model}"
            changed = [
                place for place, before in inputs.items() if self._plan.version_of(place) != before
            ]
        except HpoNniError as error:
            return error.message
        hint = "what a job writes belongs into the trial's own folder"
        return f"{', '.join(changed)} changed meanwhile ({hint})" if changed else ""

    def _absolute(self, place: str) -> str:
        return place if "://" in place else str(self._settings.path.parent / place)
