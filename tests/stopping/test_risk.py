from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History
from hpo_nni.stopping.forecast import LEAST, MOST, allowed_chance, fitted, probability
from hpo_nni.stopping.risk import RiskRule

MAXIMIZE, MINIMIZE = Direction


def curve(top, length=50, whole=50, noise=0.0, seed=0):
    """An exponential approach to `top`."""
    rng = random.Random(seed)
    scores = tuple(
        top * (1 - math.exp(-4 * k / whole)) + rng.gauss(0, noise) for k in range(1, length + 1)
    )
    return History(tuple(range(1, length + 1)), scores, is_complete=length == whole)


PEERS = {str(k): curve(0.5 + 0.02 * k, noise=0.002, seed=k) for k in range(20)}


def judge(trial, peers=PEERS, **more):
    return RiskRule(MAXIMIZE, **more).judge(trial, peers)


def test_without_a_complete_trial_everything_goes_on():
    running = {"a": curve(0.9, 30)}

    assert judge(curve(0.1, 20), running).keep


def test_a_hopeless_trial_is_stopped_with_its_figures():
    verdict = judge(curve(0.2, 20))

    assert not verdict.keep
    assert verdict.figures["chance"] < verdict.figures["allowed"]
    assert verdict.figures["target"] > 0.86
    assert "less than the" in verdict.reason
    assert "risk of 0.01" in verdict.reason


def test_a_trial_on_the_winners_course_goes_on():
    for length in (3, 10, 25, 45):
        assert judge(curve(0.879, length)).keep


def test_a_trial_without_a_trend_and_one_at_its_end_go_on():
    assert judge(curve(0.1, 2)).keep
    assert judge(curve(0.1, 50)).keep


def test_a_trial_that_equals_the_best_goes_on():
    best = PEERS["19"]
    assert judge(History(best.steps[:30], (*best.running_maxima[:29], max(best.scores)))).keep


def test_a_larger_risk_stops_sooner():
    def stopped_at(risk, top):
        for length in range(3, 50):
            if not judge(curve(top, length), risk=risk).keep:
                return length
        return 50

    for top in (0.3, 0.6, 0.8):
        assert stopped_at(0.2, top) <= stopped_at(0.01, top) <= stopped_at(0.005, top)


def test_a_target_counts_where_it_is_better_than_the_best_so_far():
    trial = curve(0.8, 35, noise=0.002)
    plain, ambitious = judge(trial), judge(trial, target=1.5)

    assert ambitious.figures["target"] == 1.5
    assert ambitious.figures["chance"] < plain.figures["chance"]
    assert judge(trial, target=0.1).figures == plain.figures


def test_where_the_last_score_counts_a_peak_is_no_result():
    falling = tuple(1.5 - 0.02 * k for k in range(50))
    peak = {"a": History(tuple(range(1, 51)), falling, is_complete=True)}  # 1.5, then 0.52
    trial = curve(0.9, 30)

    assert judge(trial, peak, best=True).figures["target"] == pytest.approx(1.5)
    assert "it is the best so far" in judge(trial, peak, best=False).reason


@settings(max_examples=40)
@given(
    top=st.floats(0.1, 0.9),
    length=st.integers(3, 45),
    scale=st.sampled_from([1e-6, 0.1, 1.0, 1e6]),
    shift=st.sampled_from([0.0, -3.0, 1.0]),
    stride=st.sampled_from([1, 100]),
)
def test_scale_shift_direction_and_stride_make_no_difference(top, length, scale, shift, stride):
    def changed(history, sign):
        scores = tuple(sign * scale * (score + shift) for score in history.scores)
        steps = tuple(stride * step for step in history.steps)
        return History(steps, scores, history.is_complete)

    plain = judge(curve(top, length))
    for direction in Direction:
        peers = {name: changed(peer, direction.sign) for name, peer in PEERS.items()}
        trial = changed(curve(top, length), direction.sign)
        verdict = RiskRule(direction).judge(trial, peers)
        chance = plain.figures.get("chance", 1.0)
        assert verdict.figures.get("chance", 1.0) == pytest.approx(chance, rel=1e-3)


@settings(max_examples=100)
@given(
    scores=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=12),
    others=st.lists(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=12), max_size=4),
    best=st.booleans(),
    direction=st.sampled_from(Direction),
)
def test_any_histories_get_a_verdict_with_finite_figures(scores, others, best, direction):
    def history(values, *, complete):
        return History(tuple(range(1, len(values) + 1)), tuple(values), is_complete=complete)

    peers = {str(k): history(one, complete=k % 2 == 0) for k, one in enumerate(others)}
    verdict = RiskRule(direction, best=best).judge(history(scores, complete=False), peers)

    assert all(math.isfinite(value) for value in verdict.figures.values())


@pytest.mark.parametrize("best", [True, False])
def test_more_risk_allows_more_chance(best):
    risks = [0.001, 0.005, 0.007, 0.01, 0.03, 0.05, 0.1, 0.2, 0.5]
    chances = [allowed_chance(risk, best=best) for risk in risks]

    assert chances == sorted(chances)
    assert all(0 < chance < 0.5 for chance in chances)


@pytest.mark.parametrize("best", [True, False])
def test_what_lacks_little_has_a_larger_chance_than_what_lacks_all(best):
    means = fitted()["best" if best else "last"]["means"]
    low, high = list(means), list(means)
    low[:7], high[:7] = [LEAST] * 6 + [3.0], [MOST] * 6 + [-3.0]

    assert probability(low, best=best) < 0.01
    assert probability(high, best=best) > 0.1
