"""AshaAssessor: asynchronous successive halving in its stopping form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import checked, one_of, whole
from hpo_nni.core.assessor import RuleAssessor
from hpo_nni.direction import Direction
from hpo_nni.stopping.combination import StartAfter
from hpo_nni.stopping.halving import HalvingRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import StoppingRule

ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "reduction": whole(3, least=2),
    "first_rung": whole(9, least=1),
}


class AshaAssessor(RuleAssessor):
    """Stops a trial at the first rung where it is not among the best of those that reached it.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            reduction: one in so many goes on at a rung; 3.
            first_rung: the evaluation at which the first rung is; 9. The next ones are at
                `reduction` times as many, and so on.

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
    """The rule of an AshaAssessor with these arguments."""
    return StartAfter(1, HalvingRule(direction, given["reduction"], given["first_rung"]))
