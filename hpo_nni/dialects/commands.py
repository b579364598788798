"""From a trial command to the settings that its trials will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpo_nni.dialects.easyrec import load_begin
from hpo_nni.dialects.easyrec_finetune import calendar_arguments, load_finetune
from hpo_nni.trial.accounts import OLD_COMMAND
from hpo_nni.trial.command import settings_file
from hpo_nni.trial.ini import read_text
from hpo_nni.trial.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.substitutions import Substitutions


def load_of_command(
    trial_command: str, code_directory: Path, substitutions: Substitutions
) -> TrialSettings | None:
    """Read the settings file of a trial command, of whatever kind; None if it names none.

    Raises:
        SettingsError: with every fault of the file.
    """
    path = settings_file(trial_command, code_directory)
    if path is None:
        return None
    if not (path.is_file() and f"[{OLD_COMMAND}]" in read_text(path)):
        return load_settings(path, substitutions)
    arguments = calendar_arguments(trial_command)
    if arguments is None:
        return load_begin(path, substitutions)
    return load_finetune(path, substitutions, arguments=arguments)
