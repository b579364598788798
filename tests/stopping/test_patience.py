from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History
from hpo_nni.stopping.patience import PatienceRule


def curve(*scores: float) -> History:
    return History(tuple(range(1, len(scores) + 1)), scores)


@pytest.mark.parametrize(
    "scores, patience, keep",
    [
        ((1.0,), 1, True),
        ((1.0, 0.9), 1, False),
        ((1.0, 0.9), 2, True),
        ((1.0, 0.9, 0.8), 2, False),
        ((1.0, 0.9, 0.9, 0.8), 2, True),  # an equal score starts the count anew
        ((1.0, 0.9, 0.95, 0.8), 2, True),
        ((0.1, 1.0, 0.9, 0.8, 0.7), 3, False),
    ],
)
def test_drops_in_a_row_are_counted_from_the_end(scores, patience, keep):
    assert PatienceRule(Direction.MAXIMIZE, patience).judge(curve(*scores), {}).keep is keep
    mirrored = curve(*(-score for score in scores))
    assert PatienceRule(Direction.MINIMIZE, patience).judge(mirrored, {}).keep is keep


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(1, 5))
def test_an_improvement_is_never_stopped(scores, patience):
    better = curve(*scores, max(scores) + 1)

    assert PatienceRule(Direction.MAXIMIZE, patience).judge(better, {}).keep


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(1, 5))
def test_more_patience_never_stops_earlier(scores, patience):
    trial = curve(*scores)

    if not PatienceRule(Direction.MAXIMIZE, patience + 1).judge(trial, {}).keep:
        assert not PatienceRule(Direction.MAXIMIZE, patience).judge(trial, {}).keep


def test_the_reason_counts():
    verdict = PatienceRule(Direction.MAXIMIZE, 2).judge(curve(1.0, 0.9, 0.8), {})

    assert verdict.reason == "2 drops of the score in a row at step 3, the patience of 2"
    assert verdict.figures == {"step": 3, "drops": 2, "patience": 2}
