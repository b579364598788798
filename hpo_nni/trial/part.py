"""One part of a settings file of either kind, for a process that runs no trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hpo_nni.errors import SettingsError
from hpo_nni.trial.calendar import SOME_DAY
from hpo_nni.trial.ini import read_ini, read_text, split_lines
from hpo_nni.trial.sections import Reading
from hpo_nni.trial.templates import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Part = TypeVar("Part")

OLD_COMMAND = "easyrec_cmd_config"  # in files that have no templates


def load_part(path: Path, read: Callable[[Reading, Path], Part]) -> Part:
    """Read one part of a settings file.

    Args:
        path: the file.
        read: the part's reader; it gets the file's folder, too.

    Raises:
        SettingsError: the file cannot be read, or the part has faults.
    """
    text = read_text(path)
    is_old = f"[{OLD_COMMAND}]" in text
    ini = read_ini(split_lines(text) if is_old else render(text, path.name, SOME_DAY), path.name)
    reading = Reading(ini, {}, keys_are_known=False)
    part = read(reading, path.parent)
    if reading.problems:
        raise SettingsError(reading.problems)
    return part
