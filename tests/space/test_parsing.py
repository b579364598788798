from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.space import parse_space
from hpo_nni.space.parameters import Choice, NestedChoice, QUniform, RandInt


def faults(data) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_space(data)
    return [str(problem) for problem in caught.value.problems]


def of(type_, value) -> dict:
    return {"k": {"_type": type_, "_value": value}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a search space is a mapping of keys to {_type, _value}, not a list"),
        ({"k": 3}, "k: expected a mapping with _type and _value, found 3"),
        ({"k": {"_value": [1]}}, "k: _type is missing"),
        ({"k": {"_type": "choice", "_values": [1]}}, "is '_values' a misspelling?"),
        (of("unifrom", [0, 1]), "did you mean 'uniform'"),
        (of(["choice"], [0, 1]), "NNI has no type ['choice']"),
        (of("choice", 3), "k: _value of a choice is a list, not 3"),
        (of("choice", []), "at least one option"),
        (of("choice", [{"_name": "a"}, 3]), "only some of its options have a _name"),
        (of("choice", [{"_name": "a"}, {"_name": "a"}]), "two branches have the _name 'a'"),
        (of("choice", [{"_name": "a", "x": 1}]), "k/a/x: expected a mapping"),
        (of("uniform", [1]), "uniform takes [low, high], but there are 1 values"),
        (of("quniform", [1, 2]), "quniform takes [low, high, q], but there are 2"),
        (of("uniform", [0, "big"]), "high of a uniform is a finite number, not 'big'"),
        (of("uniform", [0, True]), "high of a uniform is a finite number, not True"),
        (of("uniform", [0, float("inf")]), "finite number, not inf"),
        (of("uniform", [1, 1]), "uniform from 1 to 1 is empty"),
        (of("randint", [4, 4]), "the upper bound is excluded"),
        (of("randint", [1, 2.5]), "the bounds of a randint are whole numbers"),
        (of("loguniform", [0, 1]), "low of a loguniform is above zero, not 0"),
        (of("normal", [0, 0]), "sigma of a normal is above zero"),
        (of("quniform", [0, 1, 0]), "q of a quniform is above zero"),
        (of("lognormal", [500, 100]), "overflow"),
    ],
)
def test_each_fault_says_what_is_wrong(data, message: str) -> None:
    (fault,) = faults(data)

    assert message in fault


def test_all_faults_come_at_once() -> None:
    data = {"a": {"_type": "uniform", "_value": [2, "x"]}, "b": 1, "c": {}}

    assert len(faults(data)) == 4


def test_numbers_that_yaml_took_for_strings_are_numbers() -> None:
    space = parse_space(
        {
            "a": {"_type": "choice", "_value": ["1e-3", 0.1, "16"]},
            "b": {"_type": "quniform", "_value": ["1", "1e1", "0.5"]},
            "c": {"_type": "randint", "_value": ["1e1", 20.0]},
        }
    )

    assert space["a"] == Choice((0.001, 0.1, "16"))
    assert space["b"] == QUniform(1.0, 10.0, 0.5)
    assert space["c"] == RandInt(10, 20)


def test_nested_choices_become_branches() -> None:
    space = parse_space(
        of("choice", [{"_name": "a", "x": {"_type": "randint", "_value": [0, 3]}}, {"_name": "b"}])
    )

    assert space["k"] == NestedChoice({"a": {"x": RandInt(0, 3)}, "b": {}})


def test_dicts_without_a_name_are_plain_options() -> None:
    options = [{"lr": "1e-3", "batch": 64}, {"lr": 0.1, "batch": 128}]

    assert parse_space(of("choice", options))["k"] == Choice(
        ({"lr": 0.001, "batch": 64}, {"lr": 0.1, "batch": 128})
    )


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        ({}, "the search space is empty"),
        (of("choice", [1, 2, 1.0]), "k: option 1.0 is there twice"),
        ({"k": {"_type": "choice", "_value": [1], "_note": ""}}, "NNI knows no '_note'"),
        (
            of("choice", [{"_name": "a", "x": of("choice", [{"_name": "b"}])["k"]}]),
            "k/a/x: NNI's own tuners fail on a nested choice inside another",
        ),
    ],
)
def test_odd_things_that_do_no_harm_are_warnings(data, warning: str) -> None:
    (found,) = parse_space(data).warnings

    assert warning in found


def test_nni_accepts_what_we_accept(every_type: dict) -> None:
    from nni.common.hpo_utils import format_search_space

    ours = [dimension.path for dimension in parse_space(every_type).flatten()]

    assert len(ours) == len(format_search_space(every_type))
