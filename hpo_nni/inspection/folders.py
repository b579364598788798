"""Directories: may we write there, can the ledger lock files there, is there room?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from hpo_nni.inspection.finding import Finding, Level, fail, ok, warn
from hpo_nni.ledger.filesystem import MOUNTS, filesystem_type, is_network

if TYPE_CHECKING:
    from collections.abc import Iterator

_GIGABYTE = 1 << 30
_LITTLE, _NOTHING = 2 * _GIGABYTE, _GIGABYTE // 20


def working_directory(directory: Path, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Everything about where an experiment, its logs and its ledger will lie.

    Args:
        directory: it need not exist, and is not made.
        mounts: a file in the format of `/proc/self/mountinfo`.
    """
    there = writable("working directory", directory)
    yield there
    if there.level is not Level.OK:
        return
    nearest = _nearest(directory)
    yield locks(nearest, filesystem_type(nearest, mounts))
    yield room(shutil.disk_usage(nearest).free)
    logs = f"{directory}/<experiment>/log is NNI's, .../trials/<trial> each trial's own"
    yield ok("logs", logs)


def writable(subject: str, directory: Path) -> Finding:
    """Whether files can be made there, or the directory itself where it is missing."""
    nearest = _nearest(directory)
    hint = "set experimentWorkingDirectory to a directory that you may write to"
    if not nearest.is_dir():
        return fail(subject, f"{nearest} is not a directory", hint)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return fail(subject, f"{nearest} cannot be written to: {error.strerror}", hint)
    made = "" if nearest == directory else ", which will be made"
    return ok(subject, f"{directory}{made}")


def locks(directory: Path, kind: str) -> Finding:
    """Whether SQLite can share a file there: the type of the file system, and a real try."""
    hint = "set experimentWorkingDirectory to a local disk; configs, models and logs may stay"
    if is_network(kind):
        message = f"{directory} is on a network file system ({kind}): the ledger refuses it"
        return fail("file locks", message, hint)
    try:
        with tempfile.TemporaryDirectory(dir=directory, prefix=".hpo_nni_doctor_") as folder:
            excluded = _excludes(Path(folder, "try.sqlite"))
    except (OSError, sqlite3.Error) as error:
        return fail("file locks", f"SQLite cannot work in {directory}: {error}", hint)
    if not excluded:
        return fail("file locks", f"{directory} does not keep two writers apart", hint)
    return ok("file locks", f"kept ({kind or 'unknown file system'})")


def room(free: int) -> Finding:
    """Whether so many bytes are enough to go on with."""
    text = f"{free / _GIGABYTE:.1f} GB free"
    if free < _NOTHING:
        return fail("disk", text, "make room: every trial keeps its config and its logs")
    if free < _LITTLE:
        return warn("disk", text, "each trial keeps its config and its logs")
    return ok("disk", text)


def _excludes(file: Path) -> bool:
    """Whether a second writer is kept out while a first one writes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("PRAGMA journal_mode = WAL")
        first.execute("CREATE TABLE t (x)")
        first.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as second:
            try:
                second.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                return "locked" in str(error)
    return False


def _nearest(directory: Path) -> Path:
    """The directory itself, or the first above it that exists."""
    path = Path(os.path.abspath(directory))  # noqa: PTH100  (links stay: mounts are looked up later)
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
