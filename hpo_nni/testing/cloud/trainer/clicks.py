"""The click data that stand for the tables of a user.

The model, for every table and every label:

- A feature f has `5 + crc32(f) % 25` values; value r occurs with a probability proportional to
  1 / (r + 5).
- Every value has a weight w ~ N(0, 1) and a vector v ~ N(0, 1) of four numbers, drawn from the
  names of feature and label only, so that tables for training and evaluation share one truth.
- The day of a partition (the first number of six or more digits in it, else 0) turns the weights
  slowly: w(t) = w cos(0.02 t) + u sin(0.02 t), with u ~ N(0, 1), t = day mod 100.
- With k features: logit = -1 + 1.5 sum(w(t)) / sqrt(k) + sum over pairs(v . v') / 2k; the label
  is 1 with probability 1 / (1 + exp(-logit)).

Which values a sample has is drawn from the table's name, the partition and the feature's name.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LATENT = 4


@dataclass(frozen=True)
class Clicks:
    """Samples.

    Attributes:
        values: one row for each sample, one column for each feature.
        labels: one row for each sample, one column for each label.
    """

    values: NDArray[np.int64]
    labels: NDArray[np.float64]


def vocabulary(feature: str) -> int:
    """How many values a feature has."""
    return 5 + zlib.crc32(feature.encode()) % 25


def clicks(table: str, rows: int, features: Sequence[str], labels: Sequence[str]) -> Clicks:
    """The samples of a table, given as `odps://project/tables/name[/partition]`."""
    values = np.stack([_values(table, rows, feature) for feature in features], axis=1)
    columns = []
    for label in labels:
        logit = _logit(values, features, label, _day(table))
        chance = _source(table, "label", label).random(rows)
        columns.append((chance < 1.0 / (1.0 + np.exp(-logit))).astype(np.float64))
    return Clicks(values, np.stack(columns, axis=1))


def together(parts: Sequence[Clicks]) -> Clicks:
    """Samples of several tables, one after the other."""
    return Clicks(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _values(table: str, rows: int, feature: str) -> NDArray[np.int64]:
    size = vocabulary(feature)
    weight = 1.0 / (np.arange(size) + 5.0)
    drawn = _source(table, "value", feature).choice(size, size=rows, p=weight / weight.sum())
    return drawn.astype(np.int64)


def _logit(
    values: NDArray[np.int64], features: Sequence[str], label: str, day: int
) -> NDArray[np.float64]:
    count, angle = len(features), 0.02 * (day % 100)
    linear = np.zeros(len(values))
    latent = np.zeros((len(values), _LATENT))
    squares = np.zeros(len(values))
    for place, feature in enumerate(features):
        source, size = _source("truth", feature, label), vocabulary(feature)
        weights = source.normal(size=size) * np.cos(angle)
        weights += source.normal(size=size) * np.sin(angle)
        vectors = source.normal(size=(size, _LATENT))[values[:, place]]
        linear += weights[values[:, place]]
        latent += vectors
        squares += (vectors**2).sum(axis=1)
    pairs: NDArray[np.float64] = ((latent**2).sum(axis=1) - squares) / 2.0
    logit: NDArray[np.float64] = -1.0 + 1.5 * linear / np.sqrt(count) + pairs / (2.0 * count)
    return logit


def _day(table: str) -> int:
    found = re.search(r"\d{6,}", table.partition("/tables/")[2].partition("/")[2])
    return int(found[0]) if found else 0


def _source(*names: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()) for name in names])
