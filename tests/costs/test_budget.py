"""Forecasts and budgets, in simulated schedules: costs are unknown before a trial has ended."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.costs import forecast, judge_budget

COSTS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40)


class Schedule:
    """Trials that cost one unit for a unit of time, as many at once as there are places."""

    def __init__(self, costs, places, budget, trial_cost=0.0):
        self.waiting = list(costs)
        self.places = places
        self.budget = budget
        self.trial_cost = trial_cost
        self.running: list[list[float]] = []  # what it has cost, what it will have cost
        self.ended: list[float] = []
        self.left_at_crossing: float | None = None  # of trials that ran when the budget was spent

    @property
    def spent(self):
        return sum(self.ended) + sum(now for now, _ in self.running)

    def room(self):
        return judge_budget(
            self.budget, self.ended, [now for now, _ in self.running], trial_cost=self.trial_cost
        )

    def run(self):
        while True:
            while self.waiting and len(self.running) < self.places and self.room().is_there:
                so_far = [*self.ended, *(now for now, _ in self.running)]
                dearest = max(so_far, default=0.0)
                assert self.spent < self.budget, "started with nothing left"
                assert self.spent + dearest <= self.budget * (1 + 1e-6)
                self.running.append([0.0, self.waiting.pop(0)])
            if not self.running:
                return self
            step = min(whole - now for now, whole in self.running)
            for trial in self.running:
                trial[0] += step
            if self.spent >= self.budget and self.left_at_crossing is None:
                over = self.spent - self.budget
                self.left_at_crossing = over + sum(whole - now for now, whole in self.running)
            self.ended += [whole for now, whole in self.running if now >= whole]
            self.running = [trial for trial in self.running if trial[0] < trial[1]]


@settings(max_examples=60)
@given(COSTS, st.integers(1, 8), st.floats(1.0, 1000.0))
def test_only_trials_that_run_already_spend_beyond_the_budget(costs, places, budget):
    done = Schedule(costs, places, budget).run()

    assert done.spent <= budget + (done.left_at_crossing or 0.0) + 1e-6


@settings(max_examples=60)
@given(COSTS, st.integers(1, 8), st.floats(1.0, 1000.0))
def test_a_budget_is_never_exceeded_if_trials_cost_at_most_what_was_said(costs, places, budget):
    done = Schedule(costs, places, budget, trial_cost=max(costs)).run()

    assert done.spent <= budget * (1 + 1e-6)


@settings(max_examples=40)
@given(st.floats(0.1, 10.0), st.integers(1, 8), st.floats(1.0, 1000.0))
def test_alike_trials_keep_to_the_budget_once_one_has_ended(cost, places, budget):
    done = Schedule([cost] * 300, places, budget).run()

    unknown = min(places, 300) * cost  # they begin before anything is known of their costs
    assert done.spent <= max(budget, unknown) * (1 + 1e-6)
    if budget > unknown and not done.waiting:
        return
    if budget > unknown:
        assert done.spent + cost > budget * (1 - 1e-6), "there was room for another"


def test_a_running_trial_that_is_dearer_than_all_before_tells_what_trials_may_cost():
    assert judge_budget(17, [2.0], [2.0]).is_there
    assert not judge_budget(17, [2.0], [9.0]).is_there


def test_awaited_trials_are_counted():
    assert judge_budget(10, [3.0], [], awaited=1).is_there
    assert not judge_budget(10, [3.0], [], awaited=2).is_there


def test_nothing_begins_on_a_budget_of_nothing():
    assert not judge_budget(0, [], []).is_there
    assert not judge_budget(5, [], [], trial_cost=6).is_there


def test_there_is_no_forecast_before_a_trial_has_ended():
    assert forecast([], [3.0], 5) is None


def test_one_ended_trial_gives_no_range():
    found = forecast([2.0], [0.5, 3.0], 4)

    assert (found.low, found.expected, found.high) == (5.5, 2 + 2 + 3 + 8, None)


def test_what_is_over_is_known():
    found = forecast([1.0, 4.0], [], 0)

    assert found.low == found.expected == found.high == 5.0


def test_nine_totals_of_ten_lie_in_the_range():
    rng = random.Random(5)
    hits = 0
    for _ in range(2000):
        costs = [rng.gauss(10, 2) for _ in range(25)]
        found = forecast(costs[:5], [], 20)
        hits += found.low <= sum(costs) <= found.high

    assert 0.88 <= hits / 2000 <= 0.92


@given(COSTS, st.lists(st.floats(0.0, 100.0), max_size=5), st.integers(0, 50))
def test_a_forecast_never_falls_below_what_is_spent(ended, running, to_come):
    found = forecast(ended, running, to_come)

    assert found.low >= (sum(ended) + sum(running)) * (1 - 1e-9)
    assert found.high is None or found.high >= found.expected * (1 - 1e-9)
    assert found.expected >= found.low * (1 - 1e-9)


@pytest.mark.parametrize("freedom", [1, 4, 10, 11, 30])
def test_ranges_shrink_as_more_is_known(freedom):
    costs = [1.0, 3.0] * (freedom + 1)
    few, more = (forecast(costs[:n], [], 10) for n in (freedom + 1, freedom + 11))

    assert more.high - more.expected < few.high - few.expected
