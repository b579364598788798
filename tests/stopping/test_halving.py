from __future__ import annotations

import pytest

from hpo_nni.direction import Direction
from hpo_nni.stopping.base import History
from hpo_nni.stopping.halving import HalvingRule


def history(*scores, stride=1):
    return History(tuple(range(stride, stride * len(scores) + 1, stride)), scores)


def peers(*histories):
    return {str(number): one for number, one in enumerate(histories)}


RULE = HalvingRule(Direction.MAXIMIZE, reduction=3, first_rung=2)


def test_the_first_trial_at_a_rung_goes_on():
    assert RULE.judge(history(0.1, 0.2), {}).keep


def test_between_rungs_a_trial_goes_on():
    better = peers(*[history(0.9, 0.9, 0.9)] * 5)

    assert RULE.judge(history(0.1, 0.1, 0.1), better).keep
    assert not RULE.judge(history(0.1, 0.1), better).keep


def test_a_third_of_those_that_reached_the_rung_go_on():
    others = peers(*[history(0.1 * n, 0.1 * n) for n in range(1, 6)])  # best 0.1 to 0.5

    assert RULE.judge(history(0.45, 0.0), others).keep  # second of six
    assert not RULE.judge(history(0.35, 0.0), others).keep


def test_minimising_turns_it_round():
    rule = HalvingRule(Direction.MINIMIZE, reduction=2, first_rung=1)

    assert rule.judge(history(0.1), peers(history(0.2))).keep
    assert not rule.judge(history(0.3), peers(history(0.2))).keep


def test_peers_with_other_steps_are_compared_at_the_same_training_step():
    others = peers(*[history(0.4, 0.8, stride=4)] * 3)  # 0.4 at step 4, 0.8 at step 8

    assert RULE.judge(history(0.5, 0.61, stride=3), others).keep  # 0.6 at step 6
    assert not RULE.judge(history(0.5, 0.59, stride=3), others).keep


@pytest.mark.parametrize(("evaluations", "rung"), [(2, 0), (6, 1), (18, 2)])
def test_rungs_are_a_factor_apart(evaluations, rung):
    verdict = RULE.judge(history(*[0.5] * evaluations), {})

    assert verdict.figures["rung"] == rung
    assert "rung" not in RULE.judge(history(*[0.5] * (evaluations + 1)), {}).figures
