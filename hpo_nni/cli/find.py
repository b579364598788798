"""Finding an experiment's ledger from what a person types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.errors import RegistryError
from hpo_nni.ledger import LEDGER_NAME, Ledger
from hpo_nni.nni_api.launch import known_experiments
from hpo_nni.registry import did_you_mean

if TYPE_CHECKING:
    import argparse

    from hpo_nni.ledger.records import ExperimentRecord, TrialRecord


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where to look."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="the experimentWorkingDirectory; without it, all that NNI's index knows",
    )


def ledgers(directory: Path | None) -> list[Path]:
    """The working directories that have a ledger, most recently used last."""
    folders = (
        [directory] if directory else [known.working_directory for known in known_experiments()]
    )
    unique = dict.fromkeys(reversed(folders))
    return [folder for folder in reversed(unique) if (folder / LEDGER_NAME).is_file()]


def find_experiment(name: str | None, directory: Path | None) -> tuple[Ledger, ExperimentRecord]:
    """The experiment with this id, or the newest one; raises RegistryError where there is none."""
    known: list[str] = []
    for folder in reversed(ledgers(directory)):
        ledger = Ledger.open(folder)
        experiments = ledger.experiments()
        for experiment in reversed(experiments):
            if name in (None, experiment.id):
                return ledger, experiment
        known += [experiment.id for experiment in experiments]
        ledger.close()
    where = directory or "the directories of NNI's index"
    if name is None:
        raise RegistryError(
            f"there is no experiment in {where}", hint="name its working directory with --dir"
        )
    raise RegistryError(f"no experiment {name!r} in {where}", hint=did_you_mean(name, known))


def find_trial(
    name: str, experiment: str | None, directory: Path | None
) -> tuple[Ledger, TrialRecord]:
    """The trial with this id, unique beginning of an id, or number (of the newest experiment)."""
    if experiment is not None or name.isdecimal():
        ledger, record = find_experiment(experiment, directory)
        return ledger, ledger.find_trial(name, record.id)
    last: RegistryError | None = None
    for folder in reversed(ledgers(directory)):
        ledger = Ledger.open(folder)
        try:
            return ledger, ledger.find_trial(name, None)
        except RegistryError as error:
            last = last or error
            ledger.close()
    raise last or RegistryError(
        f"no trial {name!r}: there is no ledger yet", hint="name its working directory with --dir"
    )
