from __future__ import annotations

import numpy as np
import pytest

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.hazero import STEP, HAZero
from hpo_nni.space import parse_space

SPACE = parse_space({name: {"_type": "uniform", "_value": [-1, 1]} for name in "abc"})
MIN = Direction.MINIMIZE


def loss(point) -> float:
    return sum((value - 0.3) ** 2 for value in point.values())


def test_the_first_generation_lies_around_the_start_with_paddlehubs_step():
    optimizer = HAZero(SPACE, MIN, seed=1, population=400, init={"a": 0.4, "b": -0.2})
    points = np.array([list(optimizer.ask().values()) for _ in range(400)])

    assert points.mean(axis=0) == pytest.approx([0.4, -0.2, 0.0], abs=0.05)
    assert points.std(axis=0) == pytest.approx([STEP] * 3, abs=0.03)


def test_it_finds_the_bottom_of_a_bowl(tune):
    points = tune(HAZero(SPACE, MIN, seed=1), 250, loss)

    assert min(map(loss, points)) < 1e-5


def test_without_restarts_it_ends_when_it_has_converged(tune):
    space = parse_space({"x": {"_type": "uniform", "_value": [-1, 1]}})
    optimizer = HAZero(space, MIN, seed=1, restarts=False)
    points = tune(optimizer, 3000, lambda point: point["x"] ** 2)

    assert len(points) < 3000
    assert optimizer.has_converged
    assert optimizer.ask() is None


def test_with_restarts_it_goes_on(tune):
    space = parse_space({"x": {"_type": "uniform", "_value": [-1, 1]}})

    assert len(tune(HAZero(space, MIN, seed=1), 1500, lambda point: point["x"] ** 2)) == 1500


def test_results_from_before_are_where_it_starts():
    optimizer = HAZero(SPACE, MIN, seed=1)
    best = {"a": 0.9, "b": 0.9, "c": -0.9}
    optimizer.tell([Observation(best, Outcome.COMPLETE, 0.1)])
    optimizer.tell([Observation({"a": 0, "b": 0, "c": 0}, Outcome.COMPLETE, 0.2)])
    points = np.array([list(optimizer.ask().values()) for _ in range(40)])

    assert points.mean(axis=0) == pytest.approx([0.9, 0.9, -0.9], abs=0.2)


def test_points_that_cannot_run_are_left(tune):
    optimizer = HAZero(SPACE, MIN, seed=1, init={"a": 0.6})
    inside = []
    for _ in range(120):
        point = optimizer.ask()
        bad = point["a"] > 0.5
        inside.append(bad)
        outcome = Outcome.INFEASIBLE if bad else Outcome.COMPLETE
        optimizer.tell([Observation(point, outcome, None if bad else loss(point))])

    assert sum(inside[80:]) < sum(inside[:40])
