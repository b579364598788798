"""What a trial ran with, for the ledger: who compares experiments later cannot ask files of then.

Nothing of it holds a secret: references to credentials stay references, and plain ones are hidden.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo_nni import __version__
from hpo_nni.errors import NniError
from hpo_nni.ledger.records import InputKind
from hpo_nni.nni_api.rest import RestClient
from hpo_nni.secrets import Reference, hide_named
from hpo_nni.trial.accounts import is_credential
from hpo_nni.trial.monitor import SECTION as MONITOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hpo_nni.ledger import Ledger
    from hpo_nni.secrets import Redactor
    from hpo_nni.trial.files import PreparedFile
    from hpo_nni.trial.ini import Ini
    from hpo_nni.trial.settings import TrialSettings

logger = logging.getLogger(__name__)

GIT_SECONDS = 5.0
NNI_SECONDS = 5.0
MOST_FILES = 500  # of code; a folder with more is no trainer's
# What of NNI's config bears on results; the rest is places, ports and logs.
_NNI_KEYS = (
    "experimentName",
    "trialCommand",
    "trialConcurrency",
    "trialGpuNumber",
    "maxTrialNumber",
    "maxExperimentDuration",
    "maxTrialDuration",
    "tuner",
    "assessor",
    "advisor",
)
_OWN = ("--params", "--place")
_CODE = frozenset({".py", ".sh", ".bash", ".r", ".jl", ".pl", ".lua", ".js", ".jar", ".whl"})


@dataclass(frozen=True)
class InputNotes:
    """Writes down what trials of an experiment are made of.

    Args:
        redact: knows the values of all credentials of the settings.
    """

    ledger: Ledger
    experiment_id: str
    redact: Redactor

    def note(self, settings: TrialSettings, files: Sequence[PreparedFile]) -> None:
        """Note what this trial runs with, as far as no trial before it has said the same."""
        self._note(InputKind.COMMAND, "", shlex.join(_without_own(sys.orig_argv)))
        self._note(InputKind.SETTINGS, str(settings.path), json.dumps(_sections(settings.ini)))
        for file in files:
            self._note(InputKind.CONFIG, file.source, file.base)
        self._note(InputKind.CODE, "", json.dumps(_code(settings)))

    def note_nni(self, rest_url: str) -> None:
        """Note NNI's config and the search space, unless that has been done; NNI may be silent.

        The dispatcher knows no search space that belongs to a tuner of NNI's own.
        """
        if self.ledger.has_input(self.experiment_id, InputKind.EXPERIMENT):
            return
        from hpo_nni.nni_api.launch import nni_version  # noqa: PLC0415 - the first trial needs it

        try:
            config = RestClient(rest_url, timeout=NNI_SECONDS).config()
        except NniError as error:  # the next trial asks
            logger.warning("what NNI's config says is not recorded: %s", error)
            return
        recorded = {name: config[name] for name in _NNI_KEYS if config.get(name)}
        recorded["nni"] = ".".join(map(str, nni_version()))
        self._note(InputKind.EXPERIMENT, "", json.dumps(recorded))
        if not self.ledger.has_input(self.experiment_id, InputKind.SPACE):
            self._note(InputKind.SPACE, "", json.dumps(config.get("searchSpace")))

    def _note(self, kind: InputKind, name: str, text: str) -> None:
        self.ledger.note_input(self.experiment_id, kind, name, hide_named(self.redact(text)))


def _without_own(words: Sequence[str]) -> list[str]:
    """A trial's command without the arguments that are this one trial's, outside NNI."""
    behind = {at + 1 for at, word in enumerate(words) if word in _OWN}
    return [
        word
        for at, word in enumerate(words)
        if at not in behind and word.partition("=")[0] not in _OWN
    ]


def _sections(ini: Ini) -> dict[str, dict[str, str]]:
    """The file as it is rendered: comments, in which old keys like to stay, are not in it."""
    return {
        name: {one.key: _shown(name, one.key, one.value) for one in section.entries}
        for name, section in ini.sections.items()
    }


def _shown(section: str, key: str, value: str) -> str:
    is_secret = is_credential(section, key) or (section == MONITOR and key in {"url", "secret"})
    return str(Reference.parse(value)) if is_secret else value


def _code(settings: TrialSettings) -> dict[str, object]:
    folder = settings.path.parent
    found: dict[str, object] = {"hpo_nni": __version__, "python": platform.python_version()}
    commit = _commit(folder)
    if commit:
        found["git"] = commit
    scripts = {path for step in settings.steps for path in _scripts(step.command, folder)}
    beside = {path for script in scripts for path in script.parent.glob("*.py")}
    files = sorted(scripts | beside)[:MOST_FILES]
    # paths from the settings' folder, so that two clones of one project agree
    found["files"] = {
        os.path.relpath(path, folder.resolve()): digest for path in files if (digest := _hash(path))
    }
    return found


def _commit(folder: Path) -> str:
    """The commit that is checked out around the settings; empty where there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _scripts(command: str, folder: Path) -> Iterator[Path]:
    """The files of code that a shell command names, as a word or as a module behind `-m`."""
    try:
        words = shlex.split(command)
    except ValueError:  # the shell will say so
        return
    for before, word in zip(["", *words], words, strict=False):
        names = [word]
        if before == "-m":
            path = word.replace(".", "/")
            names = [f"{path}.py", f"{path}/__main__.py"]
        for name in names:
            path_of = folder / name
            if path_of.suffix.lower() in _CODE and _is_file(path_of):
                yield path_of.resolve()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a word that is too long for a name
        return False


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""
