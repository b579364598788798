"""How much a point promises, and where the promise is greatest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.cube import Cube


_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_ROOT_HALF_PI = math.sqrt(math.pi / 2)


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """The logarithm of how much lower than `best` the loss will be on average.

    It stays exact where the improvement itself would vanish (Ament et al.: Unexpected improvements
    to expected improvement, 2023).
    """
    z = (best - mean) / deviation
    far = np.minimum(z, -1.0)
    # phi(z) + z Phi(z) = phi(z) (1 + z sqrt(pi/2) erfcx(-z/sqrt 2)), without cancellation for z<-1
    tail = np.log1p(np.maximum(_ROOT_HALF_PI * far * erfcx(-far / math.sqrt(2)), -1 + 1e-300))
    near = np.maximum(z, -1.0)
    body = np.log(np.exp(-0.5 * near**2 - _HALF_LOG_2PI) + near * ndtr(near))
    logs = np.where(z < -1, -0.5 * z**2 - _HALF_LOG_2PI + tail, body)
    return np.asarray(logs + np.log(deviation))


def log_chance_below(mean: Array, deviation: Array, limit: float) -> Array:
    """The logarithm of the chance that a normal number is below the limit."""
    return np.asarray(log_ndtr((limit - mean) / deviation))


class Region(Protocol):
    """A part of a cube."""

    def scatter(self, units: Array) -> Array:
        """Canonical rows from uniform numbers in [0, 1)."""
        ...


@dataclass(frozen=True)
class Prospect:
    """What is hoped for, and where to look for it.

    Attributes:
        promise: of rows.
        good: rows to look around.
        region: where half of the scattered rows are drawn; None for nowhere in particular.
    """

    promise: Callable[[Array], Array]
    good: Array
    region: Region | None = None


@dataclass(frozen=True)
class Effort:
    """How long to search; counts, so that the same seed finds the same point on any machine.

    Attributes:
        scattered: how many rows are drawn from the whole cube.
        near: how many changes of each of the best known rows.
        elites: how many places are climbed from.
        rounds: how often each is changed, `changes` times a round.
    """

    scattered: int = 500
    near: int = 40
    elites: int = 6
    rounds: int = 8
    changes: int = 24


def climb(cube: Cube, prospect: Prospect, rng: np.random.Generator, effort: Effort) -> Array:
    """Rows of great promise, the greatest first.

    Args:
        cube: which they are in.
        prospect: what promises, and where to look.
        rng: draws and changes rows.
        effort: how long to search.
    """
    promise, known = prospect.promise, prospect.good
    units = rng.random((effort.scattered, cube.dimensions))
    rows = cube.scatter(units)
    if prospect.region is not None:
        rows[::2] = prospect.region.scatter(units[::2])
    if len(known):
        changed = [mutate(cube, known, scale, rng, effort.near) for scale in (0.03, 0.15)]
        rows = np.vstack([rows, *changed])
    rows = np.unique(rows, axis=0)
    values = promise(rows)
    for turn in range(effort.rounds):
        order = np.argsort(-values, kind="stable")
        top = rows[order[: effort.elites]]
        scale = 0.2 * 0.5**turn
        rows = np.vstack([rows[order[:100]], mutate(cube, top, scale, rng, effort.changes)])
        rows, first = np.unique(rows, axis=0, return_index=True)
        old = first < min(len(order), 100)
        merged = np.empty(len(rows))
        merged[old] = values[order[first[old]]]
        if not old.all():
            merged[~old] = promise(rows[~old])
        values = merged
    return rows[np.argsort(-values, kind="stable")]


def mutate(cube: Cube, rows: Array, scale: float, rng: np.random.Generator, copies: int) -> Array:
    """Copies of rows with some coordinates changed: numbers moved by about `scale`, names drawn."""
    many = np.repeat(rows, copies, axis=0)
    count, width = many.shape
    chance = rng.choice([1.0 / width, min(1.0, 2.5 / width), 0.6], size=(count, 1))
    taken = rng.random((count, width)) < chance
    taken[np.arange(count), rng.integers(width, size=count)] = True
    moved = many + scale * rng.standard_normal((count, width))
    fresh = cube.scatter(rng.random((count, width)))
    for index, axis in enumerate(cube.axes):
        if not axis.is_ordered:
            moved[:, index] = fresh[:, index]
        elif len(axis.places) > 1:
            gap = 1.0 / len(axis.places)
            step = np.sign(moved[:, index] - many[:, index])
            far = np.abs(moved[:, index] - many[:, index]) > gap / 2
            moved[:, index] = np.where(far, moved[:, index], many[:, index] + step * gap)
    there = cube.exists(many)  # what a change of branch brings into being has no place yet
    moved = np.where(there, moved, fresh)
    return cube.canonical(np.where(taken | ~there, moved, many))
