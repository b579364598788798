"""What an experiment will cost in all, and whether its budget has room for another trial.

Both go by the trials there have been. Nothing is guessed: where none has ended there is no
forecast, and a budget can then only say what the trials cost at least.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Student's t: 0.95 quantile for 1, 2, ... degrees of freedom; beyond, see _quantile
_T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
_Z95 = 1.6449
_ROUNDING = 1e-9  # of the budget; sums of floats


@dataclass(frozen=True)
class Forecast:
    """What an experiment will have cost at its end.

    Attributes:
        expected: if the trials to come cost what those before did on average.
        low, high: where the total lies in nine of ten cases, if the trials to come are like those
            before; `high` is None where a single trial has ended, which tells nothing of how much
            they differ.
        basis: how many ended trials that goes by.
    """

    low: float
    expected: float
    high: float | None
    basis: int


@dataclass(frozen=True)
class Room:
    """Whether a budget has room for another trial.

    Attributes:
        need: what a whole trial is taken to cost; at least that, where none has succeeded.
        spent: so far.
        committed: what running and awaited trials are taken to cost yet.
    """

    is_there: bool
    need: float
    spent: float
    committed: float


def forecast(ended: Sequence[float], running: Sequence[float], to_come: int) -> Forecast | None:
    """Say what all trials together will cost; None while none has ended.

    The range is the prediction interval of a sum of normal variables whose mean and deviation are
    estimated from the ended trials (Student's t), and never below what is spent.

    Args:
        ended: the costs of the trials that have ended, however they did.
        running: what the running ones have cost so far.
        to_come: how many will begin yet.

    >>> forecast([2.0, 2.0], [1.0], 3)
    Forecast(low=12.0, expected=12.0, high=12.0, basis=2)
    """
    if not ended:
        return None
    mean, count, left = statistics.fmean(ended), len(ended), len(running) + to_come
    spent = sum(ended) + sum(running)
    expected = sum(ended) + sum(max(mean, so_far) for so_far in running) + to_come * mean
    if left == 0:
        return Forecast(spent, spent, spent, count)
    if count == 1:
        return Forecast(spent, expected, None, count)
    deviation = statistics.stdev(ended)
    half = _quantile(count - 1) * deviation * math.sqrt(left + left * left / count)
    return Forecast(max(spent, expected - half), expected, expected + half, count)


def judge_budget(
    budget: float,
    ended: Sequence[float],
    running: Sequence[float],
    *,
    awaited: int = 0,
    trial_cost: float = 0.0,
) -> Room:
    """Say whether another trial can be run to its end within a budget.

    A whole trial is taken to cost as much as the dearest one so far, ended or not, or what the user
    says, whichever is more; every running trial is taken to become as dear. So if no trial costs
    more than that, the budget is never exceeded; and if one does, no further one is started, and
    only trials that run already spend beyond it.

    Args:
        budget: what may be spent in all.
        ended: the costs of the trials that have ended.
        running: what the running ones have cost so far.
        awaited: how many are about to begin.
        trial_cost: what the user says that a trial costs; 0 for nothing said.

    >>> judge_budget(10, [3.0], [1.0]).is_there, judge_budget(8, [3.0], [1.0]).is_there
    (True, False)
    """
    need = max([trial_cost, *ended, *running])
    spent = sum(ended) + sum(running)
    committed = sum(need - so_far for so_far in running) + awaited * need
    is_there = spent + committed + need <= budget * (1 + _ROUNDING) and spent < budget
    return Room(is_there, need, spent, committed)


def _quantile(freedom: int) -> float:
    """Student's t at 0.95; beyond the table by Cornish and Fisher's expansion, two terms."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    first = (_Z95**3 + _Z95) / 4
    second = (5 * _Z95**5 + 16 * _Z95**3 + 3 * _Z95) / 96
    return _Z95 + first / freedom + second / freedom**2
