"""What would fail every trial, found before the first one: NNI itself would not say a word."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo_nni.errors import Problem, SettingsError
from hpo_nni.nni_api.launch import LAUNCHER_VARIABLE, nni_version
from hpo_nni.nni_api.quoting import breaks_nni
from hpo_nni.trial.accounts import unusable_credentials
from hpo_nni.trial.command import settings_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.nni_api.environment import DispatcherEnvironment

logger = logging.getLogger(__name__)

PROBE_SECONDS = 3.0  # the dispatcher must reach NNI's manager within 10
_PROBE = (
    "import importlib.util, sys\n"
    "sys.exit(next((n for n in sys.argv[1:] if importlib.util.find_spec(n) is None), 0))"
)


def refuse_doomed_experiment(experiment: DispatcherEnvironment, environ: Mapping[str, str]) -> None:
    """Raise SettingsError if no trial of this experiment could run.

    The error becomes the last lines of `dispatcher.log` and `nnictl_stderr.log`; NNI then shows the
    experiment as ERROR, with the advice to look there, after 10 s in which nothing connects.
    """
    problems = list(_unusable_credentials(experiment.config, environ))
    if not environ.get(LAUNCHER_VARIABLE):  # `hpo-nni run` gives NNI plain paths and its own Python
        problems += _unquotable_paths(experiment)
        problems += _unusable_python(experiment.config, environ)
    if problems:
        logger.error("no trial could run:\n%s", "\n".join(map(str, problems)))
        raise SettingsError(problems)


def _unquotable_paths(experiment: DispatcherEnvironment) -> list[Problem]:
    if nni_version() >= (3,):
        return []
    paths = {"experimentWorkingDirectory": experiment.working_directory}
    code = experiment.config.get("trialCodeDirectory")
    if code:
        paths["trialCodeDirectory"] = Path(code)
    return [
        Problem(
            f"{name} {str(path)!r}",
            "this version of NNI writes the path into a shell line without quotes, "
            "and every trial would fail without a word",
            "start it with `hpo-nni run CONFIG`, which works round that, or move to a path "
            "without spaces and other shell characters",
        )
        for name, path in paths.items()
        if breaks_nni(path)
    ]


def _unusable_credentials(
    config: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[Problem, ...]:
    folder = Path(config.get("trialCodeDirectory") or ".")
    path = settings_file(str(config.get("trialCommand") or ""), folder)
    return unusable_credentials(path, environ) if path is not None else ()


def _unusable_python(config: Mapping[str, Any], environ: Mapping[str, str]) -> list[Problem]:
    words = _words(str(config.get("trialCommand") or ""))
    needed = _needed_modules(words)
    if not needed:
        return []
    where = f"trialCommand {shlex.join(words[:3])!r}"
    python = shutil.which(words[0], path=environ.get("PATH", os.defpath))
    if python is None:
        return [Problem(where, f"there is no {words[0]} in PATH")]
    missing = _missing_module(python, needed, str(config.get("trialCodeDirectory") or "."))
    if not missing:
        return []
    return [
        Problem(
            where,
            f"{python} cannot import {missing}",
            "activate the environment that hpo_nni is installed in before `nnictl create`, "
            "or start with `hpo-nni run CONFIG`, which does that",
        )
    ]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an open quote: the shell will say so
        return []


def _needed_modules(words: Sequence[str]) -> list[str]:
    """Return what our own trial commands import; nothing for commands that are the user's own."""
    if not words or not Path(words[0]).name.startswith("python"):
        return []
    if list(words[1:3]) == ["-m", "hpo_nni.trial"]:
        return ["hpo_nni", "jinja2", "yaml"]
    if len(words) > 1 and Path(words[1]).name in {"run_begin.py", "run_finetune.py"}:
        return ["jinja2", "yaml"]  # these doors find hpo_nni by their own place
    return []


def _missing_module(python: str, modules: Sequence[str], directory: str) -> str:
    try:
        done = subprocess.run(
            [python, "-c", _PROBE, *modules],
            cwd=directory,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        logger.warning("%s did not answer within %g s; going on without", python, PROBE_SECONDS)
        return ""
    except OSError as error:
        return f"anything: {error}"
    # The probe exits with the missing module's name, which Python prints to standard error.
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
