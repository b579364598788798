"""Earlier sweeps as they are handed to an optimizer, and how their trials stand to each other.

Scores of different sweeps, or of different days, are never compared: what counts is the order of
the trials within a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from hpo_nni.space.parameters import NestedChoice, Scalar

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.space import SearchSpace
    from hpo_nni.space.parameters import Parameter

HALF_LIFE = 7  # days of a window, after which a day counts half
_NORMAL = NormalDist()


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of an earlier sweep.

    Attributes:
        name: what people call it.
        point: its parameters, of the space of then.
        scores: by day (fold, source), in today's direction; a trial that was stopped early has
            fewer of them than its peers. One score under any name where there are no days.
        is_complete: whether it ran to its end.
    """

    name: str
    point: Mapping[str, Any]
    scores: Mapping[str, float]
    is_complete: bool = True


@dataclass(frozen=True)
class EarlierSweep:
    """An experiment before this one, with its trials in their order."""

    name: str
    trials: Sequence[EarlierTrial]


def standings(trials: Sequence[EarlierTrial], direction: Direction) -> list[float]:
    """How each trial stands in its sweep: the lower, the better; about standard normal.

    On the first day, the trials' ranks become normal scores. On each further one, those that were
    still there change places among themselves: they keep the scores that they had as a group, so
    that the last of the survivors does not look worse than what was stopped before. A trial stands
    at the mean over its days, in which a day counts half after each `HALF_LIFE`.

    Days are ordered by how many trials have them, then by name.

    >>> from hpo_nni.direction import Direction
    >>> trials = [EarlierTrial("a", {}, {"1": 0.9}), EarlierTrial("b", {}, {"1": 0.1, "2": 5})]
    >>> [round(one, 2) for one in standings(trials, Direction.MINIMIZE)]
    [0.67, -0.67]
    """
    days = sorted({day for trial in trials for day in trial.scores})
    count = {day: sum(day in trial.scores for trial in trials) for day in days}
    totals, weights = [0.0] * len(trials), [0.0] * len(trials)
    for day in sorted(days, key=lambda day: (-count[day], day)):
        there = [index for index, trial in enumerate(trials) if day in trial.scores]
        losses = {index: -direction.sign * trials[index].scores[day] for index in there}
        places = [_NORMAL.inv_cdf((rank + 0.5) / len(there)) for rank in range(len(there))]
        if all(weights[index] for index in there):
            places = sorted(totals[index] / weights[index] for index in there)
        weight = 0.5 ** ((len(days) - 1 - days.index(day)) / HALF_LIFE)
        for index, place in _placed(losses, places):
            totals[index] += weight * place
            weights[index] += weight
    return [
        total / weight if weight else 0.0 for total, weight in zip(totals, weights, strict=True)
    ]


def remapped(
    point: Mapping[str, Any],
    space: SearchSpace,
    defaults: Mapping[str, Any],
    rng: random.Random,
) -> tuple[dict[str, Any], bool]:
    """An earlier point in today's space, and whether it is the same point.

    Keys that the space has no more are dropped. For those that it had not yet, `defaults` has the
    value of then; without one, any value does, and is drawn. Numbers outside their range go to the
    nearest value in it: then it is another point.

    Raises:
        ValueError: a choice has no such option any more.

    >>> import random
    >>> from hpo_nni.space import parse_space
    >>> space = parse_space({"x": {"_type": "uniform", "_value": [0, 1]}})
    >>> remapped({"x": 7, "y": 1}, space, {}, random.Random(1))
    ({'x': 1.0}, False)
    """
    values, same = {}, True
    for key, parameter in space.items():
        if key in point:
            values[key], is_same = _fitted(parameter, point[key], rng)
            same &= is_same
        elif key in defaults and parameter.contains(defaults[key]):
            values[key] = defaults[key]
        else:
            values[key] = parameter.sample(rng)
    return values, same


def _fitted(parameter: Parameter, value: Any, rng: random.Random) -> tuple[Any, bool]:
    if parameter.contains(value):
        return value, True
    if isinstance(parameter, Scalar):
        return parameter.from_unit(parameter.to_unit(value)), False
    assert isinstance(parameter, NestedChoice)
    name = value.get("_name") if isinstance(value, dict) else value
    if not isinstance(name, str) or name not in parameter.branches:
        raise ValueError(f"{name!r} is none of the options {list(parameter.branches)!r}")
    branch: dict[str, Any] = {}
    same = True
    for key, one in parameter.branches[name].items():
        if isinstance(value, dict) and key in value:
            branch[key], is_same = _fitted(one, value[key], rng)
            same &= is_same
        else:
            branch[key] = one.sample(rng)
    return {"_name": name} | branch, same


def _placed(losses: Mapping[int, float], places: Sequence[float]) -> list[tuple[int, float]]:
    """Trials with their places, the least loss at the first; equal losses share theirs."""
    placed, begun = [], 0
    for _, group in groupby(sorted(losses, key=losses.__getitem__), key=losses.__getitem__):
        equal = list(group)
        shared = places[begun : begun + len(equal)]
        placed += [(index, sum(shared) / len(shared)) for index in equal]
        begun += len(equal)
    return placed
