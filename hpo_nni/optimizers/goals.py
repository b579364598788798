"""What is wanted of a point: one score, or several metrics at once, within limits.

Written as users do: `auc` is to be large, `-latency` small; `latency < 20` is a limit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpo_nni.direction import Direction
    from hpo_nni.optimizers.arrays import Array
    from hpo_nni.optimizers.base import Observation


SCORE = "default"  # the weighted score, as NNI calls it
_LIMIT = re.compile(r"\s*(?P<name>[^<>=]+?)\s*(?P<sign><=?|>=?)\s*(?P<limit>[-+.\deE]+)\s*")


@dataclass(frozen=True)
class Objective:
    """A metric with a direction: `sign * value` is a loss."""

    name: str
    sign: float


@dataclass(frozen=True)
class Limit:
    """A bound on a metric: `sign * value <= bound`."""

    name: str
    sign: float
    bound: float


@dataclass(frozen=True)
class Goals:
    """Objectives and limits.

    Attributes:
        losses_of: at least one.
        limits: of raw metrics.
    """

    losses_of: tuple[Objective, ...]
    limits: tuple[Limit, ...] = ()

    @classmethod
    def parse(
        cls,
        direction: Direction,
        objectives: Sequence[str] | None = None,
        constraints: Sequence[str] | None = None,
    ) -> Goals:
        """Read what a user wrote; without objectives, the score in this direction is the only one.

        Raises:
            SettingsError: with all faults.
        """
        problems: list[Problem] = []
        limits = [_limit(text, problems) for text in constraints or ()]
        names = [str(text).strip() for text in objectives or ()]
        hint = "as in [auc, -latency]: large auc, small latency"
        problems += [
            Problem("objectives", f"{name!r} names no metric", hint)
            for name in names
            if not name.lstrip("-").strip()
        ]
        bare = [name.lstrip("-").strip() for name in names]
        for name in sorted({name for name in bare if bare.count(name) > 1}):
            problems.append(Problem("objectives", f"{name} is there twice"))
        if problems:
            raise SettingsError(problems)
        made = [
            Objective(name, 1.0 if text.startswith("-") else -1.0)
            for name, text in zip(bare, names, strict=True)
        ]
        own = (Objective(SCORE, -1.0 * direction.sign),)
        return cls(tuple(made) or own, tuple(limit for limit in limits if limit))

    @property
    def objectives(self) -> int:
        """How many losses there are."""
        return len(self.losses_of)

    @property
    def width(self) -> int:
        """How many numbers of each observation count."""
        return len(self.losses_of) + len(self.limits)

    def losses(self, observation: Observation) -> Array:
        """The losses, then by how much each limit is passed; NaN for what is not known."""
        known = dict(observation.metrics)
        if observation.score is not None:
            known[SCORE] = observation.score
        numbers = [one.sign * known.get(one.name, math.nan) for one in self.losses_of]
        numbers += [one.sign * known.get(one.name, math.nan) - one.bound for one in self.limits]
        return np.array(numbers, dtype=float)


def _limit(text: str, problems: list[Problem]) -> Limit | None:
    match = _LIMIT.fullmatch(str(text))
    try:
        bound = float(match["limit"]) if match else math.nan
    except ValueError:
        bound = math.nan
    if match is None or not math.isfinite(bound):
        hint = "as in 'latency < 20' or 'auc >= 0.7'"
        problems.append(Problem("constraints", f"{text!r} is no limit on a metric", hint))
        return None
    sign = 1.0 if match["sign"].startswith("<") else -1.0
    return Limit(match["name"], sign, sign * bound)


def hypervolume(losses: Array, reference: Array) -> float:
    """How much of the box below `reference` is dominated by points, rows of losses.

    >>> hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    3.0
    """
    points = losses[(losses < reference).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    points = points[np.argsort(points[:, 0], kind="stable")]
    edges = [*points[:, 0], reference[0]]
    slices = (  # between two values of the first loss, what the other losses dominate so far
        (edges[k + 1] - edges[k]) * hypervolume(points[: k + 1, 1:], reference[1:])
        for k in range(len(points))
        if edges[k + 1] > edges[k]
    )
    return float(sum(slices))


def is_front(losses: Array) -> Array:
    """Which rows are dominated by no other one."""
    less = (losses[:, None, :] <= losses[None, :, :]).all(axis=2)
    strictly = (losses[:, None, :] < losses[None, :, :]).any(axis=2)
    return np.asarray(~(less & strictly).any(axis=0))
