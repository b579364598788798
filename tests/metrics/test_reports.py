from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.metrics import Evaluation, EvaluationState, RateLimit, report_values


def evaluation(score: float | None, **values: float) -> Evaluation:
    return Evaluation("metric_source", 1, values, score, EvaluationState.OK)


@pytest.mark.parametrize(
    "values, shown",
    [
        ({"auc": 0.5, "loss": 0.25}, {"default": 0.0, "auc": 0.5, "loss": 0.25}),
        ({"auc": math.nan, "loss": -math.inf}, {"default": 0.0}),
        ({"default": 0.5}, {"default": 0.0, "raw_default": 0.5}),
        (
            {"default": 0.5, "raw_default": 0.25},
            {"default": 0.0, "raw_raw_default": 0.5, "raw_default": 0.25},
        ),
    ],
)
def test_what_nni_shows_is_the_score_and_every_finite_metric(values, shown):
    assert report_values(evaluation(0.0, **values)) == shown


def test_what_has_no_score_is_not_reported():
    with pytest.raises(ValueError, match="has no score to report"):
        report_values(evaluation(None, auc=0.5))


def test_a_falsy_result_is_a_result():
    limit: RateLimit[int] = RateLimit(1.0)
    assert limit.offer(0, 0.0) == 0
    assert limit.offer(0, 0.5) is None
    assert limit.flush() == 0


def test_without_an_interval_all_go_on():
    limit: RateLimit[int] = RateLimit(0.0)
    assert [limit.offer(n, 5.0) for n in range(1000)] == list(range(1000))


QUARTERS = st.integers(0, 40).map(lambda number: number / 4)  # seconds that add up exactly


@given(QUARTERS, st.lists(st.tuples(st.booleans(), QUARTERS), max_size=200))
def test_the_first_and_the_last_go_on_and_no_two_within_an_interval(interval, steps):
    limit: RateLimit[int] = RateLimit(interval)
    now, count, sent = 0.0, 0, []
    for is_offer, pause in steps:
        now += pause
        count += is_offer
        item = limit.offer(count, now) if is_offer else limit.due(now)
        if item is not None:
            sent.append((now, item))
    assert all(later - earlier >= interval for (earlier, _), (later, _) in itertools.pairwise(sent))
    items = [item for _, item in sent]
    items += [item for item in [limit.flush()] if item is not None]
    assert items == sorted(set(items))
    assert not count or (items[0], items[-1]) == (1, count)


def test_a_trial_of_weeks_reports_a_bounded_number():
    limit: RateLimit[int] = RateLimit(1.0)
    seconds = 14 * 24 * 3600
    assert sum(limit.offer(now, float(now)) is not None for now in range(0, seconds, 1)) < 3000
