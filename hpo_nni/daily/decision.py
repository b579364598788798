"""Ship or keep: a one-sided test of paired differences, day by day.

Two tests must agree, for each covers what the other takes for granted.

1. The sign-flip test (Fisher 1935; Pitman 1937): if neither configuration is better, each day's
   difference is as likely with the other sign. Exact for any such distribution, light tails and
   heavy, if the days are independent.
2. Student's test with a standard error for days that are not: a chain of models carries a part of
   today's difference over to tomorrow. The variance of the mean and of the sample are those of a
   first-order autoregression with the stated coefficient, the degrees of freedom Satterthwaite's
   (Satterthwaite 1946; for quadratic forms, Box 1954). A smaller carry-over makes it conservative.
   The worst that can happen under heavy tails is one shock that fades day by day: up to
   `MOST_CARRY_OVER` that alone has a p value of 0.1 at least, so it never ships.

The p value is the larger of the two, times the number of challengers compared (Bonferroni).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

HIGHEST_LEVEL = 0.05  # above it, heavy tails that carry over were seen to ship too often
MOST_CARRY_OVER = 0.7
EXACT = 16  # days up to which all flips are tried, and not a sample of them


@dataclass(frozen=True)
class Terms:
    """What a challenger must show.

    Attributes:
        level: how often one that is no better may be shipped; above 0, at most HIGHEST_LEVEL.
        least_gain: what a difference must exceed, in units of the score.
        carry_over: the share of one day's difference that may still be there on the next day;
            from 0 to MOST_CARRY_OVER.
        challengers: how many are compared for one day.
    """

    level: float = 0.05
    least_gain: float = 0.0
    carry_over: float = 0.7
    challengers: int = 1

    @property
    def fewest_days(self) -> int:
        """With fewer held-out days than this, no difference whatever could ship.

        >>> Terms(0.05).fewest_days, Terms(0.05, challengers=3).fewest_days
        (5, 6)
        """
        flips = math.log2(self.challengers / self.level)
        return max(2, math.ceil(flips - 1e-9))


@dataclass(frozen=True)
class Verdict:
    """What the differences say.

    Attributes:
        ships: whether the challenger is to replace the champion.
        days: how many differences there were.
        difference: their mean; positive where the challenger is better.
        lower, upper: of the difference: an interval for the level, both sides; NaN where fewer than
            two days tell nothing.
        p_value: of no gain, all challengers accounted for; 1 where nothing can be told.
        comparisons: how many challengers that were.
        carried: the share that was seen to be carried over; NaN where it cannot be told.
    """

    ships: bool
    days: int
    difference: float
    lower: float
    upper: float
    p_value: float
    comparisons: int
    level: float
    carried: float

    def figures(self) -> dict[str, float]:
        """All of it that is a finite number, for the ledger."""
        found = {name: float(value) for name, value in vars(self).items() if name != "ships"}
        return {name: value for name, value in found.items() if math.isfinite(value)}


def judge(differences: Sequence[float], terms: Terms, comparisons: int = 1) -> Verdict:
    """Say whether the challenger ships.

    Args:
        differences: of each day on which both were scored, in the order of the days; positive where
            the challenger is better; finite.
        terms: what it must show.
        comparisons: how many challengers are compared for this day.

    >>> judge([0.011, 0.012, 0.010, 0.013, 0.011], Terms(level=0.05)).ships
    True
    >>> judge([0.011, -0.012, 0.010, 0.013, 0.011], Terms(level=0.05)).ships
    False
    """
    sample = np.asarray(differences, dtype=float)
    share = terms.level / comparisons
    days = len(sample)
    if days < 2:
        mean = float(sample.mean()) if days else math.nan
        return Verdict(
            False, days, mean, math.nan, math.nan, 1.0, comparisons, terms.level, math.nan
        )
    error, freedom = standard_error(sample, terms.carry_over)
    mean = float(sample.mean())
    reach = -float(special.stdtrit(freedom, share)) * error
    single = max(
        student(mean - terms.least_gain, error, freedom), sign_flip(sample - terms.least_gain)
    )
    p_value = min(1.0, single * comparisons)
    return Verdict(
        ships=p_value <= terms.level,
        days=days,
        difference=mean,
        lower=mean - reach,
        upper=mean + reach,
        p_value=p_value,
        comparisons=comparisons,
        level=terms.level,
        carried=_carried(sample),
    )


def standard_error(sample: npt.NDArray[np.float64], carry_over: float) -> tuple[float, float]:
    """The standard error of the mean of days in a row, and its degrees of freedom.

    Args:
        sample: at least two.
        carry_over: the coefficient of the autoregression.
    """
    inflation, freedom = _in_a_row(len(sample), carry_over)
    return math.sqrt(float(sample.var(ddof=1)) * inflation), freedom


@functools.lru_cache(maxsize=64)
def _in_a_row(days: int, carry_over: float) -> tuple[float, float]:
    """What the sample's variance is multiplied by for that of the mean; degrees of freedom."""
    lags = np.abs(np.subtract.outer(np.arange(days), np.arange(days)))
    correlation = np.where(lags > 0, carry_over ** np.maximum(lags, 1), 1.0)
    of_mean = float(correlation.sum()) / days**2
    spread = correlation - correlation.mean(axis=0)  # the centring matrix times it
    trace = float(np.trace(spread))
    return of_mean * (days - 1) / trace, trace**2 / float(np.trace(spread @ spread))


def student(gain: float, error: float, freedom: float) -> float:
    """The probability of so large a gain, or a larger one, where there is none."""
    if error == 0:
        return 0.0 if gain > 0 else 1.0
    return float(special.stdtr(freedom, -gain / error))


def sign_flip(gains: npt.NDArray[np.float64]) -> float:
    """The share of all choices of signs under which the sum is at least the one that was seen.

    Beyond `EXACT` days, of a fixed random sample of them with the one that was seen.

    >>> sign_flip(np.array([1.0, 2.0, 3.0]))
    0.125
    """
    days = len(gains)
    seen = math.fsum(gains) - 1e-12 * float(np.abs(gains).sum())
    signs = _signs(days)
    return float((signs @ gains >= seen).mean())


@functools.lru_cache(maxsize=2)
def _signs(days: int) -> npt.NDArray[np.float64]:
    """Choices of signs, a row each; the first is that of no flip."""
    if days <= EXACT:
        bits = (np.arange(2**days)[:, None] >> np.arange(days)) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, size=(2**EXACT, days))
        bits[0] = 0
    return np.where(bits, -1.0, 1.0)


def _carried(sample: npt.NDArray[np.float64]) -> float:
    """The first autocorrelation, as it was seen; too small on average, and wild for few days."""
    centred = sample - sample.mean()
    total = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum()) / total if total > 0 else math.nan
