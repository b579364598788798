"""PSHE2 beside a plain retelling of what is known of the published one."""

from __future__ import annotations

import numpy as np
import pytest

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.pshe2 import ALPHA, EPSILON, PSHE2
from hpo_nni.space import parse_space

SPACE = parse_space({name: {"_type": "uniform", "_value": [-1, 1]} for name in "abc"})
MIN = Direction.MINIMIZE


def loss(point) -> float:
    return sum((value - 0.3) ** 2 for value in point.values())


def retold(seed, start, population, rounds, *, faithful):
    """All places, round by round, of the rules in their order."""
    rng = np.random.default_rng(seed)

    def perturbed(x, width):
        r = rng.uniform(-1, 1, len(x))
        return np.where(r >= 0, x + (1 - x) * r * width, x + (x + 1) * r * width)

    xs = [perturbed(np.array(start), 1.0) for _ in range(population)]
    best, best_loss = list(xs), [np.inf] * population
    momentums = np.zeros((population, len(start)))
    places = []
    for t in range(1, rounds + 1):
        shown = [np.clip(x, -1, 1) for x in xs]
        places += shown
        losses = [loss(dict(zip("abc", x, strict=True))) for x in shown]
        for i, value in enumerate(losses):
            if value < best_loss[i]:
                best[i], best_loss[i] = xs[i], value
        of_all = best[int(np.argmin(best_loss))]
        pulls = [(x - own) + (x - of_all) for x, own in zip(xs, best, strict=True)]
        if faithful:  # one row for all: the last member's pull, and a momentum updated n times
            pulls = [pulls[-1]] * population
        for i in range(population):
            row = slice(None) if faithful else i
            momentums[row] = (1 - 3 * ALPHA / t) * momentums[row] - ALPHA * pulls[i]
            xs[i] = perturbed(xs[i] + ALPHA * momentums[i], EPSILON)
    return np.array(places)


@pytest.mark.parametrize("faithful", [False, True])
def test_places_are_those_of_the_rules(tune, faithful):
    optimizer = PSHE2(SPACE, MIN, seed=3, population=4, init={"a": 0.5}, faithful=faithful)
    points = tune(optimizer, 24, loss)

    expected = retold(3, [0.5, 0.0, 0.0], 4, 6, faithful=faithful)
    assert np.array([list(p.values()) for p in points]) == pytest.approx(expected)


def test_the_defect_makes_a_difference(tune):
    right, wrong = (tune(PSHE2(SPACE, MIN, seed=3, faithful=f), 30, loss) for f in (False, True))

    assert right[:5] == wrong[:5]
    assert right != wrong


def test_a_cancelled_member_is_tried_again_and_spare_workers_look_around_the_best():
    optimizer = PSHE2(SPACE, MIN, seed=1, population=2)
    first, second, spare = (optimizer.ask() for _ in range(3))
    optimizer.tell([Observation(first, Outcome.CANCELLED), Observation(spare, Outcome.COMPLETE, 0)])
    again = optimizer.ask()
    optimizer.tell([Observation(one, Outcome.FAILED) for one in (second, again)])

    assert optimizer.ask() is not None
    assert again != first
    assert max(abs(again[key] - first[key]) for key in first) < 0.5
