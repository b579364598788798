from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.optimizers.cube import Cube
from hpo_nni.optimizers.distinct import Visited
from hpo_nni.space import parse_space

NESTED = {
    "rate": {"_type": "loguniform", "_value": [1e-4, 1]},
    "units": {"_type": "choice", "_value": [512, "128", 256]},
    "step": {"_type": "quniform", "_value": [1, 10, 4]},
    "net": {
        "_type": "choice",
        "_value": [
            {"_name": "none"},
            {
                "_name": "deep",
                "depth": {"_type": "randint", "_value": [1, 4]},
                "pool": {
                    "_type": "choice",
                    "_value": [
                        {"_name": "max", "size": {"_type": "randint", "_value": [2, 9]}},
                        {"_name": "off"},
                    ],
                },
            },
        ],
    },
}
SPACE = parse_space(NESTED)
FINITE = parse_space({key: NESTED[key] for key in ("units", "step", "net")})
cubes = st.sampled_from([Cube(SPACE), Cube(FINITE)])


@settings(max_examples=50, deadline=None)
@given(cubes, st.integers(0, 10**6))
def test_rows_and_points_are_the_same_thing(cube, seed):
    rows = cube.scatter(np.random.default_rng(seed).random((8, cube.dimensions)))

    for row in rows:
        assert cube.space.contains(cube.decode(row))
        assert np.allclose(cube.encode(cube.decode(row)), row, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_equal_points_are_equal_rows_whatever_lies_in_the_dimensions_they_lack(seed):
    cube, rng = Cube(FINITE), np.random.default_rng(seed)
    row = cube.scatter(rng.random((1, cube.dimensions)))
    noisy = np.where(cube.exists(row), row + rng.uniform(-0.02, 0.02, row.shape), rng.random())

    assert np.array_equal(cube.canonical(noisy), row)
    assert cube.encode(cube.decode(row[0])).tobytes() == row[0].tobytes()


def test_a_finite_space_is_counted_and_enumerated():
    cube = Cube(FINITE)
    rows = list(cube.enumerate())

    pools = 7 + 1
    assert cube.size == 3 * 3 * (1 + 3 * pools) == len(rows)
    assert len({row.tobytes() for row in rows}) == len(rows)
    assert Cube(SPACE).size == np.inf


def test_every_value_of_a_finite_space_is_drawn():
    cube = Cube(FINITE)
    rows = cube.scatter(np.random.default_rng(1).random((20_000, cube.dimensions)))

    assert len(np.unique(rows, axis=0)) == cube.size


def test_integers_and_options_are_drawn_as_often_as_their_parameters_say():
    cube, rng = Cube(FINITE), random.Random(3)
    drawn = cube.scatter(np.random.default_rng(1).random((5000, cube.dimensions)))
    sampled = np.array([cube.encode(FINITE.sample(rng)) for _ in range(5000)])

    assert np.abs(drawn.mean(axis=0) - sampled.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize(
    "values, expected",
    [({}, 0.01), ({"rate": 1}, 1.0), ({"rate": "1e-3", "elsewhere": 1}, 0.001)],
)
def test_a_start_is_the_middle_save_for_what_is_given(values, expected):
    cube = Cube(SPACE)

    assert cube.decode(cube.start(values))["rate"] == pytest.approx(expected)


def test_a_large_integer_is_handled_as_a_continuous_number():
    cube = Cube(parse_space({"n": {"_type": "randint", "_value": [0, 10**9]}}))

    assert cube.size == np.inf
    assert cube.decode(np.array([0.25]))["n"] == 250_000_000


def test_the_last_unseen_row_is_found():
    cube = Cube(FINITE)
    visited, rng = Visited(cube), np.random.default_rng(1)
    points = [visited.take((), rng)[0] for _ in range(int(cube.size))]

    assert len({str(point) for point in points}) == cube.size
    assert visited.is_everything
    assert visited.take((), rng) is None


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_a_settled_row_is_that_of_its_point_to_the_last_bit(seed):
    cube = Cube(SPACE)
    (row,) = cube.scatter(np.random.default_rng(seed).random((1, cube.dimensions)))

    point, settled = cube.settle(row)

    assert cube.encode(point).tobytes() == settled.tobytes()
    assert np.allclose(row, settled, atol=1e-9)
