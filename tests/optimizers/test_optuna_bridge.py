from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.optuna_bridge import OptunaBridge
from hpo_nni.space import SearchSpace
from hpo_nni.space.parameters import (
    Choice,
    LogUniform,
    NestedChoice,
    Normal,
    QUniform,
    RandInt,
    Uniform,
)

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE
SPACE = SearchSpace(
    {
        "rate": LogUniform(1e-4, 1e-1),
        "units": Choice((512, 128, 256)),
        "layers": Choice(([8], [8, 4], "none")),  # lists are values too
        "depth": RandInt(1, 9),
        "noise": Normal(0.0, 1.0),
        "optimizer": NestedChoice(
            {"sgd": {"momentum": Uniform(0, 1)}, "adam": {"beta": QUniform(1, 10, 4)}, "none": {}}
        ),
    }
)


def objective(point) -> float:
    return -abs(point["depth"] - 6) - (point["units"] != 256) + point["rate"]


def tune(bridge, trials, sign=1):
    points = []
    for _ in range(trials):
        point = bridge.ask()
        bridge.tell([Observation(point, Outcome.COMPLETE, sign * objective(point))])
        points.append(point)
    return points


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["tpe", "random"]))
def test_every_point_lies_in_the_space_whatever_was_told(seed, sampler):
    bridge, rng = OptunaBridge(SPACE, MAX, seed=seed, sampler=sampler), random.Random(seed)
    for _ in range(14):
        point = bridge.ask()
        assert SPACE.contains(point)
        told = rng.choice([point, SPACE.sample(rng)])
        score = rng.choice([None, rng.random()])
        bridge.tell([Observation(told, rng.choice(list(Outcome)), score, rng.randrange(5))])


def test_the_same_seed_and_results_give_the_same_points():
    first, second = (tune(OptunaBridge(SPACE, MAX, seed=7), 15) for _ in range(2))

    assert first == second
    assert tune(OptunaBridge(SPACE, MAX, seed=8), 15) != first


def test_minimising_is_maximising_the_negative():
    up = tune(OptunaBridge(SPACE, MAX, seed=3), 15)
    down = tune(OptunaBridge(SPACE, MIN, seed=3), 15, sign=-1)

    assert up == down


def test_it_learns():
    def best(sampler, seed):
        return max(map(objective, tune(OptunaBridge(SPACE, MAX, seed=seed, sampler=sampler), 40)))

    seeds = range(4)
    assert sum(best("tpe", seed) for seed in seeds) > sum(best("random", seed) for seed in seeds)


def test_pending_points_are_not_proposed_again():
    space = SearchSpace({"x": Uniform(0, 1)})
    bridge = OptunaBridge(space, MAX, seed=1)
    for value in (i / 20 for i in range(20)):
        bridge.tell([Observation({"x": value}, Outcome.COMPLETE, -abs(value - 0.5))])

    pending = [bridge.ask()["x"] for _ in range(6)]

    assert len({round(value, 6) for value in pending}) == 6


def test_what_was_told_about_others_points_counts():
    """Results from elsewhere stand in for the random start: proposals lie near the good ones."""
    bridge = OptunaBridge(SearchSpace({"x": Uniform(0, 1)}), MAX, seed=1)
    bridge.tell(
        [Observation({"x": i / 40}, Outcome.COMPLETE, -abs(i / 40 - 0.2)) for i in range(41)]
    )

    proposals = [bridge.ask()["x"] for _ in range(5)]

    assert sum(abs(value - 0.2) < 0.2 for value in proposals) >= 4


def test_a_point_may_be_told_more_often_than_it_was_asked_for():
    bridge = OptunaBridge(SearchSpace({"x": Choice(("one", "other"))}), MAX, seed=1)
    first = bridge.ask()

    for outcome in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.FAILED):
        bridge.tell([Observation(first, outcome, 0.5, 1)])

    assert bridge.ask()["x"] not in {first["x"], None}
    assert bridge.ask() is None


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_points_without_a_result_leave_no_trace_in_the_model(outcome):
    with_failures, without = (OptunaBridge(SPACE, MAX, seed=5) for _ in range(2))
    with_failures.tell([Observation(SPACE.sample(random.Random(1)), outcome) for _ in range(5)])

    assert tune(with_failures, 12) == tune(without, 12)


def test_fewer_points_are_proposed_where_nothing_can_run():
    """Scores grow up to the edge, so a sampler that learns nothing walks over it."""

    def proposed_beyond_the_edge(told):
        beyond = 0
        for seed in range(4):
            bridge = OptunaBridge(SearchSpace({"x": Uniform(0, 1)}), MAX, seed=seed)
            for number in range(40):
                point = bridge.ask()
                crashes = point["x"] > 0.6
                beyond += crashes and number >= 10
                result = (told, None) if crashes else (Outcome.COMPLETE, point["x"])
                bridge.tell([Observation(point, *result)])
        return beyond

    assert proposed_beyond_the_edge(Outcome.INFEASIBLE) < 0.8 * proposed_beyond_the_edge(
        Outcome.FAILED
    )


def test_optuna_is_imported_at_the_first_request_only():
    code = (
        "import sys, json\n"
        "from hpo_nni.direction import Direction\n"
        "from hpo_nni.optimizers.optuna_bridge import OptunaBridge\n"
        "from hpo_nni.space import parse_space\n"
        "bridge = OptunaBridge(parse_space({'x': {'_type': 'uniform', '_value': [0, 1]}}),"
        " Direction.MAXIMIZE, seed=1)\n"
        "before = 'optuna' in sys.modules\n"
        "bridge.ask()\n"
        "print(json.dumps([before, 'optuna' in sys.modules]))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [False, True]
    assert done.stderr == ""
