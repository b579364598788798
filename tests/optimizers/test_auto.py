from __future__ import annotations

import math
import random
import subprocess
import sys

import pytest

from hpo_nni.direction import Direction
from hpo_nni.optimizers.auto import AutoOptimizer
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.designs import RandomSearch
from hpo_nni.optimizers.goals import hypervolume
from hpo_nni.optimizers.sweeps import EarlierSweep, EarlierTrial
from hpo_nni.space import parse_space

MAX, MIN = Direction.MAXIMIZE, Direction.MINIMIZE
PLANE = parse_space({name: {"_type": "uniform", "_value": [0, 1]} for name in "xy"})


def bowl(point) -> float:
    return (point["x"] - 0.3) ** 2 + (point["y"] - 0.8) ** 2


def test_it_finds_the_bottom_of_a_bowl(tune):
    points = tune(AutoOptimizer(PLANE, MIN, seed=1), 25, bowl)

    assert min(map(bowl, points)) < 1e-3


def test_points_that_are_awaited_are_not_proposed_again(tune):
    optimizer = AutoOptimizer(PLANE, MIN, seed=1)
    tune(optimizer, 15, lambda point: math.sin(20 * point["x"]) + math.cos(17 * point["y"]))

    awaited = [optimizer.ask() for _ in range(4)]

    distances = [
        abs(one["x"] - other["x"]) + abs(one["y"] - other["y"])
        for number, one in enumerate(awaited)
        for other in awaited[:number]
    ]
    assert min(distances) > 0.005


def test_what_was_told_is_no_longer_awaited(tune):
    """On the way to a value and back, the unit cube rounds."""
    space = parse_space(
        {"rate": {"_type": "loguniform", "_value": [1e-5, 1]}}
        | {"n": {"_type": "qnormal", "_value": [0, 3, 1]}}
    )
    optimizer = AutoOptimizer(space, MIN, seed=1)
    tune(optimizer, 12, lambda point: point["rate"])

    assert not optimizer._pending


def crowd(tell):
    """How many of 30 later proposals lie in the half that cannot run, over two seeds."""
    inside = 0
    for seed in (1, 2):
        optimizer = AutoOptimizer(PLANE, MAX, seed=seed)
        for number in range(40):
            point = optimizer.ask()
            is_bad = point["x"] > 0.5
            inside += is_bad and number >= 10
            outcome = tell if is_bad else Outcome.COMPLETE
            score = None if outcome is not Outcome.COMPLETE else point["x"] - point["y"]
            optimizer.tell([Observation(point, outcome, score)])
    return inside


@pytest.mark.parametrize("told, share", [(Outcome.INFEASIBLE, 0.7), (Outcome.FAILED, 0.85)])
def test_fewer_points_are_proposed_where_nothing_can_run(told, share):
    """Scores grow up to the edge, so one that learns nothing walks over it."""
    assert crowd(told) < share * crowd(Outcome.CANCELLED)


def test_where_everything_fails_it_looks_elsewhere():
    optimizer = AutoOptimizer(PLANE, MAX, seed=3)
    for _ in range(12):
        point = optimizer.ask()
        outcome = Outcome.INFEASIBLE if point["x"] < 0.9 else Outcome.COMPLETE
        optimizer.tell([Observation(point, outcome, 1.0 if outcome is Outcome.COMPLETE else None)])

    assert sum(optimizer.ask()["x"] > 0.8 for _ in range(6)) >= 3


def test_early_stopped_points_count_as_bad_ones():
    """Half of the plane was only ever stopped: proposals lie in the other one."""
    optimizer, rng = AutoOptimizer(PLANE, MAX, seed=1), random.Random(1)
    for _ in range(30):
        point = PLANE.sample(rng)
        stopped = point["x"] > 0.5
        outcome = Outcome.STOPPED if stopped else Outcome.COMPLETE
        optimizer.tell([Observation(point, outcome, 0.1 if stopped else point["y"], 3)])

    assert sum(optimizer.ask()["x"] <= 0.55 for _ in range(8)) >= 7


def test_limits_on_metrics_are_learnt():
    optimizer = AutoOptimizer(PLANE, MAX, seed=1, constraints=["cost < 0.4"])
    kept = []
    for _ in range(30):
        point = optimizer.ask()
        kept.append(point["x"] < 0.45)
        optimizer.tell(
            [Observation(point, Outcome.COMPLETE, point["x"], metrics={"cost": point["x"]})]
        )

    assert sum(kept[15:]) >= 10


def volume(optimizer, evaluations=40):
    import numpy as np

    found = []
    for _ in range(evaluations):
        point = optimizer.ask()
        one, other = bowl(point), (point["x"] - 0.9) ** 2 + (point["y"] - 0.1) ** 2
        found.append([one, other])
        metrics = {"one": one, "other": other}
        optimizer.tell([Observation(point, Outcome.COMPLETE, one, metrics=metrics)])
    return hypervolume(np.array(found), np.array([1.0, 1.0]))


def test_several_objectives_widen_the_front():
    goals = {"objectives": ["-one", "-other"]}
    ours = sum(volume(AutoOptimizer(PLANE, MIN, seed=seed, **goals)) for seed in (1, 2))
    drawn = sum(volume(RandomSearch(PLANE, MIN, seed=seed)) for seed in (1, 2))

    assert ours > drawn


def test_three_objectives_and_a_limit_go_together():
    optimizer = AutoOptimizer(
        PLANE, MAX, seed=1, objectives=["a", "-b", "c"], constraints=["d < 0.5"]
    )
    for _ in range(12):
        point = optimizer.ask()
        metrics = {"a": point["x"], "b": point["y"], "c": bowl(point), "d": point["x"]}
        optimizer.tell([Observation(point, Outcome.COMPLETE, 0.0, metrics=metrics)])

    assert PLANE.contains(optimizer.ask())


def test_a_complete_point_without_its_metrics_is_no_result():
    optimizer = AutoOptimizer(PLANE, MAX, seed=1, objectives=["auc", "-latency"])
    for _ in range(8):
        optimizer.tell([Observation(optimizer.ask(), Outcome.COMPLETE, 0.5)])

    assert PLANE.contains(optimizer.ask())


def sweep(shift, scale, count=25):
    rng = random.Random(shift)
    points = [PLANE.sample(rng) for _ in range(count)]
    return [Observation(p, Outcome.COMPLETE, scale * bowl(p) + shift) for p in points]


def past(name, observations):
    return EarlierSweep(
        name,
        [EarlierTrial(str(k), one.point, {"": one.score}) for k, one in enumerate(observations)],
    )


def test_earlier_sweeps_help_however_their_scores_are_scaled(tune):
    earlier = [past("a", sweep(100, 1000)), past("b", sweep(-5, 0.01))]
    warm = tune(AutoOptimizer(PLANE, MIN, seed=1, earlier=earlier), 5, bowl)
    cold = tune(AutoOptimizer(PLANE, MIN, seed=1), 5, bowl)

    assert min(map(bowl, warm)) < min(map(bowl, cold))


def test_best_points_of_earlier_sweeps_are_tried_at_every_other_turn_the_newest_first(tune):
    earlier = [past("a", sweep(100, 1)), past("b", sweep(-5, 1))]
    optimizer = AutoOptimizer(PLANE, MIN, seed=1, earlier=earlier)
    points = tune(optimizer, 3, bowl)

    bests = [min(one.trials, key=lambda trial: trial.scores[""]) for one in earlier[::-1]]
    assert [points[0], points[2]] == [one.point for one in bests], "to the last digit"
    first = [(one.sweep, one.trial) for one in optimizer.first_points]
    assert first == [("b", bests[0].name), ("a", bests[1].name)]


def test_trials_at_the_same_time_try_each_best_point_once():
    earlier = [past(str(k), sweep(k, 1)) for k in range(4)]
    optimizer = AutoOptimizer(PLANE, MIN, seed=1, earlier=earlier)
    points = [optimizer.ask() for _ in range(8)]

    assert len({tuple(point.values()) for point in points}) == 8


def test_earlier_sweeps_that_mislead_are_not_believed_for_long(tune, caplog):
    caplog.set_level("INFO")
    wrong = past("a", [Observation(o.point, o.outcome, -o.score) for o in sweep(1, 1)])
    points = tune(AutoOptimizer(PLANE, MIN, seed=1, earlier=[wrong]), 30, bowl)

    assert min(map(bowl, points)) < 0.01
    assert "from here on the sweeps do not count" in caplog.text


def test_a_warm_start_follows_the_seed_and_what_was_told(tune):
    def made():
        return AutoOptimizer(PLANE, MIN, seed=1, earlier=[past("a", sweep(1, 1))])

    at_once, begun = made(), made()
    points = tune(begun, 12, bowl)
    at_once.tell([Observation(point, Outcome.COMPLETE, bowl(point)) for point in points])

    assert tune(made(), 12, bowl) == points
    assert at_once.ask() == begun.ask()


def test_points_of_earlier_sweeps_that_do_not_fit_are_left_out(tune):
    line = parse_space({"n": {"_type": "choice", "_value": ["a", "b", "c"]}})
    elsewhere = EarlierSweep("a", [EarlierTrial("0", {"n": "z"}, {"": 0.5})])
    optimizer = AutoOptimizer(line, MIN, seed=1, earlier=[elsewhere, EarlierSweep("b", [])])

    assert len(tune(optimizer, 4, lambda point: 0.5)) == 3
    assert not optimizer.first_points


def test_a_parameter_that_is_new_starts_at_its_default(tune):
    old = [{"x": point.point["x"]} for point in sweep(1, 1)]
    earlier = past("a", [Observation(point, Outcome.COMPLETE, point["x"]) for point in old])
    optimizer = AutoOptimizer(PLANE, MIN, seed=1, earlier=[earlier], defaults={"y": 0.25})

    assert optimizer.ask() == {"x": min(point["x"] for point in old), "y": 0.25}


@pytest.mark.parametrize("trials", [1, 5, 12, 500])
def test_the_number_of_trials_may_be_known(tune, trials):
    assert len(tune(AutoOptimizer(PLANE, MIN, seed=1, trials=trials), 8, bowl)) == 8


def test_a_long_history_is_modelled_in_part():
    optimizer, rng = AutoOptimizer(PLANE, MIN, seed=1), random.Random(1)
    points = [PLANE.sample(rng) for _ in range(3000)]
    optimizer.tell([Observation(p, Outcome.COMPLETE, bowl(p)) for p in points])
    proposed = []
    for _ in range(5):
        proposed.append(optimizer.ask())
        optimizer.tell([Observation(proposed[-1], Outcome.COMPLETE, bowl(proposed[-1]))])

    assert min(map(bowl, proposed)) < 1e-3


def test_what_was_told_in_one_go_is_what_was_told_one_by_one():
    together, apart = (AutoOptimizer(PLANE, MIN, seed=1) for _ in range(2))
    told = sweep(0, 1)
    together.tell(told)
    for one in told:
        apart.tell([one])

    assert [together.ask() for _ in range(3)] == [apart.ask() for _ in range(3)]


def test_scipy_stats_and_pytorch_are_not_needed():
    code = (
        "import sys\n"
        "from hpo_nni.optimizers.auto import AutoOptimizer\n"
        "from hpo_nni.direction import Direction\n"
        "from hpo_nni.optimizers.base import Observation, Outcome\n"
        "from hpo_nni.space import parse_space\n"
        "o = AutoOptimizer(parse_space({'x': {'_type': 'uniform', '_value': [0, 1]}}),\n"
        "                  Direction.MINIMIZE, seed=1)\n"
        "for _ in range(30):\n"
        "    p = o.ask(); o.tell([Observation(p, Outcome.COMPLETE, p['x'])])\n"
        "print(sorted({'scipy.stats', 'optuna', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
