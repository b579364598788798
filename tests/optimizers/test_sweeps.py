"""Earlier sweeps: how their trials stand, and where their points are in today's space."""

from __future__ import annotations

import random

import pytest

from hpo_nni.direction import Direction
from hpo_nni.optimizers.sweeps import EarlierTrial, remapped, standings
from hpo_nni.space import parse_space

MIN, MAX = Direction.MINIMIZE, Direction.MAXIMIZE


def trials(*scores):
    return [EarlierTrial(str(k), {}, one, len(one) == 2) for k, one in enumerate(scores)]


def order(values):
    return sorted(range(len(values)), key=values.__getitem__)


def test_scales_of_days_do_not_count():
    near, far = (
        trials({"a": 1, "b": 0}, {"a": 2, "b": 3}),
        trials({"a": 1, "b": 0}, {"a": 99, "b": 1}),
    )

    assert standings(near, MIN) == standings(far, MIN)
    assert order(standings(near, MAX)) == [1, 0]


def test_an_easy_day_does_not_favour_what_was_stopped_before_the_hard_one():
    """The second day is ten times as hard; the mean of the last one's own days is the best."""
    found = standings(
        trials({"a": 1, "b": 10}, {"a": 2, "b": 20}, {"a": 3, "b": 30}, {"a": 9}), MIN
    )

    assert order(found) == [0, 1, 2, 3]


def test_the_last_of_the_survivors_stands_before_what_was_stopped():
    found = standings(trials({"a": 1, "b": 9}, {"a": 2, "b": 1}, {"a": 3}, {"a": 4}), MIN)

    assert max(found[:2]) < min(found[2:])


def test_the_newest_days_count_most():
    found = standings(trials({"1": 0, "2": 1}, {"1": 1, "2": 0}), MIN)

    assert order(found) == [1, 0]


def test_equals_share_their_place():
    first, second, worst = standings(trials({"a": 1}, {"a": 1}, {"a": 2}), MIN)

    assert first == second < worst


def test_without_trials_nobody_stands_anywhere():
    assert standings([], MIN) == []
    assert standings(trials({}, {"a": 1}), MIN) == [0.0, 0.0]


SPACE = parse_space(
    {
        "rate": {"_type": "loguniform", "_value": [0.01, 1]},
        "units": {"_type": "choice", "_value": [16, 32]},
        "optimizer": {
            "_type": "choice",
            "_value": [
                {"_name": "sgd", "momentum": {"_type": "uniform", "_value": [0, 1]}},
                {"_name": "adam"},
            ],
        },
    }
)
OLD = {"rate": 0.1, "units": 16, "optimizer": {"_name": "adam"}}


def now(point, **defaults):
    return remapped(point, SPACE, defaults, random.Random(1))


def test_a_point_of_the_same_space_stays():
    assert now(OLD) == (OLD, True)


def test_a_removed_parameter_is_dropped():
    assert now({**OLD, "decay": 0.1}) == (OLD, True)


def test_an_added_parameter_has_the_value_of_then_or_any():
    old = {key: OLD[key] for key in ("rate", "optimizer")}

    assert now(old, units=32) == ({**OLD, "units": 32}, True)
    assert now(old, units="(as in the config)")[0]["units"] in (16, 32)
    assert SPACE.contains(now(old)[0])


def test_a_parameter_that_a_branch_has_got_since_is_filled_in():
    point, same = now({**OLD, "optimizer": {"_name": "sgd"}})

    assert same
    assert SPACE.contains(point)


@pytest.mark.parametrize("rate, nearest", [(7.0, 1.0), (0.001, 0.01)])
def test_beyond_a_range_it_is_another_point_at_its_edge(rate, nearest):
    point, same = now({**OLD, "rate": rate})

    assert not same
    assert point["rate"] == pytest.approx(nearest)


@pytest.mark.parametrize(
    "changed", [{"units": 64}, {"optimizer": {"_name": "rmsprop"}}, {"optimizer": 3}]
)
def test_an_option_that_is_there_no_more_has_no_place(changed):
    with pytest.raises(ValueError, match="is none of the options"):
        now({**OLD, **changed})
