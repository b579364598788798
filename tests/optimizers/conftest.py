"""Spaces and stories that several optimizers are held to."""

from __future__ import annotations

import pytest

from hpo_nni.direction import Direction
from hpo_nni.optimizers.base import Observation, Outcome
from hpo_nni.space import parse_space

MIXED = {
    "rate": {"_type": "loguniform", "_value": ["1e-4", 1]},
    "units": {"_type": "choice", "_value": ["512", 128, 256]},
    "layers": {"_type": "choice", "_value": [[8], [8, 4], "none"]},
    "depth": {"_type": "randint", "_value": [1, 9]},
    "noise": {"_type": "normal", "_value": [0, 1]},
    "drop": {"_type": "quniform", "_value": [0, 0.8, 0.1]},
    "optimizer": {
        "_type": "choice",
        "_value": [
            {"_name": "sgd", "momentum": {"_type": "uniform", "_value": [0, 1]}},
            {"_name": "adam", "beta": {"_type": "quniform", "_value": [1, 10, 4]}},
            {"_name": "none"},
        ],
    },
}
FINITE = {
    "a": {"_type": "choice", "_value": ["x", "y"]},
    "b": {
        "_type": "choice",
        "_value": [
            {"_name": "one", "c": {"_type": "randint", "_value": [0, 3]}},
            {"_name": "two"},
        ],
    },
}


@pytest.fixture
def mixed():
    return parse_space(MIXED)


@pytest.fixture
def finite():
    """2 * (3 + 1) points."""
    return parse_space(FINITE)


@pytest.fixture
def tune():
    def run(optimizer, trials, score):
        """Ask and tell, one after the other; the points."""
        points = []
        for _ in range(trials):
            point = optimizer.ask()
            if point is None:
                break
            points.append(point)
            optimizer.tell([Observation(point, Outcome.COMPLETE, score(point))])
        return points

    return run


@pytest.fixture
def directions():
    return Direction.MAXIMIZE, Direction.MINIMIZE
