"""A trial from its point to its end in the ledger: whatever happens, it has an end and a reason."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.direction import Direction
from hpo_nni.errors import HpoNniError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.ledger.records import (
    RETRY,
    ExperimentRecord,
    TrialRecord,
    TrialState,
    visible_point,
)
from hpo_nni.nni_api.manager import find_manager
from hpo_nni.reaper import ensure_reaper
from hpo_nni.secrets import RedactingFilter, Redactor
from hpo_nni.trial import resumption
from hpo_nni.trial.announcing import announce_end
from hpo_nni.trial.failure_settings import FailureSettings
from hpo_nni.trial.files import is_baseline, prepare_files, read_bases, write_files
from hpo_nni.trial.inputs import InputNotes
from hpo_nni.trial.orders import who_ended
from hpo_nni.trial.pausing import await_release, pause_if_repeated
from hpo_nni.trial.retry import Retrier
from hpo_nni.trial.runner import Outcome, TrialRunner
from hpo_nni.trial.shutdown import Interrupted
from hpo_nni.trial.substitutions import substitutions_of
from hpo_nni.trial.training_hashes import Rendered
from hpo_nni.trial.training_plan import WalkPlanner
from hpo_nni.trial.triage import Triage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.nni_api.trial_channel import TrialChannel
    from hpo_nni.trial.files import PreparedFile
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.shutdown import Shutdown
    from hpo_nni.trial.substitutions import Substitutions
    from hpo_nni.trial.walk import WalkPlan

logger = logging.getLogger(__name__)

MIRRORED_POINT = "edit_config.json"


@dataclass(frozen=True)
class _Prepared:
    """What a trial will do, and where."""

    settings: TrialSettings
    place: Place
    files: Sequence[PreparedFile]
    plan: WalkPlan


class Trial:
    """One trial and its entry in the ledger.

    Args:
        load: reads the settings file, for the names that the trial has or takes over.
        config: the settings file.
        place: ids and directories.
        point: the parameters, our marks among them.
        ledger: open.
    """

    def __init__(
        self,
        load: Callable[[Substitutions], TrialSettings],
        config: Path,
        place: Place,
        point: Mapping[str, Any],
        ledger: Ledger,
    ) -> None:
        self._load = load
        self._config = config
        self._place = place
        self._point = point
        self._ledger = ledger
        self._settings: TrialSettings | None = None

    def run(self, channel: TrialChannel, shutdown: Shutdown) -> Outcome:
        """Run it; every end but an error's is returned, and all are in the ledger.

        Raises:
            HpoNniError: it could not begin its first step.
        """
        try:
            self._await_release(shutdown)
            self._settings = self._load_and_begin()
            redact = _redact_from_now_on(self._settings)
            work = self._prepare(self._settings, shutdown)
            self._note_inputs(work, InputNotes(self._ledger, self._place.experiment_id, redact))
            runner = TrialRunner(work.place, work.settings, self._ledger, channel, shutdown)
            return runner.run(work.plan)
        except Interrupted:
            state, reason = who_ended(self._place, self._ledger, shutdown.cause)
            self._ledger.end_trial(self._place.trial_id, state, reason)
            return Outcome(state, reason)
        except HpoNniError as error:
            self._fail(error, str(error))
            raise
        except Exception as error:
            self._fail(error, f"a fault of hpo_nni: {error!r}")
            raise
        finally:
            self._announce()

    def _await_release(self, shutdown: Shutdown) -> None:
        experiment = self._ledger.experiment(self._place.experiment_id)
        if experiment is not None and experiment.pause:
            self._begin(Direction(experiment.direction))
            await_release(self._ledger, self._place, shutdown)

    def _load_and_begin(self) -> TrialSettings:
        """Read the settings; the trial is in the ledger even if they are wrong."""
        try:
            settings = self._load(substitutions_of(self._place, self._point))
        except HpoNniError:
            self._begin(Direction.MAXIMIZE)
            raise
        self._begin(settings.metrics.direction)
        facts = {"score": settings.metrics.facts()}
        self._ledger.note_settings(self._place.experiment_id, facts)
        return settings

    def _begin(self, direction: Direction) -> None:
        place = self._place
        if self._ledger.experiment(place.experiment_id) is None:  # no tuner or assessor of ours has
            self._ledger.begin_experiment(
                ExperimentRecord(place.experiment_id, time.time(), direction.value)
            )
        manager = find_manager(place.experiment_id) if place.nni else None
        identity = ProcessIdentity.of(manager.pid) if manager else None
        if manager and identity:
            self._ledger.set_manager(place.experiment_id, identity, manager.rest_url)
        self._ledger.begin_trial(
            TrialRecord(
                id=place.trial_id,
                experiment_id=place.experiment_id,
                number=place.number,
                started=time.time(),
                parameters=self._point,
                is_baseline=is_baseline(self._point) or not self._point,
                directory=str(place.output_directory),
                retry_of=str(self._point.get(RETRY, "")),
                runner=ProcessIdentity.current(),
            )
        )
        ensure_reaper(place.working_directory)

    def _prepare(self, settings: TrialSettings, shutdown: Shutdown) -> _Prepared:
        """Decide where to begin, edit the configs and write them; busy stores are tried again."""
        retrier = Retrier(shutdown.pause)
        own = self._ledger.jobs(self._place.trial_id)
        resumption.end_leftovers(self._ledger, own, shutdown.pause)
        work = self._edited(settings, self._place, retrier)
        if settings.resume:
            work = self._resumed(work, retrier, shutdown)
        elif own:
            self._ledger.set_evaluations_aside(self._place.trial_id)
        retrier(lambda: write_files(work.files, settings.accounts))
        self._note_configs(work.files)
        if settings.mirror:
            point = visible_point(self._point)
            _write_point(Path(settings.mirror, MIRRORED_POINT), point)
        return work

    def _note_inputs(self, work: _Prepared, notes: InputNotes) -> None:
        notes.note(work.settings, work.files)
        experiment = self._ledger.experiment(self._place.experiment_id)
        if self._place.nni is not None and experiment is not None and experiment.rest_url:
            notes.note_nni(experiment.rest_url)

    def _edited(self, settings: TrialSettings, place: Place, retrier: Retrier) -> _Prepared:
        words = substitutions_of(place, self._point)
        bases = retrier(lambda: read_bases(settings))
        files = prepare_files(settings, self._point, words, bases)
        plan = WalkPlanner(self._load, self._point, retrier).plan(
            Rendered(settings, files), words, bases
        )
        return _Prepared(resumption.with_fingerprints(settings, files, plan), place, files, plan)

    def _resumed(self, fresh: _Prepared, retrier: Retrier, shutdown: Shutdown) -> _Prepared:
        """Go on with an earlier run, under its names, where there is one that did the same."""
        trials = self._ledger.trials(self._place.experiment_id)
        trial = next(one for one in trials if one.id == self._place.trial_id)
        origin = resumption.find_origin(trial, trials) or trial
        work = fresh
        if origin is not trial:
            folder = Path(origin.directory)
            place = replace(self._place, names=origin.id, output_directory=folder)
            settings = self._load(substitutions_of(place, self._point))
            work = self._edited(settings, place, retrier)
        jobs = resumption.jobs_of_run(self._ledger, trials, origin.id)
        if not resumption.is_same_work(work.settings.steps, jobs):
            self._ledger.set_evaluations_aside(trial.id)
            return fresh
        resumption.end_leftovers(self._ledger, jobs, shutdown.pause)
        if origin is not trial:
            self._ledger.continue_trial(trial.id, origin.id, origin.directory)
        left_out = self._ledger.days_left_out(trial.experiment_id)
        steps = resumption.settle(work.settings.steps, jobs, left_out)
        done = [step.key for step in steps if step.is_settled]
        logger.info(
            "trial %s goes on with %s; done already: %s",
            trial.id,
            origin.id,
            ", ".join(done) or "nothing",
        )
        return replace(work, settings=replace(work.settings, steps=steps))

    def _note_configs(self, prepared: Sequence[PreparedFile]) -> None:
        for file in prepared:
            for touched in file.touched:
                logger.info(
                    "trial %s: line %d, %s: %s -> %s %s",
                    self._place.trial_id,
                    touched.line,
                    touched.place,
                    touched.old,
                    touched.new,
                    touched.note,
                )
        self._ledger.set_configs(self._place.trial_id, [file.target for file in prepared])

    def _fail(self, error: BaseException, reason: str) -> None:
        platform = self._settings.platform if self._settings else ""
        failure = Triage(self._failures(), platform).of_error(error)
        self._ledger.note_failure(self._place.trial_id, failure)
        self._ledger.end_trial(self._place.trial_id, TrialState.FAILED, reason)

    def _failures(self) -> FailureSettings:
        return self._settings.failures if self._settings else FailureSettings()

    def _announce(self) -> None:
        """Tell of the end whom it concerns; never a reason to fail."""
        if self._settings is not None and self._settings.monitor is not None:
            announce_end(self._ledger, self._place.trial_id, self._settings.path)
        try:
            pause_if_repeated(self._ledger, self._place, self._failures().pause_after, self._config)
        except HpoNniError:
            logger.exception(
                "trial %s: nobody knows whether others fail alike", self._place.trial_id
            )


def _redact_from_now_on(settings: TrialSettings) -> Redactor:
    """Hide credentials in all logs; raises SettingsError if any of them leads nowhere."""
    redact = Redactor(settings.secrets(os.environ))
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(redact))
    return redact


def _write_point(file: Path, point: Mapping[str, Any]) -> None:
    """Put the point beside the copies of event files; metrics matter more than it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(point, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        logger.warning("%s cannot be written: %s", file, error)
