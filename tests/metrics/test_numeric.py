from __future__ import annotations

import math
import re

import pytest

from hpo_nni.metrics.numeric import NUMBER, step_keys, to_number, to_step


@pytest.mark.parametrize(
    "text, number",
    [
        ("0.91", "0.91"),
        ("-3", "-3"),
        ("+1e-05,", "+1e-05"),
        ("9.5E+3 ", "9.5E+3"),
        (".5", ".5"),
        ("5.", "5."),
        ("nan", "nan"),
        ("NaN,", "NaN"),
        ("-inf", "-inf"),
        ("Infinity", "Infinity"),
        ("0.91e", "0.91"),
        ("information", None),
        ("nano", None),
        ("none", None),
        ("-", None),
    ],
)
def test_the_beginning_of_a_text_that_is_a_number(text, number):
    match = re.match(NUMBER, text)
    assert (match and match[0]) == number


@pytest.mark.parametrize(
    "value, number",
    [
        (1, 1.0),
        ("0.5", 0.5),
        (" 1e-3 ", 0.001),
        ("inf", math.inf),
        (True, None),
        (None, None),
        ("", None),
        ([1], None),
        (10**400, None),
    ],
)
def test_what_counts_as_a_number(value, number):
    assert to_number(value) == number


@pytest.mark.parametrize(
    "value, step",
    [
        (7, 7),
        (7.0, 7),
        ("1e3", 1000),
        ("12", 12),
        (2**60 + 1, 2**60 + 1),
        (0.5, None),
        ("nan", None),
        (math.inf, None),
        (True, None),
        (None, None),
    ],
)
def test_what_counts_as_a_step(value, step):
    assert to_step(value) == step


def test_a_users_step_key_is_the_only_one():
    assert step_keys("iteration") == ("iteration",)
    assert step_keys("") == ("step", "global_step", "epoch")
