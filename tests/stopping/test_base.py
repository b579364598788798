from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.stopping.base import History, interpolated

finite = st.floats(-1e9, 1e9)
reports = st.lists(
    st.tuples(st.integers(0, 50), st.one_of(st.none(), st.floats(), finite)), max_size=40
)


@given(reports)
def test_a_history_is_ordered_finite_and_has_each_step_once(points):
    history = History.of(points)

    assert list(history.steps) == sorted(set(history.steps))
    assert all(math.isfinite(score) for score in history.scores)
    assert set(history.steps) == {s for s, v in points if v is not None and math.isfinite(v)}


@given(st.dictionaries(st.integers(0, 50), finite, min_size=1), st.randoms())
def test_the_order_of_reports_makes_no_difference(points, random):
    shuffled = list(points.items())
    random.shuffle(shuffled)

    assert History.of(shuffled) == History.of(points.items())


@given(st.dictionaries(st.integers(0, 50), finite, min_size=1), st.integers(0, 50))
def test_interpolation_stays_between_its_neighbours_and_never_extrapolates(points, step):
    history = History.of(points.items())

    value = interpolated(history.steps, history.scores, step)

    if step < history.steps[0] or step > history.steps[-1]:
        assert value is None
        return
    assert value is not None
    before = max(s for s in history.steps if s <= step)
    after = min(s for s in history.steps if s >= step)
    low, high = sorted((points[before], points[after]))
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    assert low - slack <= value <= high + slack
    if step in points:
        assert value == points[step]


@given(st.lists(finite, min_size=1, max_size=30))
def test_running_means_are_the_means_of_prefixes(scores):
    history = History(tuple(range(len(scores))), tuple(scores))

    for n, mean in enumerate(history.running_means, start=1):
        assert math.isclose(mean, math.fsum(scores[:n]) / n, rel_tol=1e-9, abs_tol=1e-3)
