from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.space import Condition, SearchSpace, parse_space
from hpo_nni.space.parameters import Choice, NestedChoice, RandInt

NESTED = parse_space(
    {
        "lr": {"_type": "choice", "_value": [0.1, 0.01]},
        "layer": {
            "_type": "choice",
            "_value": [
                {"_name": "none"},
                {
                    "_name": "block",
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
)


def test_flatten_lists_each_dimension_after_the_one_it_depends_on() -> None:
    assert [(dimension.path, dimension.condition) for dimension in NESTED.flatten()] == [
        (("lr",), None),
        (("layer",), None),
        (("layer", "block", "depth"), Condition(("layer",), "block")),
        (("layer", "block", "pool"), Condition(("layer",), "block")),
        (
            ("layer", "block", "pool", "max", "size"),
            Condition(("layer", "block", "pool"), "max"),
        ),
    ]
    assert NESTED.flatten()[1].parameter == Choice(("none", "block"))


@settings(max_examples=100, deadline=None)
@given(st.integers())
def test_points_survive_the_unit_cube(seed: int) -> None:
    point = NESTED.sample(random.Random(seed))

    vector = NESTED.to_unit(point)

    assert len(vector) == len(NESTED.flatten())
    assert NESTED.from_unit(vector) == point


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_every_place_in_the_unit_cube_is_a_point(vector: list[float]) -> None:
    assert NESTED.contains(NESTED.from_unit(vector))


def test_dimensions_that_the_point_does_not_have_stand_in_the_middle() -> None:
    vector = NESTED.to_unit({"lr": 0.1, "layer": {"_name": "none"}})

    assert vector == [0.75, 0.25, 0.5, 0.5, 0.5]


def test_every_type_of_nni_survives_the_unit_cube(every_type: dict) -> None:
    space = parse_space(every_type)
    point = space.sample(random.Random(3))

    again = space.from_unit(space.to_unit(point))

    assert space.contains(again)
    assert again["qlognormal"] == point["qlognormal"]
    assert again["lognormal"] == pytest.approx(point["lognormal"])


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"lr": 0.1}, "the point has no 'layer'"),
        ({"lr": 0.5, "layer": {"_name": "none"}}, "lr: 0.5 is none of the options"),
        ({"lr": 0.1, "layer": {"_name": "mist"}}, "layer: 'mist' is none"),
        ({"lr": 0.1, "layer": {"_name": "block", "depth": 2}}, "no 'layer/block/pool'"),
        ({"lr": 0.1, "layer": 3}, "layer: 3 is none"),
    ],
)
def test_points_that_do_not_fit_are_refused_by_name(point: dict, message: str) -> None:
    assert not NESTED.contains(point)
    with pytest.raises(ValueError, match=message):
        NESTED.to_unit(point)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 coordinates for 5 dimensions"):
        NESTED.from_unit([0.5, 0.5])


def test_a_space_is_a_mapping_in_the_users_order() -> None:
    space = SearchSpace({"b": RandInt(0, 2), "a": NestedChoice({"x": {}})})

    assert list(space) == ["b", "a"]
    assert len(space) == 2
    assert space["b"] == RandInt(0, 2)


def test_the_same_seed_gives_the_same_points() -> None:
    samples = [NESTED.sample(random.Random(1)) for _ in range(2)]

    assert samples[0] == samples[1]
