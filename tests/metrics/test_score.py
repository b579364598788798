from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.errors import MetricError
from hpo_nni.metrics import (
    Evaluation,
    EvaluationState,
    Evaluator,
    MetricPoint,
    Policy,
    Scoring,
    open_source,
    score,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

OK, NONFINITE, MISSING = EvaluationState.OK, EvaluationState.NONFINITE, EvaluationState.MISSING
SILENT = open_source("stdout", [], [], {})
WEIGHTS = {"auc": 1.0, "loss": -0.5}


def points(*rows: tuple[int, Mapping[str, float]]) -> list[MetricPoint]:
    return [MetricPoint(step, values) for step, values in rows]


def evaluator(weights=None, **policies) -> Evaluator:
    return Evaluator("metric_source", Scoring(weights or WEIGHTS, **policies))


def brief(evaluations: list[Evaluation]) -> list[tuple[int, float | None, EvaluationState]]:
    return [(found.step, found.score, found.state) for found in evaluations]


def test_a_score_needs_all_weighted_metrics_at_one_step():
    one = evaluator()
    assert one.add(points((1, {"auc": 0.5}), (2, {"auc": 0.75}))) == []
    assert brief(one.add(points((2, {"loss": 0.5})))) == [(2, 0.5, OK)]
    assert brief(one.close(SILENT)) == [(1, None, MISSING)]
    assert one.failure is None


def test_zero_is_a_score_like_any_other():
    one = evaluator({"auc": 1})
    assert brief(one.add(points((1, {"auc": 0.0})))) == [(1, 0.0, OK)]
    assert one.close(SILENT) == []
    assert one.failure is None


def test_an_evaluation_has_raw_values_and_the_time_of_its_last_metric():
    one = evaluator()
    [found] = one.add(
        [MetricPoint(1, {"auc": 0.5, "other": 3.0}, 10.0), MetricPoint(1, {"loss": 0.5}, 11.0)]
    )
    assert found == Evaluation("metric_source", 1, {"auc": 0.5, "loss": 0.5}, 0.25, OK, 11.0)


def test_metrics_of_weight_zero_are_recorded_along():
    one = evaluator({"auc": 1, "size": 0})
    found = one.add(points((1, {"auc": 0.5}), (1, {"size": math.nan}), (2, {"size": 7, "auc": 1})))
    assert brief(found) == [(1, 0.5, OK), (2, 1.0, OK)]
    assert [math.isnan(item.values["size"]) for item in found] == [True, False]


def test_a_metric_of_weight_zero_that_never_comes_delays_only_the_first_step():
    one = evaluator({"auc": 1, "szie": 0})
    assert one.add(points((1, {"auc": 0.5}))) == []
    assert brief(one.add(points((2, {"auc": 0.75})))) == [(1, 0.5, OK), (2, 0.75, OK)]
    assert brief(one.add(points((3, {"auc": 1})))) == [(3, 1.0, OK)]


def test_what_waits_for_a_metric_of_weight_zero_is_evaluated_in_the_end():
    one = evaluator({"auc": 1, "size": 0})
    one.add(points((1, {"auc": 0.5})))
    assert brief(one.close(SILENT)) == [(1, 0.5, OK)]


def test_the_last_value_wins_until_the_step_is_evaluated_and_then_the_first_stands(caplog):
    one = evaluator()
    found = one.add(points((1, {"auc": 0.1}), (1, {"auc": 0.5}), (1, {"loss": 0.5})))
    assert brief(found) == [(1, 0.25, OK)]
    assert one.add(points((1, {"auc": 0.9}), (1, {"loss": 0.1}))) == []
    assert one.repeated == 2
    assert len(caplog.records) == 1
    assert one.close(SILENT) == []


def test_steps_are_evaluated_in_whatever_order_they_become_complete():
    one = evaluator()
    rows = points(
        (5, {"auc": 1}), (3, {"auc": 1}), (3, {"loss": 0}), (5, {"loss": 0}), (1, WEIGHTS)
    )
    assert [item.step for item in one.add(rows)] == [3, 5, 1]


def test_not_a_number_fails_the_trial_by_default():
    one = evaluator()
    found = one.add(points((1, {"auc": 1, "loss": 0}), (2, {"auc": math.nan, "loss": 0})))
    assert brief(found) == [(1, 1.0, OK), (2, None, NONFINITE)]
    assert str(one.failure) == (
        "metric_source: 'auc' is nan at step 2\n"
        "  hint: nonfinite_policy = skip leaves such steps out, worst gives them the worst score"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "policy, worst, score, fails",
    [
        (Policy.FAIL, 0.1, None, True),
        (Policy.SKIP, 0.1, None, False),
        (Policy.WORST, 0.1, 0.1, False),
        (Policy.WORST, 0.0, 0.0, False),
        (Policy.WORST, None, None, True),
    ],
)
def test_a_nonfinite_metric_is_a_state_with_a_policy(value, policy, worst, score, fails):
    one = evaluator(nonfinite=policy, worst=lambda: worst)
    assert brief(one.add(points((1, {"auc": value, "loss": 0})))) == [(1, score, NONFINITE)]
    assert (one.failure is not None) == fails


@pytest.mark.parametrize(
    "policy, worst, score, fails",
    [
        (Policy.FAIL, 0.1, None, True),
        (Policy.SKIP, 0.1, None, False),
        (Policy.WORST, 0.1, 0.1, False),
        (Policy.WORST, None, None, True),
    ],
)
def test_a_missing_metric_is_a_state_with_a_policy(policy, worst, score, fails):
    one = evaluator(missing=policy, worst=lambda: worst)
    one.add(points((1, {"auc": 0.5}), (2, {"auc": 1, "loss": 0})))
    assert brief(one.close(SILENT)) == [(1, score, MISSING)]
    assert (one.failure is not None) == fails
    if fails and policy is Policy.FAIL:
        assert "step 1 has no 'loss'" in str(one.failure)


def test_a_sum_that_overflows_is_not_finite():
    one = evaluator({"a": 1e200, "b": 1})
    assert brief(one.add(points((1, {"a": 1e200, "b": 0})))) == [(1, None, NONFINITE)]
    assert "the score overflows at step 1" in str(one.failure)


@pytest.mark.parametrize("policy", [Policy.FAIL, Policy.SKIP])
def test_a_trial_without_any_evaluation_fails_by_name(policy):
    one = evaluator(missing=policy)
    assert one.close(SILENT) == []
    assert "'auc', 'loss' never appeared" in str(one.failure)


def test_a_trial_without_any_evaluation_gets_the_worst_score_where_that_is_the_policy():
    one = evaluator(missing=Policy.WORST, worst=lambda: -3.0)
    assert brief(one.close(SILENT)) == [(0, -3.0, MISSING)]
    assert one.failure is None


def test_a_trial_whose_steps_were_all_skipped_fails():
    one = evaluator({"auc": 1}, nonfinite=Policy.SKIP)
    one.add(points((1, {"auc": math.nan}), (2, {"auc": math.inf})))
    one.close(SILENT)
    assert "'auc' was never finite" in str(one.failure)


def test_only_so_many_steps_are_kept_open(monkeypatch):
    monkeypatch.setattr(score, "MAX_OPEN_STEPS", 3)
    one = evaluator()
    found = one.add(points(*((step, {"loss": 1.0}) for step in range(10))))
    assert brief(found) == [(step, None, MISSING) for step in range(7)]
    assert brief(one.add(points((9, {"auc": 1.0})))) == [(9, 0.5, OK)]


@pytest.mark.parametrize("weights", [{}, {"auc": 0}, {"auc": math.nan}, {"auc": math.inf, "b": 1}])
def test_weights_that_make_no_score_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be finite"):
        Scoring(weights)


VALUES = st.sampled_from([0.0, 0.5, -1.0, math.nan, math.inf, 1e308])
POINTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.dictionaries(st.sampled_from(["auc", "loss", "size", "x"]), VALUES, max_size=3),
    ),
    max_size=30,
)
POLICIES = st.sampled_from(list(Policy))


@given(
    rows=POINTS,
    places=st.lists(st.integers(0, 40)),
    nonfinite=POLICIES,
    missing=POLICIES,
    worst=st.sampled_from([None, 0.25]),
)
def test_the_same_points_give_the_same_finite_scores_however_they_come(
    *, rows, places, nonfinite, missing, worst
):
    weights = {"auc": 10.0, "loss": -0.5, "size": 0.0}
    policies = {"nonfinite": nonfinite, "missing": missing, "worst": lambda: worst}
    stream = points(*rows)
    whole = evaluator(weights, **policies)
    expected = whole.add(stream) + whole.close(SILENT)
    cut = evaluator(weights, **policies)
    at = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    found = [e for a, b in itertools.pairwise(at) for e in cut.add(stream[a:b])]
    found += cut.close(SILENT)
    assert repr(found) == repr(expected)
    assert str(cut.failure) == str(whole.failure)
    assert isinstance(cut.failure, MetricError | None)
    assert all(e.score is None or math.isfinite(e.score) for e in found)
    assert any(e.score is not None for e in found) or cut.failure is not None
    settled = [e.step for e in found if e.state is not MISSING]
    assert len(settled) == len(set(settled))
