"""Rules made of rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni.stopping.base import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import History, StoppingRule


@dataclass(frozen=True)
class FirstStop:
    """Stop for the first rule that says so; kept, the trial has the reasons of all of them."""

    rules: tuple[StoppingRule, ...]

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Ask the rules in their order, and none after one that stops the trial."""
        reasons: list[str] = []
        figures: dict[str, float] = {}
        for rule in self.rules:
            verdict = rule.judge(trial, peers)
            if not verdict.keep:
                return verdict
            reasons.append(verdict.reason)
            figures |= verdict.figures
        return Verdict(keep=True, reason="; ".join(reasons), figures=figures)


@dataclass(frozen=True)
class StartAfter:
    """Keep a trial that has fewer than `start_step` evaluations; then ask the rule."""

    start_step: int
    rule: StoppingRule

    def judge(self, trial: History, peers: Mapping[str, History]) -> Verdict:
        """Count evaluations, not training steps."""
        evaluations = len(trial.steps)
        if evaluations >= self.start_step:
            return self.rule.judge(trial, peers)
        return Verdict(
            keep=True,
            reason=f"{evaluations} of the {self.start_step} evaluations before the first verdict",
            figures={"step": trial.steps[-1] if evaluations else 0, "evaluations": evaluations},
        )
