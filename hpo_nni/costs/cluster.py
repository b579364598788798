"""What a job takes, from the `-Dcluster` of a `PAI` command.

EasyRec's documents refer to those of PAI-TensorFlow for it, where 100 is one card
(https://help.aliyun.com/document_detail/154186.html, `gpuRequired`). That 100 of `cpu` are one
core, and that `memory` is in MB, is our reading of the examples: we found no sentence that says so.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

WHERE = "-Dcluster"
_AS_IN = '{"ps": {"count": 1, "cpu": 1000}, "worker": {"count": 3, "cpu": 1000, "gpu": 100}}'
_UNITS: Mapping[str, float] = {  # of the service, in ours: cores, cards, GB
    "cpu": 1 / 100,
    "gpu": 1 / 100,
    "memory": 1 / 1000,
}


def resources_of_cluster(text: str, gpu_type: str = "") -> dict[str, float]:
    """Cores, cards and GB of all roles together; what a role does not say is not counted.

    Args:
        text: JSON, role -> `count` (1 if absent), `cpu` and `gpu` in hundredths of a core and of a
            card, `memory` in MB, `gpu_type`.
        gpu_type: of cards whose role does not say.

    Raises:
        SettingsError: it is not such JSON.

    >>> resources_of_cluster('{"ps": {"cpu": 800}, "worker": {"count": 3, "gpu": 50}}')
    {'cpu': 8.0, 'gpu': 1.5}
    """
    try:
        roles = json.loads(text)
    except ValueError as error:
        raise _fault(f"this is not JSON: {error}") from error
    if not isinstance(roles, dict) or not all(isinstance(role, dict) for role in roles.values()):
        raise _fault("expected roles, each with its resources")
    total: dict[str, float] = {}
    for name, role in roles.items():
        count = _amount(name, "count", role.get("count", 1))
        for kind, unit in _UNITS.items():
            amount = count * _amount(name, kind, role.get(kind, 0)) * unit
            if amount:
                label = _gpu(role.get("gpu_type") or gpu_type) if kind == "gpu" else kind
                total[label] = total.get(label, 0.0) + amount
    return total


def _amount(role: str, kind: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise _fault(f"{kind} of {role} is {value!r}, which is no amount")
    return number


def _gpu(kind: object) -> str:
    return f"gpu:{str(kind).lower()}" if kind else "gpu"


def _fault(message: str) -> SettingsError:
    return SettingsError([Problem(WHERE, message, f"as in {_AS_IN}")])
