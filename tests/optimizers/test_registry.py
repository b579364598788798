"""What every optimizer promises, whatever it is made of."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.registry import OPTIMIZERS
from hpo_nni.space import parse_space

NAMES = ["auto", "grid", "hazero", "optuna", "pshe2", "random", "sobol"]
LEARNING = ["auto", "hazero", "optuna", "pshe2"]
each = pytest.mark.parametrize("name", NAMES)


def make(name, space, direction=Direction.MAXIMIZE, seed=1, **arguments):
    return OPTIMIZERS.load(name)(space, direction, seed=seed, **arguments)


def score(point) -> float:
    return -abs(point["depth"] - 6) - (point["units"] != 256) + point["rate"]


def test_all_are_listed():
    assert OPTIMIZERS.names() == NAMES


@each
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 1000))
def test_every_point_lies_in_the_space_whatever_was_told(mixed, name, seed):
    optimizer, rng = make(name, mixed, seed=seed), random.Random(seed)
    for _ in range(14):
        point = optimizer.ask()
        assert mixed.contains(point)
        told = rng.choice([point, mixed.sample(rng)])
        number = rng.choice([None, rng.random(), 1e12, -5])
        optimizer.tell([Observation(told, rng.choice(list(Outcome)), number, rng.randrange(5))])


@each
def test_the_same_seed_and_results_give_the_same_points(mixed, tune, name):
    first, second = (tune(make(name, mixed, seed=7), 15, score) for _ in range(2))

    assert first == second
    assert name == "grid" or tune(make(name, mixed, seed=8), 15, score) != first


@each
def test_minimising_is_maximising_the_negative(mixed, tune, name):
    up = tune(make(name, mixed), 15, score)
    down = tune(make(name, mixed, Direction.MINIMIZE), 15, lambda point: -score(point))

    assert up == down


@each
def test_a_finite_space_is_gone_through_once_and_then_ends(finite, tune, name):
    points = tune(make(name, finite), 20, lambda point: point["a"] == "x")

    assert len({json.dumps(point, sort_keys=True) for point in points}) == len(points) == 8


@each
def test_points_are_different_while_nothing_is_told(finite, name):
    optimizer = make(name, finite)
    points = [optimizer.ask() for _ in range(9)]

    assert points.pop() is None
    assert len({json.dumps(point, sort_keys=True) for point in points}) == 8


@each
def test_what_others_tried_or_try_is_not_tried_again(finite, name):
    optimizer = make(name, finite)
    running = {"a": "x", "b": {"_name": "two"}}
    others = {"a": "y", "b": {"_name": "one", "c": 1}}
    optimizer.tell([Observation(others, Outcome.COMPLETE, 1.0)])
    optimizer.tell([Observation(running, Outcome.RUNNING)])
    points = [optimizer.ask() for _ in range(6)]

    assert others not in points
    assert running not in points
    assert optimizer.ask() is None


@each
@pytest.mark.parametrize(
    "space, count",
    [
        ({}, 1),
        ({"only": {"_type": "choice", "_value": ["this"]}}, 1),
        ({"n": {"_type": "randint", "_value": [3, 5]}}, 2),
        ({"c": {"_type": "choice", "_value": [1, 2, "1", 1.0, True]}}, 3),
        ({"q": {"_type": "qloguniform", "_value": [0.6, 5, 2]}}, 3),
    ],
    ids=["nothing", "one option", "one small integer", "options twice", "three multiples"],
)
def test_the_smallest_spaces_work(tune, name, space, count):
    assert len(tune(make(name, parse_space(space)), 5, lambda _: 0.5)) == count


@each
def test_one_continuous_dimension_is_enough(tune, name):
    space = parse_space({"x": {"_type": "uniform", "_value": [0, 1]}})

    points = tune(make(name, space), 15, lambda point: -abs(point["x"] - 0.3))

    assert len({point["x"] for point in points}) == 15


@pytest.mark.parametrize("name", LEARNING)
def test_later_points_are_better_than_earlier_ones(mixed, tune, name):
    scores = [[score(p) for p in tune(make(name, mixed, seed=seed), 45, score)] for seed in (1, 2)]

    assert sum(sum(one[30:]) for one in scores) > sum(sum(one[:15]) for one in scores)


@each
def test_results_that_are_all_alike_or_huge_do_no_harm(mixed, tune, name):
    assert len(tune(make(name, mixed), 12, lambda _: 0.5)) == 12
    assert len(tune(make(name, mixed), 12, lambda point: 10.0 ** (30 * point["rate"]))) == 12


@each
def test_rounded_numbers_without_bounds_are_not_tried_twice(tune, name):
    space = parse_space({"q": {"_type": "qnormal", "_value": [0, 1, 1]}})
    points = tune(make(name, space), 5, lambda point: point["q"])

    assert len({point["q"] for point in points}) == len(points)


def test_nothing_heavy_is_imported_with_the_table():
    code = (
        "import sys, hpo_nni.optimizers.registry, hpo_nni.optimizers.optuna_bridge\n"
        "print(sorted({'numpy', 'scipy', 'optuna', 'cmaes', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
