"""Stop a trial that breaks a limit of its own, whatever the others do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import History

_GUARDRAIL = re.compile(
    r"\s*(?P<metric>\S.*?)\s*(?P<sign>[<>])\s*(?P<limit>[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)"
    r"(?:\s+for\s+(?P<times>[1-9]\d*)(?:\s+evaluations?)?)?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class GuardrailRule:
    """Stop when a raw metric was beyond a limit at each of its last `times` evaluations.

    Attributes:
        metric: it may have any weight, 0 too.
        above: True where too much is wrong, False where too little is.
        limit: a value that equals it is right.
        times: at least 1.
    """

    metric: str
    above: bool
    limit: float
    times: int = 1

    @classmethod
    def parse(cls, text: str) -> GuardrailRule:
        """Read `loss_play_time > 0.3 for 3`; without `for`, once is enough.

        >>> GuardrailRule.parse("loss > 0.3 for 3")
        GuardrailRule(metric='loss', above=True, limit=0.3, times=3)

        Raises:
            SettingsError: it is not of this form.
        """
        found = _GUARDRAIL.fullmatch(text)
        if found is None:
            raise SettingsError(
                [
                    Problem(
                        "guardrails",
                        f"{text!r} is not a limit",
                        "a metric, < or > for what is not allowed, a number, and for how many "
                        "evaluations in a row: 'loss_play_time > 0.3 for 3'",
                    )
                ]
            )
        times = int(found["times"] or 1)
        return cls(found["metric"], found["sign"] == ">", float(found["limit"]), times)

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:  # noqa: ARG002 - the seam's signature
        """Count the evaluations beyond the limit at the end of the metric's series."""
        series = trial.metrics.get(self.metric)
        what = f"{self.metric} {'above' if self.above else 'below'} {self.limit:g}"
        if series is None or not series.values:
            return Verdict(keep=True, reason=f"{self.metric} has not been measured yet")
        count = sum(1 for _ in takewhile(self._is_beyond, reversed(series.values)))
        keep = count < self.times
        reason = (
            f"{what} at {count} evaluation{'s'[: count != 1]} in a row, "
            f"{'fewer than' if keep else 'as many as'} the {self.times} of the guardrail; "
            f"now {series.values[-1]:.6g}"
        )
        figures = {
            "step": series.steps[-1],
            "value": series.values[-1],
            "limit": self.limit,
            "beyond": count,
            "times": self.times,
        }
        return Verdict(keep=keep, reason=reason, figures=figures)

    def _is_beyond(self, value: float) -> bool:
        return value > self.limit if self.above else value < self.limit


@dataclass(frozen=True)
class DivergenceRule:
    """Stop at once when a weighted metric is NaN or infinite.

    It needs a `nonfinite_policy` under which such a step does not end the trial by itself.
    """

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:  # noqa: ARG002 - the seam's signature
        """Look at the newest values."""
        if trial.nonfinite:
            reason = f"{trial.nonfinite} is not a finite number any more: the training diverged"
            return Verdict(keep=False, reason=reason, figures={"evaluations": len(trial.steps)})
        return Verdict(keep=True, reason="all newest values are finite")


@dataclass(frozen=True)
class TimeRule:
    """Stop a trial that has run for longer than `seconds` at an evaluation."""

    seconds: float

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:  # noqa: ARG002 - the seam's signature
        """Compare the time from the trial's beginning to its newest evaluation."""
        keep = trial.seconds <= self.seconds
        reason = (
            f"{trial.seconds:.0f} s after its beginning, "
            f"{'within' if keep else 'more than'} the {self.seconds:g} s of a trial"
        )
        figures = {"seconds": trial.seconds, "limit": self.seconds}
        return Verdict(keep=keep, reason=reason, figures=figures)


@dataclass(frozen=True)
class CostRule:
    """Stop every trial once all trials together have cost more than `budget`.

    Attributes:
        price: of one trial that runs for an hour.
        budget: in the same currency.
    """

    price: float
    budget: float

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Add up the time of all trials, up to the newest evaluation of each."""
        hours = (trial.seconds + sum(peer.seconds for peer in peers.values())) / 3600
        cost = hours * self.price
        keep = cost <= self.budget
        reason = (
            f"{len(peers) + 1} trials have cost {cost:.2f} so far, "
            f"{'within' if keep else 'more than'} the budget of {self.budget:g}"
        )
        figures = {"hours": hours, "cost": cost, "budget": self.budget}
        return Verdict(keep=keep, reason=reason, figures=figures)
