"""What trials are worth by the days that they have run, and how sure that is.

The score of a trial on a day is taken as the trial's level, plus the day's, plus noise. An easy day
so favours nobody, and a trial is compared by differences within days only. The noise is told by
what is left over, pooled over all trials. What is left over may have a slope along the days: then
trials change places, and few days tell less of all days. The trials' levels scatter; how widely, is
told by themselves, and draws the level of a trial with few days towards the mean of all.

All scores here are oriented: larger is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hpo_nni.stopping.base import History

    Array = NDArray[np.float64]

LEAST_FREEDOM = 3  # degrees of freedom from which the noise can be told
ROUNDS = 8  # of the fit that goes to and fro between trials and days
SPREAD_ROUNDS = 6
FEW_TRIALS = 12  # below, their scatter may be larger than it looks
ROUNDING = 1e-9  # of a score: the least noise there is
SOME_DAYS = 4  # of fewer, too little is left over to have tails
PLACES = np.linspace(-6.0, 6.0, 97)  # in standard deviations: where a chance is summed up


@dataclass(frozen=True)
class Days:
    """The scores of trials by days.

    Attributes:
        scores: trials by days, 0 where a trial lacks a day.
        present: 1 where a trial has a day, else 0; of the same shape.
        sign: 1, or -1 where the scores were turned to make larger ones better.
    """

    scores: Array
    present: Array
    sign: int = 1

    @classmethod
    def of(cls, histories: Sequence[History], sign: int) -> Days:
        """Put histories side by side; each has at least one step."""
        lengths = [len(history.steps) for history in histories]
        rows = np.repeat(np.arange(len(histories)), lengths)
        steps = np.concatenate([history.steps for history in histories])
        days, columns = np.unique(steps, return_inverse=True)
        scores = np.zeros((len(histories), len(days)))
        present = np.zeros_like(scores)
        scores[rows, columns] = np.concatenate([history.scores for history in histories])
        present[rows, columns] = 1.0
        return cls(sign * scores, present, sign)

    def without(self, row: int, column: int) -> Days:
        """The same, as if a trial had not had a day."""
        scores, present = self.scores.copy(), self.present.copy()
        scores[row, column] = present[row, column] = 0.0
        return Days(scores, present, self.sign)

    def difference(self, row: int, other: int) -> tuple[float, int]:
        """The mean difference of two trials on common days, as users see it, and their number."""
        common = (self.present[row] * self.present[other]) > 0
        days = int(common.sum())
        gap = float((self.scores[row] - self.scores[other])[common].mean()) if days else 0.0
        return self.sign * gap, days


@dataclass(frozen=True)
class Worth:
    """A normal distribution of each trial's worth.

    Attributes:
        means, deviations: one for each trial.
        noise: the standard deviation of a score around trial and day.
        drift: that of the slopes along the days.
        left: what is left over of each score when trial and day are taken away.
    """

    means: Array
    deviations: Array
    noise: float
    drift: float
    left: Array

    @classmethod
    def of(cls, days: Days) -> Worth | None:
        """None while noise and scatter cannot be told apart."""
        counts = days.present.sum(1)
        freedom = int(days.present.sum()) - sum(days.present.shape) + 1
        if freedom < LEAST_FREEDOM:
            return None
        levels, left = _additive(days)
        rounding = (ROUNDING * float(np.abs(days.scores).max())) ** 2 + np.finfo(float).tiny
        noise = float((left**2).sum()) / freedom * _unsure(freedom) + rounding
        drift = _drift(days, left, noise)
        variances = noise / counts + drift * ((counts.max() - counts) / 2) ** 2
        mean, scatter = _scatter(levels, variances)
        if scatter <= 0.0:
            return None
        kept = scatter / (scatter + variances)
        return cls(
            mean + kept * (levels - mean),
            np.sqrt(np.maximum(kept * variances, np.finfo(float).tiny)),
            math.sqrt(noise),
            math.sqrt(drift),
            left,
        )

    @property
    def tails(self) -> float:
        """The excess kurtosis of what is left over of trials with some days; 0 for normal noise."""
        left = self.left[(self.left != 0).sum(1) >= SOME_DAYS]
        spread = float((left**2).sum())
        return int((left != 0).sum()) * float((left**4).sum()) / spread**2 - 3 if spread else 0.0

    def chance(self, row: int) -> float:
        """How probable it is that a trial is better than all others."""
        places = self.means[row] + self.deviations[row] * PLACES
        others = np.arange(len(self.means)) != row
        below = log_ndtr((places[:, None] - self.means[others]) / self.deviations[others])
        density = np.exp(-(PLACES**2) / 2)
        return float((density * np.exp(below.sum(1))).sum() / density.sum())

    def best_but(self, row: int) -> int:
        """The other trial with the highest mean."""
        return int(np.where(np.arange(len(self.means)) == row, -np.inf, self.means).argmax())


def _additive(days: Days) -> tuple[Array, Array]:
    """The trials' levels, and what is left over where there is a score."""
    scores, present = days.scores, days.present
    per_trial, per_day = present.sum(1), present.sum(0)
    of_days = scores.sum(0) / per_day
    levels = np.zeros(len(scores))
    for _ in range(ROUNDS):
        levels = (scores.sum(1) - present @ of_days) / per_trial
        of_days = (scores.sum(0) - levels @ present) / per_day
    return levels, (scores - levels[:, None] - of_days) * present


def _unsure(freedom: int) -> float:
    """How much larger a variance may be than it was found with few degrees of freedom."""
    return freedom / (freedom - 2) if freedom > LEAST_FREEDOM + 1 else 3.0


def _drift(days: Days, left: Array, noise: float) -> float:
    """The variance of the slopes that trials have along the days, beyond what noise explains."""
    places = np.arange(left.shape[1])
    middles = (days.present @ places) / days.present.sum(1)
    arms = (places - middles[:, None]) * days.present
    lengths = (arms**2).sum(1)
    long = lengths > 0
    explained = noise * max(1, int(long.sum()) - 1)
    found = float((((arms * left).sum(1)[long]) ** 2 / lengths[long]).sum())
    return max(0.0, found - explained) / float(lengths.sum())


def _scatter(levels: Array, variances: Array) -> tuple[float, float]:
    """Mean and variance of the trials' true levels, from levels with these errors."""
    scatter = 0.0
    mean = 0.0
    for _ in range(SPREAD_ROUNDS):
        weights = 1 / (variances + scatter)
        mean = float((weights * levels).sum() / weights.sum())
        surplus = weights**2 * ((levels - mean) ** 2 - variances)
        scatter = max(0.0, float(surplus.sum() / (weights**2).sum()))
    trials = len(levels)
    if trials < FEW_TRIALS:
        scatter *= (trials + 1) / max(trials - 2, 1)
    return mean, scatter
