"""Drift streams: what configurations score day by day, made from a seed. Fixed before any rule was.

This file was committed before the racing rule was written, and its strengths and seeds are not
changed afterwards: rules are developed on `DEVELOPMENT` seeds and reported on `SEEDS`.

A configuration is a point of the unit cube. Its quality on a day is a quadratic bowl around that
day's optimum, scaled so that qualities have a standard deviation of about 1. To it are added

    day          the day's own difficulty, the same for all: a week's wave and a normal draw
    interaction  what the day's mood (a normal draw) does to this configuration, linear in its point
    noise        of this configuration on this day

each with the strength that the stream gives. With `drift`, the optimum moves along a random
direction by that share of the cube's edge from the first day to the last.

The *truth* of a configuration is its quality, averaged over all days: no day, mood or noise. Trials
begin in the order of the pool, `SLOTS` at a time, and walk the days in order, until all trials
together have used `BUDGET` training days. What is recommended then is the complete trial with the
best mean score; if none is complete, the best mean among those that got furthest. *Regret* is the
best truth of the pool less that of what is recommended. A *false drop* is that the rule stopped the
trial with the best truth of all that had begun.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAYS = 21
POOL = 256
SLOTS = 4
BUDGET = 12 * DAYS
DIMENSIONS = 3
SEEDS = range(200)
DEVELOPMENT = range(10_000, 10_100)
# The peers: asynchronous successive halving with this reduction; rungs from each of these days on.
REDUCTION = 3
FIRST_RUNGS = (1, 3, 9)
LEVEL = 0.05


@dataclass(frozen=True)
class Strengths:
    """How strong each part of a stream is, in standard deviations of quality; drift in edges.

    Attributes:
        tails: whether the noise is Student's with 3 degrees of freedom, of the same standard
            deviation, and not normal.
    """

    day: float = 0.0
    interaction: float = 0.0
    drift: float = 0.0
    noise: float = 0.5
    tails: bool = False


STREAMS = {
    "no day effect": Strengths(),
    "weak day effect": Strengths(day=0.5),
    "strong day effect": Strengths(day=3.0),
    "interaction": Strengths(day=1.0, interaction=0.7),
    "drift": Strengths(day=1.0, drift=0.4),
    "heavy tails": Strengths(day=1.0, tails=True),
    "loud": Strengths(day=1.0, noise=1.5),
    "all of it": Strengths(day=2.0, interaction=0.5, drift=0.3, noise=0.7, tails=True),
}


@dataclass(frozen=True)
class Stream:
    """One draw.

    Attributes:
        scores: configurations by days; larger is better.
        truth: of each configuration.
    """

    scores: np.ndarray
    truth: np.ndarray


def draw(strengths: Strengths, seed: int) -> Stream:
    """The stream of a seed; one seed has the same points and noise at all strengths."""
    rng = np.random.default_rng([20260901, seed])
    points = rng.random((POOL, DIMENSIONS))
    optimum = rng.uniform(0.2, 0.8, DIMENSIONS)
    curvature = rng.uniform(0.3, 1.0, DIMENSIONS)
    direction = rng.normal(size=DIMENSIONS)
    direction /= np.linalg.norm(direction)
    way = np.linspace(-0.5, 0.5, DAYS)
    path = optimum + strengths.drift * way[:, None] * direction
    still = -((points - optimum) ** 2 @ curvature)
    quality = -((points[:, None, :] - path[None, :, :]) ** 2 @ curvature) / still.std()
    wave = np.sin(2 * np.pi * (np.arange(DAYS) + rng.integers(7)) / 7)
    day = 0.7 * wave + 0.7 * rng.normal(size=DAYS)
    taste = (points - 0.5) @ rng.normal(size=DIMENSIONS)
    mood = rng.normal(size=DAYS)
    normal = rng.normal(size=(POOL, DAYS))
    tailed = rng.standard_t(3, size=(POOL, DAYS)) / np.sqrt(3.0)
    scores = (
        quality
        + strengths.day * day
        + strengths.interaction * np.outer(taste / taste.std(), mood)
        + strengths.noise * (tailed if strengths.tails else normal)
    )
    return Stream(scores, quality.mean(1))
