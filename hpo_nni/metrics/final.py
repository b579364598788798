"""From the evaluations of a trial to the one score that it ends with."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from hpo_nni.errors import MetricError
from hpo_nni.metrics.score import Evaluation, EvaluationState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hpo_nni.direction import Direction


class FinalMode(enum.Enum):
    """Which of several scores, as users spell it."""

    FINAL = "final"
    BEST = "best"
    AVG = "avg"


def aggregate(scores: Sequence[float], mode: FinalMode, direction: Direction) -> float:
    """One score out of several, which are in the order of their steps.

    >>> from hpo_nni.direction import Direction
    >>> aggregate([0.5, 0.0, 0.25], FinalMode.BEST, Direction.MINIMIZE)
    0.0

    Raises:
        ValueError: there are none.
    """
    if not scores:
        raise ValueError("no scores to aggregate")
    if mode is FinalMode.FINAL:
        return scores[-1]
    if mode is FinalMode.BEST:
        return direction.best(scores)
    return _mean(scores)


def condense(
    evaluations: Iterable[Evaluation], mode: FinalMode, direction: Direction
) -> Evaluation | None:
    """One evaluation out of those of a source; None if none of them has a score.

    The last is the one of the highest step. Values are those of the evaluation that was chosen; of
    an average they are averages too, each over the finite values there are.
    """
    scored = sorted(
        (evaluation for evaluation in evaluations if evaluation.score is not None),
        key=lambda evaluation: evaluation.step,
    )
    if not scored:
        return None
    scores = [evaluation.score for evaluation in scored if evaluation.score is not None]
    score = aggregate(scores, mode, direction)
    if mode is not FinalMode.AVG:
        # of equals the later one: its checkpoint exists at the end
        return next(evaluation for evaluation in reversed(scored) if evaluation.score == score)
    last = scored[-1]
    return Evaluation(
        last.source, last.step, _mean_values(scored), score, EvaluationState.OK, last.time
    )


def final_evaluation(
    by_source: Mapping[str, Sequence[Evaluation]],
    *,
    mode: FinalMode,
    source_mode: FinalMode,
    direction: Direction,
) -> Evaluation:
    """The evaluation a trial ends with: over the steps of each source, then over the sources.

    Args:
        by_source: the evaluations of each source (fold, day), the sources in their order.
        mode: `final_mode`.
        source_mode: `source_list_final_mode`.
        direction: which way is better.

    Raises:
        MetricError: a source has no score. It is not left out: a mean over fewer folds or days
            compares unlike trials.
    """
    condensed = {
        source: condense(evaluations, mode, direction) for source, evaluations in by_source.items()
    }
    absent = [source for source, evaluation in condensed.items() if evaluation is None]
    found = [evaluation for evaluation in condensed.values() if evaluation is not None]
    if absent or not found:
        raise MetricError(
            f"no score from {', '.join(absent) or 'any source'}",
            hint="missing_policy = worst lets the worst score of the experiment stand in",
        )
    if len(found) == 1:
        return found[0]
    numbered = [
        Evaluation(item.source, number, item.values, item.score, item.state, item.time)
        for number, item in enumerate(found, start=1)
    ]
    final = condense(numbered, source_mode, direction)
    assert final is not None
    return final


def final_score(
    by_source: Mapping[str, Sequence[Evaluation]],
    *,
    mode: FinalMode,
    source_mode: FinalMode,
    direction: Direction,
) -> float:
    """The score of `final_evaluation`."""
    final = final_evaluation(by_source, mode=mode, source_mode=source_mode, direction=direction)
    assert final.score is not None
    return final.score


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(number / len(numbers) for number in numbers)


def _mean_values(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for evaluation in evaluations:
        for name, value in evaluation.values.items():
            if math.isfinite(value):
                columns.setdefault(name, []).append(value)
    return {name: _mean(values) for name, values in columns.items()}
