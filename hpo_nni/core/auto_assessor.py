"""AutoAssessor: the user states the risk, and it saves what it can within it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import Argument, checked, number, one_of, positive, texts, whole
from hpo_nni.core.assessor import RuleAssessor
from hpo_nni.direction import Direction
from hpo_nni.errors import Problem, SettingsError
from hpo_nni.stopping.bounds import Limits, ParetoRule, SafeRule
from hpo_nni.stopping.combination import FirstStop, StartAfter
from hpo_nni.stopping.limits import CostRule, DivergenceRule, GuardrailRule, TimeRule
from hpo_nni.stopping.risk import RiskRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import StoppingRule

_OF_LIMITS = ("lowest", "highest", "change")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_weights(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_number, value.values()))


def _are_objectives(value: Any) -> bool:
    modes = {direction.value for direction in Direction}
    return isinstance(value, dict) and bool(value) and set(value.values()) <= modes


def _are_limits(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, dict) and set(one) <= {*_OF_LIMITS} and all(map(_is_number, one.values()))
        for one in value.values()
    )


ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "max_loss_probability": Argument(
        0.01,
        "a number from 0 to 0.5",
        lambda value: _is_number(value) and 0 <= value <= 0.5,
    ),
    "final_mode": one_of("best", "final"),
    "max_steps": whole(None, least=1),
    "target": number(None),
    "guardrails": texts(),
    "diverged": one_of("stop", "keep"),
    "max_seconds": positive(None),
    "price_per_hour": positive(None),
    "max_cost": positive(None),
    "weights": Argument(None, "metrics and their weights", _are_weights),
    "limits": Argument(
        {}, "metrics, each with lowest, highest or change and a number", _are_limits
    ),
    "objectives": Argument(None, "metrics, each with maximize or minimize", _are_objectives),
}


class AutoAssessor(RuleAssessor):
    """Stops a trial that will hardly become the best, within a risk that the user states.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            max_loss_probability: how probable it may be, per experiment, that its best
                configuration is stopped; 0.01. With 0, the safe mode, a trial is stopped only if
                `weights` and `limits` show that it cannot win.
            final_mode: what a trial ends with: `best` (default) or `final`, as in the ini.
            max_steps: the last training step; not given, that of the longest complete trial.
            target: a score to be reached; not given, only the best so far counts.
            guardrails: limits on single metrics: `loss_play_time > 0.3 for 3`.
            diverged: `stop` (default) a trial whose newest score is NaN or infinite, or `keep` it.
            max_seconds: how long a trial may run.
            price_per_hour, max_cost: what a trial costs, and all of them together may.
            weights: metric -> signed weight, for the safe mode.
            limits: metric -> `lowest`, `highest`, and the most that it can `change` in one step.
            objectives: metric -> `maximize` or `minimize`: a Pareto search, in which a trial is
                stopped only if a complete one is better in all of them, whatever still happens.

    Raises:
        SettingsError: as PAIAssessor.
    """

    def __init__(self, **arguments: Any) -> None:
        given = checked(type(self).__name__, arguments, ARGUMENTS)
        make_rule(Direction.MAXIMIZE, given)  # so that faults are seen now
        super().__init__(
            lambda direction: make_rule(direction, given),
            Direction(given["optimize_mode"]),
            arguments=given,
        )


def make_rule(direction: Direction, given: Mapping[str, Any]) -> StoppingRule:
    """The rule of an AutoAssessor with these arguments.

    Raises:
        SettingsError: a guardrail cannot be read, or one argument needs another.
    """
    _refuse_halves(given)
    guardrails = (
        [given["guardrails"]] if isinstance(given["guardrails"], str) else [*given["guardrails"]]
    )
    scored: list[StoppingRule] = [GuardrailRule.parse(text) for text in guardrails]
    if given["max_seconds"] is not None:
        scored.append(TimeRule(given["max_seconds"]))
    if given["max_cost"] is not None:
        scored.append(CostRule(given["price_per_hour"], given["max_cost"]))
    scored.append(_winning(direction, given))
    rules: list[StoppingRule] = [StartAfter(1, FirstStop(tuple(scored)))]
    if given["diverged"] == "stop":
        rules.insert(0, DivergenceRule())
    return FirstStop(tuple(rules))


def _winning(direction: Direction, given: Mapping[str, Any]) -> StoppingRule:
    """The rule about who can still win."""
    best = given["final_mode"] == "best"
    limits = {name: Limits(**one) for name, one in given["limits"].items()}
    if given["objectives"] is not None:
        objectives = {name: Direction(mode) for name, mode in given["objectives"].items()}
        return ParetoRule(objectives, limits, given["max_steps"])
    if given["max_loss_probability"] == 0:
        return SafeRule(direction, given["weights"], limits, given["max_steps"], best=best)
    return RiskRule(
        direction, given["max_loss_probability"], best, given["target"], given["max_steps"]
    )


def _refuse_halves(given: Mapping[str, Any]) -> None:
    where = "classArgs of AutoAssessor"
    problems = []
    if (given["price_per_hour"] is None) != (given["max_cost"] is None):
        hint = "price_per_hour is what one running trial costs; max_cost ends the experiment's"
        problems.append(Problem(where, "price_per_hour and max_cost need each other", hint))
    is_safe = given["max_loss_probability"] == 0 and given["objectives"] is None
    if is_safe and given["weights"] is None:
        hint = "weights: {auc: 1, loss: -0.5} as in metric_dict, and limits of what metrics can do"
        problems.append(Problem(where, "max_loss_probability is 0 without weights", hint))
    if problems:
        raise SettingsError(problems)
