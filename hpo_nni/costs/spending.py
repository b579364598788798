"""What trials have cost: running time times rate, apart for each way in which trials end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class TrialCost:
    """One trial up to now.

    Attributes:
        state: how it stands or ended: `running`, `succeeded`, `stopped`, `failed`, `cancelled`.
        seconds: for which its jobs have run, the time in queues left out.
        amount: what the jobs with a price have cost.
        unpriced: how many of its jobs have no price.
    """

    state: str
    seconds: float = 0.0
    amount: float = 0.0
    unpriced: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it may cost more."""
        return self.state == "running"


@dataclass(frozen=True)
class Part:
    """The trials of one state together."""

    trials: int = 0
    seconds: float = 0.0
    amount: float = 0.0
    unpriced: int = 0


def trial_cost(state: str, jobs: Iterable[tuple[float | None, float]]) -> TrialCost:
    """Add up the jobs of a trial.

    Args:
        state: how the trial stands.
        jobs: of each, what an hour of it costs (None for no price) and for how many seconds it ran.

    >>> trial_cost("failed", [(7.2, 1800.0), (None, 60.0)])
    TrialCost(state='failed', seconds=1860.0, amount=3.6, unpriced=1)
    """
    found = list(jobs)
    return TrialCost(
        state,
        sum(seconds for _, seconds in found),
        sum(rate * seconds / SECONDS_PER_HOUR for rate, seconds in found if rate is not None),
        sum(rate is None for rate, _ in found),
    )


def spending(trials: Iterable[TrialCost]) -> dict[str, Part]:
    """Add up trials by state, in the order in which the states first occur."""
    parts: dict[str, Part] = {}
    for trial in trials:
        part = parts.get(trial.state, Part())
        parts[trial.state] = Part(
            part.trials + 1,
            part.seconds + trial.seconds,
            part.amount + trial.amount,
            part.unpriced + trial.unpriced,
        )
    return parts
