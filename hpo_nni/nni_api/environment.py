"""What NNI tells its processes through environment variables and arguments; NNI is not imported.

Seen in NNI 2.10.1 and 3.0. A trial learns its ids from `NNI_*` variables. The dispatcher, in which
tuner and assessor live, has no experiment id: its log directory is `<working directory>/<id>/log`,
and its argument `--exp_params` is the experiment's config as base64 of JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import NniError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class TrialEnvironment:
    """Where a trial finds itself.

    Attributes:
        working_directory: the experiment's `experimentWorkingDirectory`.
        output_directory: the trial's own (`NNI_OUTPUT_DIR`).
        system_directory: where NNI 2 keeps the trial's parameters and metrics (`NNI_SYS_DIR`).
        channel: where NNI 3 takes the trial's metrics; None in NNI 2.
    """

    experiment_id: str
    trial_id: str
    number: int
    working_directory: Path
    output_directory: Path
    system_directory: Path
    channel: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> TrialEnvironment | None:
        """Read the variables; None outside NNI.

        The working directory is the parent of the folder named like the experiment, found by
        climbing from `NNI_SYS_DIR`: its depth differs between NNI's versions.
        """
        trial_id, experiment_id = environ.get("NNI_TRIAL_JOB_ID"), environ.get("NNI_EXP_ID")
        system = environ.get("NNI_SYS_DIR")
        if not (trial_id and experiment_id and system):
            return None
        system_directory = Path(system)
        experiment = next(
            (folder for folder in system_directory.parents if folder.name == experiment_id),
            system_directory,
        )
        return cls(
            experiment_id=experiment_id,
            trial_id=trial_id,
            number=_number(environ.get("NNI_TRIAL_SEQ_ID", "-1")),
            working_directory=experiment.parent,
            output_directory=Path(environ.get("NNI_OUTPUT_DIR", system)),
            system_directory=system_directory,
            channel=environ.get("NNI_TRIAL_COMMAND_CHANNEL"),
        )


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise NniError(f"NNI_TRIAL_SEQ_ID is no number: {text!r}") from error


@dataclass(frozen=True)
class DispatcherEnvironment:
    """Where a tuner or an assessor finds itself.

    Attributes:
        config: the experiment's config as NNI gave it to the dispatcher, in camel case.
    """

    experiment_id: str
    working_directory: Path
    config: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_process(
        cls, environ: Mapping[str, str], arguments: Sequence[str]
    ) -> DispatcherEnvironment | None:
        """Read the dispatcher's variables and arguments; None in any other process."""
        log_directory = environ.get("NNI_LOG_DIRECTORY")
        if not log_directory:
            return None
        experiment = Path(log_directory).parent
        return cls(
            experiment_id=experiment.name,
            working_directory=experiment.parent,
            config=_experiment_config(arguments),
        )


def _experiment_config(arguments: Sequence[str]) -> Mapping[str, Any]:
    if "--exp_params" not in arguments:
        return {}
    encoded = arguments[list(arguments).index("--exp_params") + 1]
    try:
        config = json.loads(base64.b64decode(encoded))
    except (ValueError, binascii.Error):
        return {}
    return config if isinstance(config, dict) else {}
