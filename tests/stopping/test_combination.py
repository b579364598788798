from __future__ import annotations

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History
from hpo_nni.stopping.combination import FirstStop, StartAfter
from hpo_nni.stopping.patience import PatienceRule
from hpo_nni.stopping.quantile import QuantileRule

PEERS = {"a": History((1, 2, 3), (0.7, 0.8, 0.9))}
MEDIAN = QuantileRule(Direction.MAXIMIZE)
PATIENCE = PatienceRule(Direction.MAXIMIZE, 2)


def test_the_first_rule_that_stops_gives_the_reason():
    falling = History((1, 2, 3), (1.0, 0.9, 0.8))

    verdict = FirstStop((MEDIAN, PATIENCE)).judge(falling, PEERS)

    assert not verdict.keep
    assert verdict.reason == PATIENCE.judge(falling, PEERS).reason


def test_a_kept_trial_has_all_reasons_and_figures():
    rising = History((1, 2, 3), (0.8, 0.9, 1.0))

    verdict = FirstStop((MEDIAN, PATIENCE)).judge(rising, PEERS)

    assert verdict.keep
    assert "median" in verdict.reason
    assert "drops" in verdict.reason
    assert {"threshold", "drops"} <= set(verdict.figures)


def test_nothing_is_stopped_before_the_first_verdict():
    bad = History((1, 2), (0.0, 0.0))

    assert StartAfter(3, MEDIAN).judge(bad, PEERS).keep
    assert not StartAfter(2, MEDIAN).judge(bad, PEERS).keep


def test_evaluations_are_counted_not_steps():
    late = History((1000,), (0.0,))

    verdict = StartAfter(2, MEDIAN).judge(late, {"a": History((1000,), (1.0,))})

    assert verdict.keep
    assert verdict.reason == "1 of the 2 evaluations before the first verdict"
