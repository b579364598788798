"""How probable it is that an unfinished learning curve ends above a target.

A small network, fitted to real learning curves, that sees nothing but ratios: what the trial has
gained lately, its noise, and what complete trials gained from the same step on, each in units of
what it lacks. So scores may be shifted and scaled, and an epoch may be any number of steps. How it
was fitted, on what, and how far it can be trusted: docs/adr/0013-the-risk-of-early-stopping.md.

Everything here is oriented: a larger score is better.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

NOISE_WINDOW = 8  # evaluations from which the noise of a curve is told
LEAST, MOST = -8.0, 5.0  # of the logarithm of a ratio


@dataclass(frozen=True)
class Prospect:
    """What a verdict is made from, beside the trial's own curve.

    Attributes:
        target: the score that has to be exceeded.
        progress: the share of a complete trial's steps that lies behind; above 0, below 1.
        ends: of complete trials, the best one first: what it ended with, and had at this step; at
            least one.
        ahead: how much any other trial, complete or not, has gained since this step; at least 0.
        better, peers: how many other trials have been at this step, and how many were better there.
    """

    target: float
    progress: float
    ends: Sequence[tuple[float, float]]
    ahead: float
    better: int
    peers: int


@dataclass(frozen=True)
class Curve:
    """A trial's own curve: its steps counted from the beginning, and its oriented scores."""

    steps: tuple[int, ...]
    scores: tuple[float, ...]

    @cached_property
    def bests(self) -> tuple[float, ...]:
        """The best score up to each step."""
        return tuple(accumulate(self.scores, max))

    @property
    def noise(self) -> float:
        """Half the mean absolute second difference of the last few scores."""
        last = self.scores[-NOISE_WINDOW - 2 :]
        bends = [abs(a - 2 * b + c) for a, b, c in zip(last, last[1:], last[2:], strict=False)]
        return sum(bends) / max(len(bends), 1) / 2

    @property
    def staleness(self) -> float:
        """The share of the evaluations since the best one."""
        newest_best = max(k for k, score in enumerate(self.scores) if score >= self.bests[k])
        return (len(self.scores) - 1 - newest_best) / len(self.scores)

    def best_at(self, share: float) -> float:
        """The best score up to a share of the steps so far; the first one where that is none."""
        before = bisect_right(self.steps, self.steps[-1] * share)
        return self.bests[max(before, 1) - 1]


def features(curve: Curve, level: float, prospect: Prospect) -> list[float]:
    """What the network sees; `level` is the score that counts now, and is below the target."""
    lack = prospect.target - level
    noise = curve.noise
    best = curve.bests[-1]
    half, quarter, late = curve.best_at(0.5), curve.best_at(0.25), curve.best_at(0.75)
    gain, gain_before = best - half, half - quarter
    doublings = -math.log2(prospect.progress)
    ratio = _clipped(_divided(gain + noise / 2, gain_before + noise / 2), 0.25, 2.0)
    growth = doublings if abs(ratio - 1) < 0.001 else ratio * (ratio**doublings - 1) / (ratio - 1)

    def log_ratio(amount: float) -> float:
        share = (max(amount, 0.0) + 0.05 * noise) / lack
        return _clipped(math.log(share), LEAST, MOST) if share > 0 else LEAST

    leader_final, leader = prospect.ends[0]
    gains = [final - value for final, value in prospect.ends]
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / len(gains))
    below = [final for final, value in prospect.ends if value <= level]
    away = [abs(value - level) for _, value in prospect.ends]
    nearest = min(away)
    near_gain = max(gain for gain, far in zip(gains, away, strict=True) if far == nearest)
    return [
        log_ratio(gain * doublings),  # each doubling of the steps gains as much again
        log_ratio(gain * growth),  # ... as much more or less than before as the last one did
        log_ratio(gain * 2 * (1 / prospect.progress - 1)),  # on in a straight line
        log_ratio(gain_before * doublings),
        log_ratio(noise),
        log_ratio(leader_final - leader),
        _clipped((leader - level) / lack, -3.0, 3.0),
        curve.staleness,
        log_ratio(best - curve.scores[-1]),
        log_ratio(best - level),
        doublings,
        math.log((prospect.better + 0.5) / (prospect.peers + 1)),
        math.log(prospect.peers + 1),
        log_ratio(best - late),
        log_ratio(prospect.ahead),
        log_ratio(max(gains)),
        log_ratio(mean),
        log_ratio(spread),
        _clipped((lack - mean) / (spread + 0.05 * noise + 0.001 * lack), -3.0, 12.0),
        # how far one came that stood no better at this step
        _clipped((max(below) - level) / lack, -2.0, 1.0) if below else -2.0,
        math.log((len(below) + 0.5) / (len(gains) + 1)),
        log_ratio(near_gain),  # of the complete trial that was most alike at this step
        _clipped(nearest / lack, 0.0, 3.0),
        math.log(len(gains)),
    ]


def probability(values: Sequence[float], *, best: bool) -> float:
    """What the network makes of the features: the chance to exceed the target.

    Args:
        values: as from `features`.
        best: whether a trial ends with its best score, and not with its last one.
    """
    model = fitted()["best" if best else "last"]
    scaled = [
        (value - mean) / scale
        for value, mean, scale in zip(values, model["means"], model["scales"], strict=True)
    ]
    hidden = [
        math.tanh(bias + sum(map(mul, scaled, weights)))
        for weights, bias in zip(model["hidden"], model["hidden_biases"], strict=True)
    ]
    total = model["output_bias"] + sum(map(mul, hidden, model["output"]))
    return 1 / (1 + math.exp(-_clipped(total, -700.0, 700.0)))


@lru_cache(maxsize=1)
def fitted() -> dict[str, Any]:
    """The constants by what trials end with, as benchmarks/stopping/fit.py wrote them."""
    text = Path(__file__).with_name("forecast.json").read_text(encoding="utf-8")
    model: dict[str, Any] = json.loads(text)
    return model


def allowed_chance(risk: float, *, best: bool) -> float:
    """How small a trial's chance must be before it is stopped, for a risk per experiment.

    Straight lines between the logarithms of the risks that were measured; below the smallest of
    them in proportion.

    Args:
        risk: above 0.
        best: whether a trial ends with its best score, and not with its last one, which is harder
            to foretell.
    """
    table = fitted()["best" if best else "last"]["chances"]  # rising pairs of risk and chance
    if risk <= table[0][0]:
        return float(table[0][1] * risk / table[0][0])
    for (low, a), (high, b) in pairwise(table):
        if risk < high:
            share = math.log(risk / low) / math.log(high / low)
            return float(math.exp(math.log(a) * (1 - share) + math.log(b) * share))
    return float(table[-1][1])


def _divided(a: float, b: float) -> float:
    return a / b if b > 0 else 1.0


def _clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
