from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.space.numbers import find_number, restore_numbers


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (0.5, 0.5),
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("+2", 2),
        (" 0.25 ", 0.25),
        (".5", 0.5),
        (True, None),
        ("true", None),
        ("", None),
        ("nan", None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e999", None),
        ("1_000", None),
        ("0x10", None),
        ("１２", None),
        (None, None),
        ([1], None),
    ],
)
def test_numbers_and_their_spellings(value, number) -> None:
    assert find_number(value) == number


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_yaml_makes_of_a_json_number_is_that_number_again(number: float) -> None:
    """NNI reads `[1e-3,]` as YAML 1.1; `restore_numbers` undoes what that does to numbers."""
    assert restore_numbers(yaml.safe_load(json.dumps([number]))) == [number]


def test_strings_without_an_exponent_stay_strings() -> None:
    assert restore_numbers(["007", "16", "0.5", "e5", "1e5x"]) == [
        "007",
        "16",
        "0.5",
        "e5",
        "1e5x",
    ]
