from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_nni.daily.decision import (
    EXACT,
    HIGHEST_LEVEL,
    MOST_CARRY_OVER,
    Terms,
    judge,
    sign_flip,
    standard_error,
)

GAINS = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=8)


@given(GAINS)
def test_the_sign_flip_test_counts_all_choices_of_signs(gains):
    sums = [
        sum(s * g for s, g in zip(signs, gains, strict=True))
        for signs in product((1, -1), repeat=len(gains))
    ]
    tolerance = 1e-9

    counted = sign_flip(np.array(gains))

    assert counted >= sum(total >= sum(gains) + tolerance for total in sums) / len(sums)
    assert counted <= sum(total >= sum(gains) - tolerance for total in sums) / len(sums)


def test_beyond_what_can_be_counted_a_sample_of_flips_says_about_the_same():
    gains = np.random.default_rng(3).normal(0.3, 1, EXACT)

    sampled = sign_flip(np.append(gains, 0.0))  # a day without a difference changes nothing

    assert sampled == pytest.approx(sign_flip(gains), abs=0.01)


def test_without_carry_over_the_standard_error_is_students():
    sample = np.array([1.0, 2.0, 4.0, 8.0])

    error, freedom = standard_error(sample, 0.0)

    assert error == pytest.approx(sample.std(ddof=1) / 2)
    assert freedom == pytest.approx(3)


def test_days_that_carry_over_tell_less():
    sample = np.array([1.0, 2.0, 4.0, 8.0])

    assert standard_error(sample, 0.7)[0] > 2 * standard_error(sample, 0.0)[0]
    assert standard_error(sample, 0.7)[1] < 3


@pytest.mark.parametrize(
    ("differences", "ships"),
    [
        ([0.011, 0.012, 0.010, 0.013, 0.011], True),
        ([0.011, -0.012, 0.010, 0.013, 0.011], False),
        ([-0.011, -0.012, -0.010, -0.013, -0.011], False),
        ([0.01] * 5, True),  # days that agree exactly are not less than days that agree nearly
        ([0.01] * 4, False),  # four days have one sign once in 16 times by chance
        ([0.0] * 9, False),
        ([0.01], False),
        ([], False),
    ],
)
def test_a_challenger_ships_where_its_days_leave_no_doubt(differences, ships):
    assert judge(differences, Terms()).ships is ships


@pytest.mark.parametrize("carry_over", [0.0, 0.3, 0.5, MOST_CARRY_OVER])
@pytest.mark.parametrize("days", [5, 7, 14])
def test_one_good_day_that_fades_does_not_ship(days, carry_over):
    """Whatever its size: under heavy tails such a day is all that is seen."""
    fading = carry_over ** np.arange(days)

    assert not judge(fading, Terms(HIGHEST_LEVEL, carry_over=carry_over)).ships


def test_what_was_compared_beside_it_counts():
    differences = [0.011, 0.012, 0.010, 0.013, 0.011]

    alone, among = judge(differences, Terms()), judge(differences, Terms(), comparisons=2)

    assert (alone.ships, among.ships) == (True, False)
    assert among.p_value == pytest.approx(2 * alone.p_value)
    assert among.lower < alone.lower


def test_a_gain_that_is_too_small_to_matter_does_not_ship():
    differences = [0.011, 0.012, 0.010, 0.013, 0.011]

    assert not judge(differences, Terms(least_gain=0.011)).ships


@pytest.mark.parametrize("level", [0.05, 0.01, 1 / 32])
@pytest.mark.parametrize("challengers", [1, 3])
def test_with_the_fewest_days_something_can_ship_and_with_fewer_nothing_can(level, challengers):
    terms = Terms(level=level, challengers=challengers)
    days = terms.fewest_days

    assert judge([1.0] * days, terms, challengers).ships
    assert not judge([1.0] * (days - 1), terms, challengers).ships


def test_only_finite_figures_go_to_the_ledger():
    figures = judge([0.01], Terms()).figures()

    assert all(math.isfinite(value) for value in figures.values())
    assert figures["days"] == 1
    assert "lower" not in figures
