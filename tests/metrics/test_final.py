from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.errors import MetricError
from hpo_nni.metrics import (
    Evaluation,
    EvaluationState,
    FinalMode,
    aggregate,
    condense,
    final_evaluation,
    final_score,
)

MAXIMIZE, MINIMIZE = Direction.MAXIMIZE, Direction.MINIMIZE
FINAL, BEST, AVG = FinalMode.FINAL, FinalMode.BEST, FinalMode.AVG
SCORES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1)


def evaluation(step: int, score: float | None, **values: float) -> Evaluation:
    state = EvaluationState.OK if score is not None else EvaluationState.MISSING
    return Evaluation("day", step, values, score, state)


@pytest.mark.parametrize(
    "mode, direction, expected",
    [
        (FINAL, MAXIMIZE, 0.25),
        (FINAL, MINIMIZE, 0.25),
        (BEST, MAXIMIZE, 0.75),
        (BEST, MINIMIZE, 0.0),
        (AVG, MAXIMIZE, 0.3125),
        (AVG, MINIMIZE, 0.3125),
    ],
)
def test_modes_follow_the_direction(mode, direction, expected):
    assert aggregate([0.25, 0.75, 0.0, 0.25], mode, direction) == expected


def test_no_scores_have_no_aggregate():
    with pytest.raises(ValueError, match="no scores"):
        aggregate([], BEST, MAXIMIZE)


@given(SCORES, st.sampled_from(FinalMode), st.sampled_from(Direction))
def test_an_aggregate_is_finite_and_lies_between_the_extremes(scores, mode, direction):
    found = aggregate(scores, mode, direction)
    assert math.isfinite(found)
    slack = 1e-9 * max(map(abs, scores))
    assert min(scores) - slack <= found <= max(scores) + slack


def test_the_final_evaluation_is_that_of_the_highest_step_whatever_the_order():
    found = condense([evaluation(9, 0.1), evaluation(2, 0.9)], FINAL, MAXIMIZE)
    assert found == evaluation(9, 0.1)


def test_the_best_evaluation_brings_its_own_values():
    rows = [evaluation(1, 0.5, auc=0.5), evaluation(2, 0.75, auc=0.75), evaluation(3, 0.0, auc=0)]
    assert condense(rows, BEST, MAXIMIZE) == rows[1]
    assert condense(rows, BEST, MINIMIZE) == rows[2]


def test_of_equals_the_later_is_best():
    rows = [evaluation(1, 0.5), evaluation(2, 0.5)]
    assert condense(rows, BEST, MAXIMIZE) == rows[1]


def test_an_average_averages_the_finite_values_too():
    rows = [evaluation(1, 0.5, auc=0.5, x=math.nan), evaluation(2, 1.0, auc=1.0, x=3.0)]
    assert condense(rows, AVG, MAXIMIZE) == evaluation(2, 0.75, auc=0.75, x=3.0)


def test_steps_without_a_score_count_for_nothing():
    rows = [evaluation(1, 0.0), evaluation(2, None)]
    assert condense(rows, FINAL, MAXIMIZE) == rows[0]
    assert condense(rows[1:], FINAL, MAXIMIZE) is None
    assert condense([], AVG, MAXIMIZE) is None


DAYS = {
    "day1": [evaluation(1, 0.2, auc=0.2), evaluation(2, 0.4, auc=0.4)],
    "day2": [evaluation(1, 0.8, auc=0.8), evaluation(2, 0.6, auc=0.6)],
}


@pytest.mark.parametrize(
    "mode, source_mode, direction, expected",
    [
        (FINAL, AVG, MAXIMIZE, 0.5),
        (BEST, AVG, MAXIMIZE, 0.6),
        (BEST, AVG, MINIMIZE, 0.4),
        (BEST, FINAL, MAXIMIZE, 0.8),
        (FINAL, BEST, MAXIMIZE, 0.6),
        (AVG, BEST, MINIMIZE, 0.3),
    ],
)
def test_first_over_the_steps_then_over_the_sources(mode, source_mode, direction, expected):
    found = final_evaluation(DAYS, mode=mode, source_mode=source_mode, direction=direction)
    assert found.score == pytest.approx(expected)
    assert found.values["auc"] == pytest.approx(expected)


def test_a_single_source_keeps_its_evaluation():
    days = {"day1": DAYS["day1"]}
    found = final_evaluation(days, mode=BEST, source_mode=AVG, direction=MAXIMIZE)
    assert found == DAYS["day1"][1]


def test_a_day_that_scored_zero_counts():
    days = {"day1": [evaluation(1, 0.0)], "day2": [evaluation(1, 1.0)]}
    score = final_score(days, mode=FINAL, source_mode=AVG, direction=MAXIMIZE)
    assert score == 0.5


def test_a_day_without_score_is_not_left_out():
    days = {**DAYS, "day3": [evaluation(1, None)], "day4": []}
    with pytest.raises(MetricError, match="no score from day3, day4"):
        final_score(days, mode=FINAL, source_mode=AVG, direction=MAXIMIZE)


def test_no_source_has_no_score():
    with pytest.raises(MetricError, match="no score from any source"):
        final_score({}, mode=FINAL, source_mode=AVG, direction=MAXIMIZE)
