"""Where a trial is: its ids and directories, in NNI or on a developer's own machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.nni_api.environment import TrialEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_FOLDER = "hpo_nni_trials"


@dataclass(frozen=True)
class Place:
    """Ids and directories of one trial.

    Attributes:
        number: NNI's sequence number; -1 outside NNI.
        working_directory: where the ledger lies.
        output_directory: the trial's own files.
        nni: what NNI said; None outside NNI.
        is_owned: whether it ends when the process that started it does.
        names: the trial whose names and directory this one took over, where it goes on with it.
    """

    experiment_id: str
    trial_id: str
    number: int
    working_directory: Path
    output_directory: Path
    nni: TrialEnvironment | None
    is_owned: bool = False
    names: str = ""


def find_place(
    environ: Mapping[str, str], *, now: float, pid: int, folder: Path | None = None
) -> Place:
    """Read NNI's variables or, outside NNI, take a folder of its own.

    Args:
        environ: of this process.
        now: seconds since the epoch.
        pid: of this process.
        folder: `ledger/experiment/trial`; by default, a dated one below the current folder.
    """
    nni = TrialEnvironment.from_environ(environ)
    if nni is not None:
        return Place(
            experiment_id=nni.experiment_id,
            trial_id=nni.trial_id,
            number=nni.number,
            working_directory=nni.working_directory,
            output_directory=nni.output_directory,
            nni=nni,
            is_owned=True,
        )
    if folder is not None:
        folder = folder.absolute()
        return Place(
            experiment_id=folder.parent.name,
            trial_id=folder.name,
            number=-1,
            working_directory=folder.parent.parent,
            output_directory=folder,
            nni=None,
            is_owned=True,
        )
    trial_id = time.strftime("%Y%m%d-%H%M%S", time.localtime(now)) + f"-{pid}"
    home = Path.cwd() / LOCAL_FOLDER
    return Place(
        experiment_id="local",
        trial_id=trial_id,
        number=-1,
        working_directory=home,
        output_directory=home / trial_id,
        nni=None,
    )
