"""NNI as it is installed: its version, its launcher, its node binary, its register of classes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hpo_nni.errors import HpoNniError
from hpo_nni.inspection.finding import Finding, fail, ok, warn
from hpo_nni.nni_api.installation import PATIENCE, check_nnictl, node_binary, node_version
from hpo_nni.nni_api.launch import nni_version
from hpo_nni.nni_api.registration import known_algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

T = TypeVar("T")

TESTED = ((2, 10, 1), (3, 0))
_TRIALS_NEED = "import hpo_nni.trial.entry"


def nni() -> Iterator[Finding]:
    """Its version, whether `nnictl` loads, and whether its manager's Node really starts."""
    version = _attempt("NNI", nni_version)
    if isinstance(version, Finding):
        yield version
        return
    text = ".".join(map(str, version))
    if any(version[: len(one)] == one for one in TESTED):
        yield ok("NNI", text)
    else:
        yield warn("NNI", f"{text} has not been tried", "pip install nni==2.10.1")
    launcher = _attempt("nnictl", check_nnictl)
    yield launcher if isinstance(launcher, Finding) else ok("nnictl", "loads")
    node = _attempt("node", lambda: node_version(node_binary()))
    yield node if isinstance(node, Finding) else ok("node", f"{node} ({node_binary()})")


def python3(environ: Mapping[str, str]) -> Finding:
    """Whether the `python3` of a trial command can run trials when `nnictl create` starts them."""
    found = shutil.which("python3", path=environ.get("PATH", os.defpath))
    if found is None:
        return fail("python3", "is not in PATH, and trial commands begin with it")
    hint = "activate hpo_nni's environment before `nnictl create`; `hpo-nni run` does so itself"
    try:
        done = subprocess.run(
            [found, "-c", _TRIALS_NEED],
            capture_output=True,
            env=dict(environ),
            cwd=Path(found).parent,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return warn("python3", f"{found} does not start: {error}", hint)
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2]
        return warn("python3", f"{found} cannot run trials: {words}", hint)
    return ok("python3", f"{found} can run trials")


def algorithms(ours: Mapping[str, Collection[str]], wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Whether NNI knows our classes by name.

    Args:
        ours: kind -> the names that `hpo-nni install` registers.
        wanted: kind -> the name that an experiment's config uses, or nothing; empty without one.
    """
    missing: list[str] = []
    for kind, names in ours.items():
        known = {name.lower() for name in known_algorithms(kind)}
        missing += [name for name in names if name.lower() not in known]
        name = wanted.get(kind, "")
        if name and name.lower() not in known:
            ours_too = any(name.lower() == one.lower() for one in names)
            hint = "hpo-nni install" if ours_too else "nnictl algo list shows what there is"
            yield fail("algorithms", f"NNI knows no {kind} {name!r}", hint)
            return
    if missing and wanted:
        yield ok("algorithms", f"{' and '.join(missing)} not registered, and not used here")
    elif missing:
        message = f"{' and '.join(missing)} not registered: a config cannot use them by `name`"
        yield warn("algorithms", message, "hpo-nni install, or className and codeDirectory")
    else:
        yield ok("algorithms", f"{', '.join(n for names in ours.values() for n in names)} known")


def _attempt(subject: str, action: Callable[[], T]) -> T | Finding:
    try:
        return action()
    except HpoNniError as error:
        return fail(subject, error.message, error.hint)
