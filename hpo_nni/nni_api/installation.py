"""Whether NNI, as it is installed here, can start at all."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from hpo_nni.errors import NniError

PATIENCE = 60.0  # seconds, for a process that should take one


def node_binary() -> Path:
    """NNI's own Node, which its manager runs on; raises NniError where there is none."""
    spec = importlib.util.find_spec("nni_node")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        for name in ("node", "node.exe"):
            if Path(folder, name).is_file():
                return Path(folder, name)
    raise NniError("NNI's node binary is missing", hint="pip install --force-reinstall nni==2.10.1")


def node_version(binary: Path) -> str:
    """Start the binary and return its version.

    Raises:
        NniError: it may not be executed, or it ends with an error.
    """
    if not os.access(binary, os.X_OK):
        raise NniError(f"{binary} may not be executed", hint=f"chmod u+x '{binary}'")
    return _said([str(binary), "--version"], "NNI's node does not start")


def check_nnictl() -> None:
    """Load what `nnictl` loads; raises NniError with the last line of the traceback."""
    hint_of_old = "NNI 2.10.1 needs pkg_resources: pip install 'setuptools<81'"
    try:
        _said([sys.executable, "-c", "import nni.tools.nnictl.nnictl"], "nnictl does not load")
    except NniError as error:
        hint = hint_of_old if "pkg_resources" in error.message else ""
        raise NniError(error.message, hint=hint) from error


def _said(command: list[str], fault: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NniError(f"{fault}: {getattr(error, 'strerror', None) or error}") from error
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise NniError(f"{fault}: {words}")
    return done.stdout.strip()
