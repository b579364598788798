"""Directories for NNI 2, which writes paths into shell lines without quotes."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

_UNQUOTED = re.compile(r"[^\w./@%+=:,~-]")


def breaks_nni(path: Path) -> bool:
    """Whether NNI 2 would fail every trial, without a word, because of this path.

    >>> breaks_nni(Path("/data/my models")), breaks_nni(Path("/data/模型"))
    (True, False)
    """
    return _UNQUOTED.search(str(path)) is not None


def plain_directory(wanted: Path) -> Path:
    """A directory whose path needs no quotes, always the same for the same wanted one.

    It lies beside NNI's other experiments; where `wanted` does not exist yet it becomes a link to
    it, so that people find the files where the config says.
    """
    homes = [Path.home() / "nni-experiments", Path(tempfile.gettempdir())]
    home = next((folder for folder in homes if not breaks_nni(folder)), Path("/var/tmp"))  # noqa: S108
    digest = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    plain = home / f"hpo_nni-{digest}"
    plain.mkdir(parents=True, exist_ok=True)
    if wanted.is_dir() and not wanted.is_symlink() and not any(wanted.iterdir()):
        wanted.rmdir()  # NNI's config loader makes it on sight
    if not wanted.exists():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.symlink_to(plain, target_is_directory=True)
    return plain
