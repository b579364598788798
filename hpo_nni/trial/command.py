"""What a trial command says about the trial: which settings file it runs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def settings_file(trial_command: str, code_directory: Path) -> Path | None:
    """The file that `--config` names in a trial command; None where there is none.

    A command that begins with `cd DIR &&` runs in that directory: `hpo-nni run` writes such ones
    where NNI cannot quote the path.

    >>> from pathlib import Path
    >>> str(settings_file("python3 -m hpo_nni.trial --config=./trial.ini", Path("/x")))
    '/x/trial.ini'
    """
    try:
        words = shlex.split(trial_command)
    except ValueError:
        return None
    if words[:1] == ["cd"] and words[2:3] == ["&&"]:
        code_directory = code_directory / words[1]
    for place, word in enumerate(words):
        if word.startswith("--config="):
            return code_directory / word.removeprefix("--config=")
        if word == "--config" and place + 1 < len(words):
            return code_directory / words[place + 1]
    return None
