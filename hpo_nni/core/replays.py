"""A recorded experiment under another stopping rule, or the same one again.

The ledger has what was measured, and the moments at which trials were judged, apart from what
was said. So the recorded rule gives the recorded verdicts again, and another one says what it would
have done with what was known at the same moments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpo_nni.core.assessor import split
from hpo_nni.core.recorded_histories import RecordedHistories
from hpo_nni.ledger.records import JUDGED, Assessment, Known, TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpo_nni.ledger import Ledger
    from hpo_nni.ledger.records import DecisionRecord, EvaluationRecord, TrialRecord
    from hpo_nni.stopping.base import History, StoppingRule, Verdict


@dataclass(frozen=True)
class Judgement:
    """What a rule says of a trial at a moment."""

    assessment: Assessment
    verdict: Verdict


@dataclass(frozen=True)
class Replay:
    """What a rule would have done.

    Attributes:
        judgements: in the order of the moments; none of a trial after it was stopped.
        stops: trial -> the judgement that stopped it.
        made: trial -> evaluations that would have been made, of those that were.
        recorded: trial -> evaluations that were made.
    """

    judgements: tuple[Judgement, ...]
    stops: Mapping[str, Judgement]
    made: Mapping[str, int]
    recorded: Mapping[str, int]

    @property
    def saved(self) -> float:
        """The share of the recorded evaluations that would not have been made."""
        whole = sum(self.recorded.values())
        return 1 - sum(self.made.values()) / whole if whole else 0.0


def replay(
    ledger: Ledger,
    experiment_id: str,
    rule: StoppingRule,
    score: Callable[[EvaluationRecord], float | None] = lambda evaluation: evaluation.score,
) -> Replay:
    """Judge every trial at every moment at which it was judged.

    A trial that this rule stops earlier than it was stopped has no further evaluations for its
    peers. One that was stopped, and that this rule keeps, ends where the record ends.

    Args:
        ledger: where the experiment is.
        experiment_id: which.
        rule: the one to ask.
        score: how evaluations are scored; by default, as they were.
    """
    trials = {trial.id: trial for trial in ledger.trials(experiment_id)}
    moments = ledger.assessments(experiment_id) or _moments(ledger, experiment_id)
    last = {moment.trial_id: moment for moment in moments}
    recorded = RecordedHistories(ledger, experiment_id, score)
    frozen: dict[str, History] = {}
    stops: dict[str, Judgement] = {}
    judgements = []
    for moment in moments:
        histories = {**recorded.read(moment.known), **frozen}
        if moment.trial_id in stops or moment.trial_id not in histories:
            continue
        trial, peers = split(histories, moment.trial_id)
        if not trial.steps and not trial.nonfinite:
            continue
        judgement = Judgement(moment, rule.judge(trial, peers))
        judgements.append(judgement)
        if not judgement.verdict.keep:
            stops[moment.trial_id] = judgement
            was_stopped = trials[moment.trial_id].state is TrialState.STOPPED
            if not (was_stopped and moment is last[moment.trial_id]):
                frozen[moment.trial_id] = replace(trial, is_complete=False)
    whole = recorded.read()
    counts = {name: len(history.steps) for name, history in whole.items()}
    made = {
        name: len(frozen[name].steps) if name in frozen else count for name, count in counts.items()
    }
    return Replay(tuple(judgements), stops, made, counts)


def last_judgement(
    ledger: Ledger, experiment_id: str, trial_id: str, rule: StoppingRule
) -> Judgement | None:
    """What a rule says of a trial at the last moment at which it was judged; None for never."""
    moments = ledger.assessments(experiment_id) or _moments(ledger, experiment_id)
    own = [moment for moment in moments if moment.trial_id == trial_id]
    if not own:
        return None
    histories = RecordedHistories(ledger, experiment_id).read(own[-1].known)
    trial, peers = split(histories, trial_id)
    if not trial.steps and not trial.nonfinite:
        return None
    return Judgement(own[-1], rule.judge(trial, peers))


def verdicts(ledger: Ledger, experiment_id: str) -> list[DecisionRecord]:
    """What was said, of all trials, each trial's in its order."""
    return [
        decision
        for trial in ledger.trials(experiment_id)
        for decision in ledger.decisions(trial.id)
        if decision.actor == "assessor"
    ]


def differences(replayed: Replay, said: Sequence[DecisionRecord]) -> list[str]:
    """Where a replay and the recorded verdicts do not say the same, in words."""
    by_trial: dict[str, list[Judgement]] = {}
    for judgement in replayed.judgements:
        by_trial.setdefault(judgement.assessment.trial_id, []).append(judgement)
    spoken: dict[str, list[DecisionRecord]] = {}
    for decision in said:
        spoken.setdefault(decision.trial_id, []).append(decision)
    found = []
    for trial_id in by_trial.keys() | spoken.keys():
        now, then = by_trial.get(trial_id, []), spoken.get(trial_id, [])
        if len(now) != len(then):
            found.append(f"trial {trial_id}: {len(then)} verdicts recorded, {len(now)} repeated")
        for number, (again, before) in enumerate(zip(now, then, strict=False), start=1):
            verdict = again.verdict
            action = "keep" if verdict.keep else "stop"
            if (action, verdict.reason) != (before.action, before.reason):
                found.append(
                    f"trial {trial_id}, verdict {number}: {before.action} ({before.reason}) "
                    f"recorded, {action} ({verdict.reason}) repeated"
                )
    return sorted(found)


def winner(
    trials: Sequence[TrialRecord], scores: Mapping[str, float], sign: int
) -> TrialRecord | None:
    """The complete trial with the best score; the first of equals."""
    complete = [one for one in trials if one.state is TrialState.SUCCEEDED and one.id in scores]
    return max(complete, key=lambda one: sign * scores[one.id], default=None)


def _moments(ledger: Ledger, experiment_id: str) -> list[Assessment]:
    """Every evaluation, where nobody judged: the ends before it are those with an earlier time."""
    news = ledger.news(experiment_id)
    moments: list[Assessment] = []
    for number, evaluation in zip(news.numbers, news.evaluations, strict=True):
        if evaluation.source == JUDGED:
            turns = [turn.number for turn in news.turns if turn.time <= evaluation.time]
            moments.append(Assessment(evaluation.trial_id, Known(number, max(turns, default=0))))
    return moments
