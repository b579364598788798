"""PAIAssessor: stop trials that are worse than the others at the same training step.

Users of old versions subclass it and call `kill_instance(trial_job_id=...)` and
`remove_filepath(trial_id=...)` from their own `trial_end`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import anything, checked, one_of, share, whole, yes_or_no
from hpo_nni.core.assessor import RuleAssessor
from hpo_nni.core.ending import kill_instance, remove_filepath
from hpo_nni.direction import Direction
from hpo_nni.stopping.combination import FirstStop, StartAfter
from hpo_nni.stopping.patience import PatienceRule
from hpo_nni.stopping.quantile import QuantileRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.stopping.base import StoppingRule

__all__ = ["PAIAssessor", "PaiAssessor", "kill_instance", "remove_filepath"]

logger = logging.getLogger(__name__)

ARGUMENTS = {
    "optimize_mode": one_of("maximize", "minimize"),
    "start_step": whole(2, least=0),
    "moving_avg": yes_or_no(False),
    "proportion": share(0.5),
    "patience": whole(None, least=1),
    "platform": anything(),
}


class PAIAssessor(RuleAssessor):
    """Stops a trial whose best score so far is worse than the median of the others at its step.

    Args:
        arguments: what the user wrote under `classArgs`:
            optimize_mode: `maximize` (default) or `minimize`.
            start_step: how many evaluations a trial has before its first verdict; 2.
            moving_avg: compare running averages in place of the best score so far; false.
            proportion: the quantile of the others that must be reached; 0.5, the median.
            patience: also stop after so many drops of the score in a row; not given, never.
            platform: accepted as in old files and not used: the ledger knows where each job runs.

    Raises:
        SettingsError: arguments that do not exist or are wrong, all at once; or no trial of this
            experiment could run.
    """

    def __init__(self, **arguments: Any) -> None:
        given = checked(type(self).__name__, arguments, ARGUMENTS)
        if given["platform"] is not None:
            logger.info(
                "classArgs: platform %r is not needed; the ledger knows where each job runs",
                given["platform"],
            )
        super().__init__(
            lambda direction: make_rule(direction, given),
            Direction(given["optimize_mode"]),
            arguments=given,
        )


PaiAssessor = PAIAssessor


def make_rule(direction: Direction, given: Mapping[str, Any]) -> StoppingRule:
    """The rule of a PAIAssessor with these arguments."""
    rules: list[StoppingRule] = [
        QuantileRule(direction, given["proportion"], moving_avg=given["moving_avg"])
    ]
    if given["patience"] is not None:
        rules.append(PatienceRule(direction, given["patience"]))
    return StartAfter(given["start_step"], FirstStop(tuple(rules)))
