"""Which model a training job of EasyRec goes on from, as its `PAI` command says.

The checkpoint stands in `-Dfine_tune_checkpoint` or in `-Dedit_config_json`; where it stands in
both, the first counts: EasyRec's `run.py` sets it after the edits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hpo_nni.platforms.maxcompute_edits import PARAMETER, read_edits, write_edits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hpo_nni.platforms.pai_command import XFlow

CHECKPOINT = "fine_tune_checkpoint"  # a parameter
EDITED_CHECKPOINT = f"train_config.{CHECKPOINT}"  # a key of edits


def checkpoint_of(parameters: Mapping[str, str]) -> str:
    """Where training begins; empty where the command does not say.

    >>> checkpoint_of({"edit_config_json": '{"train_config.fine_tune_checkpoint": "oss://b/m"}'})
    'oss://b/m'

    Raises:
        CommandSyntaxError: the edits are no JSON object.
    """
    edited = read_edits(parameters.get(PARAMETER, "")).get(EDITED_CHECKPOINT)
    return parameters.get(CHECKPOINT) or str(edited or "")


def with_checkpoint(xflow: XFlow, place: str) -> XFlow:
    """The same job, going on from another model than its command names.

    >>> from hpo_nni.platforms.pai_command import XFlow
    >>> flow = XFlow("a", "b", {"fine_tune_checkpoint": "oss://b/m1"})
    >>> with_checkpoint(flow, "oss://b/m0").parameters
    {'fine_tune_checkpoint': 'oss://b/m0'}
    """
    parameters = dict(xflow.parameters)
    edits = read_edits(parameters.get(PARAMETER, ""))
    if parameters.get(CHECKPOINT):
        parameters[CHECKPOINT] = place
    if EDITED_CHECKPOINT in edits:
        parameters[PARAMETER] = write_edits(edits | {EDITED_CHECKPOINT: place})
    return replace(xflow, parameters=parameters)
