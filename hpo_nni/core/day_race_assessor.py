"""DayRaceAssessor: configurations race over days, compared on the same days only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import Argument, checked, one_of
from hpo_nni.core.assessor import RuleAssessor
from hpo_nni.direction import Direction
from hpo_nni.stopping.combination import StartAfter
from hpo_nni.stopping.race import DayRaceRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import StoppingRule

ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "level": Argument(
        0.05,
        "a number above 0 and below 1",
        lambda value: isinstance(value, float) and 0 < value < 1,
    ),
}


class DayRaceAssessor(RuleAssessor):
    """Drops a trial that is worse on the same days, at a level that the user states.

    For trials that walk days, each with one intermediate result, and end with the mean over them.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            level: how probable it may be, per experiment, that its best configuration is
                dropped; 0.05.

    Raises:
        SettingsError: as PAIAssessor.
    """

    def __init__(self, **arguments: Any) -> None:
        given = checked(type(self).__name__, arguments, ARGUMENTS)
        super().__init__(
            lambda direction: make_rule(direction, given),
            Direction(given["optimize_mode"]),
            arguments=given,
        )


def make_rule(direction: Direction, given: Mapping[str, Any]) -> StoppingRule:
    """The rule of a DayRaceAssessor with these arguments."""
    return StartAfter(1, DayRaceRule(direction, given["level"]))
