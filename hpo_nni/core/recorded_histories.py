"""The histories of an experiment's trials, followed in the ledger: each row is read once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpo_nni.ledger.records import EARLIER, JUDGED, Known, TrialState
from hpo_nni.stopping.base import History, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import EvaluationRecord, News, TurnRecord


@dataclass
class _Trial:
    began: float = 0.0
    is_complete: bool = False
    scores: dict[int, float | None] = field(default_factory=dict)
    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    newest: EvaluationRecord | None = None

    def turn(self, turn: TurnRecord) -> None:
        if turn.state is TrialState.RUNNING and not self.began:
            self.began = turn.time
        self.is_complete = turn.state is TrialState.SUCCEEDED

    def add(self, evaluation: EvaluationRecord, score: float | None) -> None:
        self.scores[evaluation.step] = score
        for name, value in evaluation.values.items():
            if math.isfinite(value):
                self.metrics.setdefault(name, {})[evaluation.step] = value
        self.newest = evaluation

    def clear(self) -> None:
        """Forget what was read: it is of an earlier run."""
        self.scores, self.metrics, self.newest = {}, {}, None

    def history(self) -> History:
        plain = History.of(self.scores.items())
        newest = self.newest
        if newest is None:
            return plain
        wrong = [name for name, value in newest.values.items() if not math.isfinite(value)]
        return History(
            plain.steps,
            plain.scores,
            is_complete=self.is_complete and bool(plain.steps),
            metrics={name: _series(values) for name, values in self.metrics.items()},
            nonfinite=wrong[0] if wrong and self.scores[newest.step] is None else "",
            seconds=max(0.0, newest.time - self.began) if self.began else 0.0,
        )


class RecordedHistories:
    """What the ledger knows about every trial, whether it runs, finished or was stopped.

    A verdict must be quick with a thousand trials in the history, so only what is new is read.

    Args:
        ledger: where the experiment is.
        experiment_id: whose trials.
        score: how an evaluation is scored; without it, as it was when it was noted.
    """

    def __init__(
        self,
        ledger: Ledger,
        experiment_id: str,
        score: Callable[[EvaluationRecord], float | None] = lambda evaluation: evaluation.score,
    ) -> None:
        self.known = Known()
        self._ledger = ledger
        self._experiment_id = experiment_id
        self._score = score
        self._trials: dict[str, _Trial] = {}
        self._histories: dict[str, History] = {}

    def read(self, until: Known | None = None) -> Mapping[str, History]:
        """Return the histories by trial id, in the order of the trials' beginnings.

        A score that comes from several sources (folds, days) has one step for each completed one:
        the runner notes that series beside those of the sources.

        Args:
            until: a moment that is not before that of the last call; without it, now.
        """
        return self.take(self._ledger.news(self._experiment_id, self.known, until))

    def take(self, news: News) -> Mapping[str, History]:
        """Add what is new, and return the histories as `read` does."""
        self.known = news.known
        changed: dict[str, None] = {}
        for turn in news.turns:
            self._trials.setdefault(turn.trial_id, _Trial()).turn(turn)
            changed[turn.trial_id] = None
        for evaluation in news.evaluations:
            if evaluation.source == JUDGED:
                trial = self._trials.setdefault(evaluation.trial_id, _Trial())
                trial.add(evaluation, self._score(evaluation))
                changed[evaluation.trial_id] = None
            elif evaluation.source == f"{EARLIER}{JUDGED}" and evaluation.trial_id in self._trials:
                self._trials[evaluation.trial_id].clear()
                changed[evaluation.trial_id] = None
        for trial_id in changed:
            if self._trials[trial_id].newest is not None or trial_id in self._histories:
                self._histories[trial_id] = self._trials[trial_id].history()
        return self._histories


def _series(values: Mapping[int, float]) -> Series:
    steps = tuple(sorted(values))
    return Series(steps, tuple(values[step] for step in steps))
