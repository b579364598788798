from __future__ import annotations

import math

import numpy as np
import pytest

from hpo_nni.direction import Direction
from hpo_nni.errors import SettingsError
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.goals import Goals, hypervolume, is_front

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE


def losses(goals, score=None, **metrics):
    return goals.losses(Observation({}, Outcome.COMPLETE, score, metrics=metrics)).tolist()


def test_the_score_alone_has_the_direction_of_the_experiment():
    assert losses(Goals.parse(MAX), 0.7, auc=9) == [-0.7]
    assert losses(Goals.parse(MIN), 0.7) == [0.7]


def test_objectives_have_directions_of_their_own():
    goals = Goals.parse(MIN, ["auc", "-latency", "default"])

    assert losses(goals, 0.5, auc=0.8, latency=20) == [-0.8, 20, -0.5]
    assert math.isnan(losses(goals, 0.5, auc=0.8)[1])


@pytest.mark.parametrize(
    "text, value, passed",
    [
        ("latency < 20", 25, 5),
        ("latency<=20", 15, -5),
        ("latency > -2e1", -25, 5),
        (" latency >= 20 ", 25, -5),
    ],
)
def test_a_limit_says_by_how_much_it_is_passed(text, value, passed):
    assert losses(Goals.parse(MAX, [], [text]), 0.0, latency=value)[1] == passed


@pytest.mark.parametrize(
    "objectives, constraints, words",
    [
        (["auc", "-"], [], "'-' names no metric"),
        (["auc", "-auc"], [], "auc is there twice"),
        ([], ["latency 20"], "'latency 20' is no limit on a metric"),
        ([], ["latency < fast"], "'latency < fast' is no limit"),
        ([], ["< 20"], "'< 20' is no limit"),
        ([], ["latency < 1e999"], "is no limit"),
        ([""], ["x"], "'' names no metric"),
    ],
)
def test_what_cannot_be_read_is_refused(objectives, constraints, words):
    with pytest.raises(SettingsError) as caught:
        Goals.parse(MAX, objectives, constraints)

    assert words in str(caught.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        Goals.parse(MAX, ["-"], ["x", "y"])

    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_dominated_volume_is_that_of_random_darts(objectives):
    rng = np.random.default_rng(objectives)
    points, darts = rng.random((6, objectives)), rng.random((20_000, objectives))
    hit = (points[None] <= darts[:, None]).all(axis=2).any(axis=1).mean()

    assert hypervolume(points, np.ones(objectives)) == pytest.approx(hit, abs=0.015)


def test_the_front_is_what_nothing_beats():
    points = np.array([[0, 2], [1, 1], [1, 1], [2, 2], [2, 0], [3, 0]])

    assert is_front(points).tolist() == [True, True, True, False, True, False]
