"""From what a job writes to what NNI and the ledger hear: points, evaluations, one score.

The ledger gets every evaluation. NNI gets as many as the rate limit lets through: from a single
source its evaluations, from several (folds, days) one intermediate result per completed source.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.ledger.records import JUDGED, EvaluationRecord
from hpo_nni.metrics import (
    Evaluator,
    RateLimit,
    Scoring,
    condense,
    final_evaluation,
    open_source,
    report_values,
)
from hpo_nni.metrics.base import MetricPoint
from hpo_nni.metrics.recorded import RecordedSource
from hpo_nni.metrics.score import EvaluationState
from hpo_nni.trial.remote_places import RemotePlaces
from hpo_nni.trial.silence_watch import SilenceWatch
from hpo_nni.trial.steps import METRIC_SOURCE, step_of
from hpo_nni.trial.tables import TrialTables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.metrics import Evaluation
    from hpo_nni.metrics.base import MetricSource
    from hpo_nni.metrics.remote import RemoteFolder
    from hpo_nni.metrics.table_source import Statement
    from hpo_nni.trial.place import Place
    from hpo_nni.trial.settings import TrialSettings

logger = logging.getLogger(__name__)


class _Followed:
    """One metric source and what came of it.

    Attributes:
        number: its place among the sources, from 1: a day's is the same in all trials.
        step: the step that writes it, before which there is nothing to read; empty for any.
        is_awaited: whether that step has not begun.
        is_reported: whether it is complete, and its score reported.
    """

    def __init__(
        self, number: int, name: str, step: str, source: MetricSource, scoring: Scoring
    ) -> None:
        self.number = number
        self.name = name
        self.step = step
        self.is_awaited = bool(step)
        self.source = source
        self.evaluator = Evaluator(name, scoring)
        self.evaluations: list[Evaluation] = []
        self.is_reported = False


class Meter:
    """Follows the metric sources of one trial.

    Args:
        place: ids and directories.
        settings: the trial's settings.
        ledger: where every evaluation goes.
        report: takes (sequence, values) for NNI.
        pause: sleeps so many seconds; may raise, to give up.
    """

    def __init__(
        self,
        place: Place,
        settings: TrialSettings,
        ledger: Ledger,
        report: Callable[[int, Mapping[str, float]], None],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._place = place
        self._settings = settings.metrics
        self._remote = RemotePlaces(settings.accounts, settings.mirror)
        self._folders: dict[str, RemoteFolder] = {}  # by the source's name
        self._tables = TrialTables(settings.accounts, pause)
        self._ledger = ledger
        self._report = report
        what = f"trial {place.trial_id}"
        self._silence = SilenceWatch(self._settings.silence_timeout, time.monotonic, what)
        # a trial that NNI resumes has reported these: they are read again, and not told again
        self._told = {
            one.step for one in ledger.evaluations(place.trial_id) if one.source == JUDGED
        }
        self._reports = len(self._told)
        self._limit: RateLimit[Evaluation] = RateLimit(self._settings.report_interval)
        experiment = ledger.experiment(place.experiment_id)
        # tuner, assessor and ini each state a direction; what the experiment began with holds
        self.direction = Direction(experiment.direction) if experiment else self._settings.direction
        scoring = Scoring(
            weights=self._settings.weights,
            nonfinite=self._settings.nonfinite_policy,
            missing=self._settings.missing_policy,
            worst=self._worst,
        )
        options = {"step_key": self._settings.step_key, "step_regex": self._settings.step_regex}
        steps = [step.key for step in settings.steps]
        self._followed = [
            _Followed(
                number,
                name,
                step_of(name.removeprefix(METRIC_SOURCE), steps),
                open_source(
                    self._settings.kind,
                    self._paths(name, text),
                    list(self._settings.weights),
                    options,
                ),
                scoring,
            )
            for number, (name, text) in enumerate(self._settings.sources, start=1)
        ]
        self._has_several = len(self._followed) > 1

    def reach(self) -> None:
        """Look at each remote place once, where there may be nothing yet.

        Raises:
            StoreError, PlatformError: it cannot be reached with this account; so nothing need be
                submitted.
        """
        if self._settings.kind == "table":
            self._tables.reach()
            return
        for _, text in self._settings.sources:
            if "://" in text:
                self._remote.reach(text)

    def begin(self, step: str) -> None:
        """Note that a step begins; the sources of later ones are not looked at yet."""
        for followed in self._followed:
            followed.is_awaited &= followed.step != step

    def poll(self, *, is_running: bool = False) -> None:
        """Read what is new.

        Args:
            is_running: whether metrics are to be expected: the job neither waits nor has ended.

        Raises:
            MetricError: a policy says that the trial must fail, or nothing has come for too long.
        """
        is_silent = is_running
        for followed in self._followed:
            if not followed.is_reported and not followed.is_awaited:
                points = followed.source.poll()
                is_silent &= not points
                self._take(followed, followed.evaluator.add(points))
        self._forward(self._limit.due(time.monotonic()))
        if is_silent:
            self._silence.listen()
        else:
            self._silence.hear()

    def catch_up(self) -> None:
        """Read all that a step has written; what was read stays read when this raises.

        Raises:
            StoreError: some has been read and the rest cannot be, so the score may be in what is
                missing; TransientStoreError where a store did not answer.
            MetricError: a policy says that the trial must fail.
        """
        behind = -1
        while behind:
            self.poll()
            before, behind = behind, 0
            for followed in self._followed:
                folder = self._folders.get(followed.name)
                if folder is not None and not (followed.is_reported or followed.is_awaited):
                    folder.raise_fault()
                    behind += folder.behind
            if behind == before:
                break
        for followed in self._followed:  # what cannot be read at all, `account` tells
            if followed.name in self._folders and not followed.is_awaited:
                self._folders[followed.name].raise_if_partial()

    def complete(self, step: str) -> None:
        """Note that a step of the trial has ended: the sources that it wrote are complete.

        With a single source nothing is concluded before the last step, in `final`.
        """
        logger.info("trial %s: %s has ended", self._place.trial_id, step)
        if not self._has_several:
            return
        for followed in self._followed:
            if followed.evaluations and not followed.is_reported:
                self._close(followed)
                self._add_completed(followed)

    def leave_out(self, step: str) -> None:
        """Forget the source that a step of several has, as if there had never been one."""
        if self._has_several:
            self._followed = [one for one in self._followed if one.step != step]

    def recall(self, source: str, points: Sequence[MetricPoint]) -> None:
        """Take what was measured before for what a source would give."""
        for followed in self._followed:
            if followed.name == source:
                followed.source = RecordedSource(points)
                self._folders.pop(source, None)

    def measured(self, source: str) -> list[MetricPoint] | None:
        """All that a complete source gave; None where it is open, damaged or has no finite score.

        Steps whose score is not finite make it None, too: such a day is no measure for others.
        """
        followed = next((one for one in self._followed if one.name == source), None)
        if followed is None or not followed.is_reported or followed.source.damaged:
            return None
        states = {one.state for one in followed.evaluations}
        if EvaluationState.OK not in states or EvaluationState.NONFINITE in states:
            return None
        return [MetricPoint(one.step, dict(one.values), one.time) for one in followed.evaluations]

    def final(self) -> Evaluation:
        """Read what is left and return the evaluation that the trial ends with.

        Raises:
            MetricError: a source has no score, or a policy says that the trial must fail.
            PlatformError: a table that could be read cannot be read any more.
        """
        for followed in self._followed:
            if not followed.is_reported:
                self._close(followed)
                if self._has_several:
                    self._add_completed(followed)
        final = final_evaluation(
            {followed.name: followed.evaluations for followed in self._followed},
            mode=self._settings.final_mode,
            source_mode=self._settings.source_list_final_mode,
            direction=self.direction,
        )
        self._forward(self._limit.flush())
        return final

    def _close(self, followed: _Followed) -> None:
        followed.is_reported = True
        self._take(followed, followed.evaluator.add(followed.source.finish()))
        self._take(followed, followed.evaluator.close(followed.source))
        if followed.source.damaged:
            logger.warning("%s: %s", followed.name, followed.source.account())

    def _take(self, followed: _Followed, evaluations: Sequence[Evaluation]) -> None:
        """Write evaluations down, then report them, then let a policy end the trial."""
        followed.evaluations += evaluations
        if not self._has_several:
            self._record(JUDGED, evaluations)
            for evaluation in evaluations:
                if evaluation.score is not None:
                    self._forward(self._limit.offer(evaluation, time.monotonic()))
        else:
            self._record(followed.name, evaluations)
        if followed.evaluator.failure is not None:
            raise followed.evaluator.failure

    def _add_completed(self, followed: _Followed) -> None:
        """Report a source that is complete, as the k-th step of the trial."""
        condensed = condense(followed.evaluations, self._settings.final_mode, self.direction)
        if condensed is not None:
            completed = replace(condensed, step=followed.number)
            self._record(JUDGED, [completed])
            self._forward(completed)

    def _record(self, source: str, evaluations: Sequence[Evaluation]) -> None:
        if evaluations:
            now = time.time()
            self._ledger.add_evaluations(
                [
                    EvaluationRecord(
                        trial_id=self._place.trial_id,
                        source=source,
                        step=evaluation.step,
                        values=evaluation.values,
                        score=evaluation.score,
                        time=evaluation.time or now,
                    )
                    for evaluation in evaluations
                ]
            )

    def _forward(self, evaluation: Evaluation | None) -> None:
        if evaluation is not None and evaluation.step not in self._told:
            self._report(self._reports, report_values(evaluation))
            self._reports += 1

    def _worst(self) -> float | None:
        """The worst finite score of the experiment so far."""
        scores = [
            score
            for series in self._ledger.scores(self._place.experiment_id).values()
            for _, score in series
        ]
        return min(scores, key=lambda score: self.direction.sign * score, default=None)

    def _paths(self, name: str, text: str) -> list[Path | RemoteFolder | Statement]:
        """Files or folders of a source; the key of a step stands for what its job prints."""
        if self._settings.kind == "table":
            from hpo_nni.metrics.table_source import Statement  # noqa: PLC0415 - few need it

            return [Statement(text, self._tables)]
        if "://" in text:
            several = len(self._settings.sources) > 1
            folder = self._remote.folder(text, name if several else "")
            self._folders[name] = folder
            return [folder]
        if self._settings.kind != "stdout" or Path(text).is_absolute():
            return [Path(text)]
        logs = self._place.output_directory
        return [logs / f"{text}.stdout", logs / f"{text}.stderr"]
