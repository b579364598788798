"""Losses as models like them: without heavy tails, the best ones well apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hpo_nni.optimizers.arrays import Array


_POWERS = np.linspace(-1.0, 2.0, 13)


def warp(losses: Array) -> Array:
    """Losses on a scale of mean 0 and variance 1; their order stays.

    What is worse than the median is drawn in (its logarithm counts), for how bad a bad point is
    tells little of where the good ones are. Then Yeo and Johnson's power transformation of the
    greatest likelihood makes the rest as normal as it can be.
    """
    if len(losses) < 2 or np.ptp(losses) <= 0:
        return np.zeros(len(losses))
    median, best = np.median(losses), losses.min()
    unit = median - best if median > best else np.ptp(losses)
    scaled = (losses - median) / unit
    scaled = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0.0)), scaled)
    scaled = (scaled - scaled.mean()) / scaled.std()
    powered = max((_power(scaled, power) for power in _POWERS), key=lambda made: made[1])[0]
    return np.asarray((powered - powered.mean()) / powered.std())


def _power(values: Array, power: float) -> tuple[Array, float]:
    """Yeo and Johnson's transformation, and its log likelihood."""
    up, down = np.maximum(values, 0.0), np.maximum(-values, 0.0)
    rise = np.log1p(up) if abs(power) < 1e-9 else ((1 + up) ** power - 1) / power
    other = 2.0 - power
    fall = np.log1p(down) if abs(other) < 1e-9 else ((1 + down) ** other - 1) / other
    made = rise - fall
    spread = made.var()
    if spread < 1e-12 or not np.isfinite(spread):
        return values, -np.inf
    jacobian = (power - 1.0) * (np.log1p(up) - np.log1p(down)).sum()
    return made, float(-0.5 * len(values) * np.log(spread) + jacobian)
