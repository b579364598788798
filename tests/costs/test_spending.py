from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.costs import spending, trial_cost
from hpo_nni.ledger.records import JobRecord

SPANS = st.lists(
    st.tuples(st.floats(0.0, 1e5), st.floats(0.0, 1e5)), max_size=8
)  # seconds in the queue, then seconds of running, again and again


def job(**more):
    return JobRecord("j", "t", "cmd1", "local", "", 0.0, "h", "b", 1, 1, **more)


@given(SPANS, st.floats(0.0, 1e3), st.floats(0.0, 1.0))
def test_what_a_job_has_cost_is_the_integral_of_its_rate_while_it_runs(spans, rate, share):
    """At any moment: here somewhere within the last span of running."""
    clock, ran, last = 1000.0, 0.0, 0.0
    for waiting, running in spans:
        ran += last
        clock += last + waiting
        last = running
    record = job(rate=rate, ran=ran, running_since=clock)
    integral = rate / 3600 * (sum(running for _, running in spans[:-1]) + share * last)

    found = trial_cost("running", [(record.rate, record.seconds_run(clock + share * last))])

    assert found.amount == pytest.approx(integral, abs=1e-6)


def test_a_clock_that_goes_back_costs_nothing():
    assert job(ran=5.0, running_since=100.0).seconds_run(90.0) == 5.0


def test_the_jobs_of_a_trial_add_up_and_unpriced_ones_are_counted_apart():
    found = trial_cost("failed", [(3600.0, 1.0), (None, 7.0), (0.0, 2.0)])

    assert (found.amount, found.seconds, found.unpriced) == (1.0, 10.0, 1)


@given(
    st.lists(
        st.tuples(st.sampled_from(["succeeded", "stopped", "failed", "running"]), st.floats(0, 1e6))
    )
)
def test_the_parts_are_the_whole(trials):
    parts = spending(trial_cost(state, [(3600.0, seconds)]) for state, seconds in trials)

    assert sum(part.trials for part in parts.values()) == len(trials)
    assert sum(part.amount for part in parts.values()) == pytest.approx(sum(s for _, s in trials))
