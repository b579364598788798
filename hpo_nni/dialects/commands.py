"""From a trial command to what reads its settings file."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING

from hpo_nni.dialects.easyrec import load_begin
from hpo_nni.dialects.easyrec_finetune import finetune_arguments, load_finetune
from hpo_nni.trial.calendar import calendar_arguments, calendar_of
from hpo_nni.trial.ini import read_text
from hpo_nni.trial.part import OLD_COMMAND
from hpo_nni.trial.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hpo_nni.trial.settings import TrialSettings
    from hpo_nni.trial.substitutions import Substitutions

    Loader = Callable[[Path, Substitutions], TrialSettings]

_MODULE = "hpo_nni.trial"


def loader_of(trial_command: str, path: Path) -> Loader:
    """What reads the settings file that a trial command names, as its trials do.

    Args:
        trial_command: as in NNI's config.
        path: the settings file.

    Raises:
        SettingsError: the command has arguments that its script does not take.
    """
    if not (path.is_file() and f"[{OLD_COMMAND}]" in read_text(path)):
        words = _words(trial_command)
        is_ours = _MODULE in words  # another script may take such flags for something else
        calendar = calendar_of(calendar_arguments(words)) if is_ours else None
        return functools.partial(load_settings, calendar=calendar)
    arguments = finetune_arguments(trial_command)
    if arguments is None:
        return load_begin
    return functools.partial(load_finetune, arguments=arguments)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an open quote: the shell will say so
        return []
