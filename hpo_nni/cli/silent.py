"""Trials that died before they could say a word: the ledger does not know them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hpo_nni.direction import Direction
from hpo_nni.ledger.records import ExperimentRecord, TrialRecord, TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hpo_nni.ledger import Ledger
    from hpo_nni.nni_api.launch import RunningExperiment
    from hpo_nni.nni_api.rest import TrialStatus

TAIL_LINES = 5


def note_silent_trials(
    experiment: RunningExperiment, trials: Sequence[TrialStatus], ledger: Ledger
) -> None:
    """Enter what NNI calls failed and the ledger does not know, with what the process wrote last.

    Args:
        experiment: where their folders are.
        trials: all of the experiment, as NNI shows them.
        ledger: gets an entry for each that it did not know.
    """
    for trial in trials:
        if trial.status == "FAILED" and ledger.trial(trial.id) is None:
            _note(experiment, ledger, trial)


def _note(experiment: RunningExperiment, ledger: Ledger, trial: TrialStatus) -> None:
    now = time.time()
    if ledger.experiment(experiment.id) is None:
        direction = Direction.MAXIMIZE.value
        ledger.begin_experiment(ExperimentRecord(experiment.id, now, direction, experiment.name))
    folder = _directory(experiment.working_directory / experiment.id, trial.id)
    ledger.begin_trial(
        TrialRecord(
            id=trial.id,
            experiment_id=experiment.id,
            number=trial.number,
            started=now,
            parameters=trial.parameters or {},
            directory=str(folder or ""),
        )
    )
    words = _last_words(folder) if folder else ""
    ledger.end_trial(
        trial.id, TrialState.FAILED, f"its process ended at once, without a result\n{words}".strip()
    )


def _directory(experiment: Path, trial_id: str) -> Path | None:
    """NNI 2 keeps trials in `trials/`, NNI 3 in `environments/local-env/trials/`."""
    folders = [experiment / "trials", *experiment.glob("environments/*/trials")]
    return next((folder / trial_id for folder in folders if (folder / trial_id).is_dir()), None)


def _last_words(folder: Path) -> str:
    for name in ("stderr", "trial.stderr"):
        file = folder / name
        if file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(f"  | {line}" for line in lines[-TAIL_LINES:])
    return ""
