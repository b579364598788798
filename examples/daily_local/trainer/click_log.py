"""A click log, day by day, from a documented model whose truth drifts.

On every day 4,000 impressions are shown. An impression has a value in each of five fields; value r
of a field with n values occurs with a probability proportional to 1 / (r + 3), and which value is
the r-th most frequent turns by one place every four days, as new items replace old ones.

Each value has a weight w and a vector v of three numbers. On day t (days since 2026-01-01)

    w(t) = w0 cos(s t) + w1 sin(s t),   v(t) = v0 cos(s t) + v1 sin(s t),

where w0, w1 ~ N(0, 1), v0, v1 ~ N(0, 0.5), drawn once and for all, and s is the field's speed:
0 for the position, 0.015 for user groups and hours, 0.05 for categories, 0.1 for items. The click
is Bernoulli with

    logit = -1.2 + 0.7 sum w(t) + sum over pairs v(t) . v'(t).

The same day always has the same impressions and clicks.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

ROWS = 4000
_EPOCH = date(2026, 1, 1)
_LATENT = 3


class Field(NamedTuple):
    """A categorical feature: how many values it has, and how fast its truth turns, in rad a day."""

    size: int
    speed: float


FIELDS = {
    "user_group": Field(60, 0.015),
    "item": Field(120, 0.1),
    "category": Field(12, 0.05),
    "hour": Field(24, 0.015),
    "position": Field(8, 0.0),
}


class Day(NamedTuple):
    """One day's log.

    Attributes:
        values: integers, (ROWS, len(FIELDS)).
        clicks: 0.0 or 1.0, (ROWS,).
    """

    values: np.ndarray
    clicks: np.ndarray


def read_day(day: date) -> Day:
    """Return the log of a day."""
    t = (day - _EPOCH).days
    rng = np.random.default_rng([2026, day.toordinal()])
    truth = np.random.default_rng(20260101)
    values = np.empty((ROWS, len(FIELDS)), dtype=np.int64)
    linear, latent, squares = np.zeros(ROWS), np.zeros((ROWS, _LATENT)), np.zeros(ROWS)
    for column, field in enumerate(FIELDS.values()):
        popularity = 1.0 / (np.arange(field.size) + 3.0)
        ranks = rng.choice(field.size, size=ROWS, p=popularity / popularity.sum())
        values[:, column] = (ranks + t // 4) % field.size
        cosine, sine = np.cos(field.speed * t), np.sin(field.speed * t)
        weights = truth.normal(size=(2, field.size))
        vectors = truth.normal(scale=0.5, size=(2, field.size, _LATENT))
        linear += (weights[0] * cosine + weights[1] * sine)[values[:, column]]
        chosen = (vectors[0] * cosine + vectors[1] * sine)[values[:, column]]
        latent += chosen
        squares += (chosen**2).sum(axis=1)
    logit = -1.2 + 0.7 * linear + ((latent**2).sum(axis=1) - squares) / 2.0
    clicks = (rng.random(ROWS) < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64)
    return Day(values, clicks)


def days_between(first: date, last: date) -> list[date]:
    """All days from the first to the last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
