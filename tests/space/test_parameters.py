from __future__ import annotations

import math
import random
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.space import parse_space
from hpo_nni.space.parameters import (
    Choice,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    RandInt,
    Scalar,
    Uniform,
)

low_and_high = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
positive = st.tuples(st.floats(1e-6, 1e3), st.floats(1.01, 1e4)).map(
    lambda pair: (pair[0], pair[0] * pair[1])
)
bells = st.tuples(st.floats(-5, 5), st.floats(0.01, 2))
steps = st.floats(0.01, 10)
discrete = st.one_of(
    st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**7)).map(
        lambda pair: RandInt(pair[0], sum(pair))
    ),
    st.lists(st.integers() | st.text(max_size=4), min_size=1, unique_by=str).map(
        lambda options: Choice(tuple(options))
    ),
    st.builds(lambda b, q: QUniform(*b, q), low_and_high, steps),
    st.builds(lambda b, q: QLogUniform(*b, q), positive, steps),
    st.builds(lambda b, q: QNormal(*b, q), bells, steps),
    st.builds(lambda b, q: QLogNormal(*b, q), bells, steps),
)
continuous = st.one_of(
    low_and_high.map(lambda b: Uniform(*b)),
    positive.map(lambda b: LogUniform(*b)),
    bells.map(lambda b: Normal(*b)),
    bells.map(lambda b: LogNormal(*b)),
)
units = st.floats(0, 1)


@settings(max_examples=200, deadline=None)
@given(discrete | continuous, units | st.floats(-3, 3))
def test_whatever_comes_out_of_the_unit_interval_is_contained(
    parameter: Scalar, unit: float
) -> None:
    assert parameter.contains(parameter.from_unit(unit))


@settings(max_examples=200, deadline=None)
@given(discrete, st.floats(1e-4, 1 - 1e-4))
def test_discrete_values_survive_the_round_trip_exactly(parameter: Scalar, unit: float) -> None:
    value = parameter.from_unit(unit)

    assert parameter.from_unit(parameter.to_unit(value)) == value


@settings(max_examples=200, deadline=None)
@given(continuous, st.floats(1e-6, 1 - 1e-6))
def test_continuous_values_survive_the_round_trip(parameter: Scalar, unit: float) -> None:
    value = parameter.from_unit(unit)

    again = parameter.from_unit(parameter.to_unit(value))

    width = abs(parameter.from_unit(1.0) - parameter.from_unit(0.0))
    assert math.isclose(again, value, rel_tol=1e-6, abs_tol=1e-9 * width)


@settings(max_examples=100, deadline=None)
@given(discrete | continuous, units)
def test_coordinates_lie_in_the_unit_interval(parameter: Scalar, unit: float) -> None:
    assert 0 <= parameter.to_unit(parameter.from_unit(unit)) <= 1


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (RandInt(4, 16), [4, 15, 15.0, "7"], [16, 3, 4.5, True, "x", None]),
        (Uniform(0, 1), [0, 1, 0.5, "1e-3"], [-0.1, 1.1, math.nan, False]),
        (QUniform(1, 10, 4), [1, 4.0, 8], [0, 2, 10, 12]),
        (QUniform(0.9, 2, 1), [1, 2], [0.9]),
        (QUniform(0.4, 2, 1), [0.4, 1, 2], [0]),
        (LogUniform(1e-5, 0.1), [1e-5, 0.1, "1e-3"], [0, 0.2, math.inf]),
        (QLogUniform(0.6, 100, 2), [0.6, 2, 100], [1, 101]),
        (Normal(0, 1), [-1e9, 5], [math.nan, "much"]),
        (QNormal(3, 2, 0.5), [0, -1.5], [0.3]),
        (LogNormal(0, 1), [1e-9, 5], [0, -1]),
        (QLogNormal(2, 1, 1), [0, 7], [0.5, -1]),
        (Choice((True, "a", 0.001)), [True, "a", "1e-3"], [1, "b", None]),
        (Choice((1, 2)), [1, 2.0, "2"], [True, 3]),
        (Choice(([1, 2], {"a": 1})), [[1, 2], {"a": 1}], [[2, 1], {}]),
    ],
    ids=repr,
)
def test_what_belongs_to_a_parameter(parameter: Scalar, inside, outside) -> None:
    assert [value for value in inside if not parameter.contains(value)] == []
    assert [value for value in outside if parameter.contains(value)] == []


def test_a_list_of_numbers_is_ordered_by_size_on_the_unit_interval() -> None:
    choice = Choice((1024, "512", 128))

    assert choice.is_ordered
    assert [choice.from_unit(unit) for unit in (0.1, 0.5, 0.9)] == [128, "512", 1024]
    assert not Choice((1024, "many")).is_ordered
    assert not Choice((True, False)).is_ordered


@pytest.mark.parametrize(
    ("parameter", "value"), [(Choice((1, 2)), 3), (Uniform(0, 1), "x"), (RandInt(0, 3), None)]
)
def test_a_value_without_a_place_is_refused(parameter: Scalar, value) -> None:
    with pytest.raises(ValueError, match=repr(value)):
        parameter.to_unit(value)


def nni_samples(specification: dict, count: int) -> list:
    """What NNI's own random tuner gives."""
    from nni.algorithms.hpo.random_tuner import suggest
    from nni.common.hpo_utils import deformat_parameters, format_search_space

    space, rng = format_search_space(specification), np.random.default_rng(7)
    return [deformat_parameters(suggest(rng, space), space) for _ in range(count)]


def kolmogorov_distance(left: list[float], right: list[float]) -> float:
    edges = sorted({*left, *right})
    sides = [np.searchsorted(np.sort(side), edges, "right") / len(side) for side in (left, right)]
    return float(np.abs(sides[0] - sides[1]).max())


def test_samples_are_distributed_typed_and_bounded_as_nnis(every_type: dict) -> None:
    count = 2000
    theirs = nni_samples(every_type, count)
    space, rng = parse_space(every_type), random.Random(11)
    ours = [space.sample(rng) for _ in range(count)]

    assert all(space.contains(point) for point in [*theirs, *ours])
    for key, parameter in space.items():
        if not isinstance(parameter, Scalar):
            continue
        samples = [[parameter.to_unit(point[key]) for point in side] for side in (theirs, ours)]
        assert kolmogorov_distance(*samples) < 0.06, key  # P < 0.2 % for equal distributions
        types = [{type(point[key]) for point in side} for side in (theirs, ours)]
        types[0] = {int if kind is np.int64 else kind for kind in types[0]}
        assert types[0] == types[1], key


def test_nested_branches_are_as_likely_as_nnis(every_type: dict) -> None:
    count = 2000
    space, rng = parse_space(every_type), random.Random(5)
    shares = [
        mean(point["layer"].get("kernel") == 5 for point in points)
        for points in (nni_samples(every_type, count), [space.sample(rng) for _ in range(count)])
    ]

    assert shares == pytest.approx([1 / 6, 1 / 6], abs=0.04)
