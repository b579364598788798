from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History
from hpo_nni.stopping.race import DayRaceRule
from hpo_nni.stopping.worth import Days, Worth

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE
DAYS = 14


def field(levels, *, noise=0.1, day=1.0, seed=0, days=DAYS):
    """What trials of these levels have on days that are easy and hard, trial by trial."""
    rng = np.random.default_rng(seed)
    of_days = day * rng.normal(size=days)
    return np.array(levels)[:, None] + of_days + noise * rng.normal(size=(len(levels), days))


def history(scores, days=None, *, is_complete=False):
    days = range(1, len(scores) + 1) if days is None else days
    return History(tuple(days), tuple(map(float, scores)), is_complete=is_complete)


def peers_of(table):
    return {f"t{k}": history(row, is_complete=True) for k, row in enumerate(table)}


def dropped_after(row, peers, rule):
    """The day after which a trial with these scores is dropped; None if it never is."""
    for days in range(1, len(row) + 1):
        if not rule.judge(history(row[:days]), peers).keep:
            return days
    return None


def test_a_bad_trial_is_dropped_and_a_good_one_is_not_however_different_the_days_are():
    *others, bad, good = field([0.0, 0.1, -0.2, 0.2, -0.1, -1.0, 0.3], day=5.0)
    peers, rule = peers_of(others), DayRaceRule(MAX)

    assert dropped_after(bad, peers, rule) in (2, 3)
    assert dropped_after(good, peers, rule) is None


def test_the_effect_of_days_changes_no_verdict():
    calm, wild = (field([0.0, 0.1, -0.2, 0.2, -0.4], day=day) for day in (0.0, 100.0))

    for days in range(2, DAYS):
        one, other = (
            DayRaceRule(MAX).judge(history(table[-1][:days]), peers_of(table[:-1]))
            for table in (calm, wild)
        )
        assert one.keep == other.keep
        assert one.figures["chance"] == pytest.approx(other.figures["chance"], rel=1e-6)


def test_a_day_that_is_missing_is_no_bad_day():
    """The easy days are missing: by its plain mean the trial would be the worst."""
    table = field([0.0, 0.1, -0.2, 0.2, 0.25], day=3.0)
    hard = [int(day) for day in sorted(np.argsort(table[0][:-1])[:6])]
    trial = history(table[-1][hard], [day + 1 for day in hard])
    verdict = DayRaceRule(MAX).judge(trial, peers_of(table[:-1]))

    assert np.mean(trial.scores) < min(row.mean() for row in table[:-1])
    assert verdict.keep
    assert verdict.figures["common_days"] == 6
    assert verdict.figures["difference"] > -0.2


def test_one_day_drops_nobody_and_alone_nobody_is_worse():
    table = field([0.0, 0.1, -0.2, -50.0])
    rule = DayRaceRule(MAX)

    first = rule.judge(history(table[-1][:1]), peers_of(table[:-1]))
    assert first.keep
    assert first.reason == "it has 1 of the 2 days that come before the first verdict"
    assert rule.judge(history(table[-1][:5]), {}).reason == "no other trial has had a day yet"


def test_a_trial_at_its_end_is_kept():
    table = field([0.0, 0.1, -0.2, -50.0])

    verdict = DayRaceRule(MAX).judge(history(table[-1]), peers_of(table[:-1]))

    assert verdict.keep
    assert verdict.reason == "it is at its end"


def test_the_reason_tells_chance_level_and_the_difference_on_common_days():
    table = field([0.0, 0.1, -0.2, 0.2, -1.0])
    verdict = DayRaceRule(MAX).judge(history(table[-1][:4]), peers_of(table[:-1]))
    gap = (table[-1] - table[3])[:4].mean()

    assert not verdict.keep
    assert verdict.figures["difference"] == pytest.approx(gap)
    assert "over 4 days it has a chance of" in verdict.reason
    assert "to be the best of 5 trials, not more than the 0.007 that a level of 0.05" in (
        verdict.reason
    )
    assert f"on 4 common days it has {gap:+.3g} on average against trial t3" in verdict.reason


def test_a_higher_level_drops_earlier():
    table = field([0.0, 0.1, -0.2, 0.2, -0.2], noise=0.3)
    days = [
        dropped_after(table[-1], peers_of(table[:-1]), DayRaceRule(MAX, level)) or DAYS + 1
        for level in (0.5, 0.05, 0.001)
    ]

    assert days == sorted(days)
    assert days[0] < days[-1]


def test_where_trials_change_places_more_days_are_asked_for():
    """The same trial among peers that rise and fall against each other."""
    table = field([0.0, 0.1, -0.2, 0.2, -0.35])
    turning = table.copy()
    turning[:4] += np.outer([1, -1, 1, -1], np.linspace(-0.5, 0.5, DAYS))

    rule = DayRaceRule(MAX)
    still, moved = (
        rule.judge(history(table[-1][:4]), peers_of(rows[:4])) for rows in (table, turning)
    )
    assert moved.figures["drift"] > still.figures["drift"]
    assert moved.figures["chance"] > still.figures["chance"]


def test_equal_trials_are_all_kept():
    table = field([0.0] * 6, noise=0.0, day=1.0)

    for days in range(1, DAYS + 1):
        assert DayRaceRule(MAX).judge(history(table[0][:days]), peers_of(table[1:])).keep


scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@settings(max_examples=60)
@given(trial=scores, others=st.lists(scores, max_size=6))
def test_minimising_is_maximising_the_negative_and_all_figures_are_finite(trial, others):
    def verdict(direction, sign):
        found = {str(k): history([sign * one for one in row]) for k, row in enumerate(others)}
        return DayRaceRule(direction).judge(history([sign * one for one in trial]), found)

    straight, mirrored = verdict(MAX, 1), verdict(MIN, -1)

    assert straight.keep == mirrored.keep
    assert all(np.isfinite(value) for value in straight.figures.values())
    if "difference" in straight.figures:
        assert straight.figures["difference"] == -mirrored.figures["difference"]


def test_the_chances_of_all_trials_add_up_to_one():
    table = field([0.0, 0.3, -0.6, 0.6, 0.5], noise=0.4)
    worth = Worth.of(Days.of([history(row) for row in table], 1))

    assert sum(worth.chance(row) for row in range(5)) == pytest.approx(1, abs=1e-3)
    assert worth.best_but(0) == int(np.argmax(worth.means[1:])) + 1


def test_the_best_is_dropped_no_more_often_than_asked():
    """Forty races of random configurations whose best is known; the benchmark has 200 of each."""
    rule, dropped = DayRaceRule(MAX, level=0.05), 0
    for seed in range(40):
        levels = np.random.default_rng(seed).normal(size=12)
        table = field(levels, noise=1.0, seed=1000 + seed)
        best = int(levels.argmax())
        peers = peers_of(np.delete(table, best, 0))
        dropped += dropped_after(table[best], peers, rule) is not None

    assert dropped <= 2
