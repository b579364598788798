from __future__ import annotations

import pytest

from hpo_nni.costs import Prices, money

TABLE = Prices("CNY", {"cpu": 0.5, "gpu": 10.0, "gpu:v100": 20.0})


@pytest.mark.parametrize(
    ("resources", "rate"),
    [
        ({"cpu": 4.0}, 2.0),
        ({"gpu": 2.0}, 20.0),
        ({"gpu:v100": 2.0}, 40.0),
        ({"gpu:a10": 2.0}, 20.0),  # a type without a price of its own
        ({"memory": 64.0, "cpu": 1.0}, 0.5),
        ({"memory": 64.0}, None),
        ({}, None),
    ],
)
def test_a_rate_adds_up_what_has_a_price(resources, rate):
    assert TABLE.rate(resources) == rate


def test_a_price_of_zero_is_a_price():
    assert Prices("", {"cpu": 0.0}).rate({"cpu": 4}) == 0.0


def test_every_job_has_the_price_of_a_job():
    assert Prices("", {"job": 3.0, "cpu": 1.0}).rate({"cpu": 2}) == 5.0
    assert Prices("", {"job": 3.0}).rate({}) == 3.0


def test_small_amounts_keep_two_digits():
    assert [money(amount) for amount in (0.0, 0.00456, 0.1, 99.999)] == [
        "0.00",
        "0.0046",
        "0.10",
        "100.00",
    ]
