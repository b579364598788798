"""The assessors by name, as `hpo-nni replay` asks for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hpo_nni.core.arguments import checked
from hpo_nni.errors import RegistryError
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.direction import Direction
    from hpo_nni.stopping.base import StoppingRule

# name -> the module that has its ARGUMENTS and its make_rule
ASSESSORS = {
    "PAIAssessor": "hpo_nni.core.pai_assessor",
    "AutoAssessor": "hpo_nni.core.auto_assessor",
    "AshaAssessor": "hpo_nni.core.asha_assessor",
    "DayRaceAssessor": "hpo_nni.core.day_race_assessor",
}


def open_rule(name: str, arguments: Mapping[str, Any], direction: Direction) -> StoppingRule:
    """The stopping rule that an assessor with these `classArgs` asks.

    Raises:
        RegistryError: there is no such assessor.
        SettingsError: its arguments are wrong.
    """
    known = {each.lower(): each for each in ASSESSORS}
    if name.lower() not in known:
        raise RegistryError(f"there is no assessor {name!r}", hint=did_you_mean(name, ASSESSORS))
    name = known[name.lower()]
    module: Any = importlib.import_module(ASSESSORS[name])
    given = {key: value for key, value in arguments.items() if value is not None}
    rule: StoppingRule = module.make_rule(direction, checked(name, given, module.ARGUMENTS))
    return rule
