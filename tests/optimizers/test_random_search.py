from __future__ import annotations

from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.optimizers.random_search import RandomSearch
from hpo_nni.space import SearchSpace
from hpo_nni.space.parameters import Choice, Uniform

SPACE = SearchSpace({"x": Uniform(0, 1), "c": Choice(("a", "b"))})


def test_draws_lie_in_the_space_and_depend_on_the_seed_alone():
    first, second = RandomSearch(SPACE, seed=1), RandomSearch(SPACE, seed=1)

    drawn = [first.ask() for _ in range(20)]
    second.tell([Observation(point, Outcome.COMPLETE, 1.0) for point in drawn])

    assert all(SPACE.contains(point) for point in drawn)
    assert [second.ask() for _ in range(20)] == drawn
    assert RandomSearch(SPACE, seed=2).ask() != drawn[0]
