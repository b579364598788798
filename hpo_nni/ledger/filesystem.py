"""Which file system a directory lies on, and whether SQLite can share files there."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "ossfs",
        "panfs",
        "pvfs2",
        "smb3",
        "smbfs",
        "wekafs",
    }
)
# FUSE carries mostly object stores and remote shells; these few are layers over a local disk.
LOCAL_FUSE = frozenset({"fuse.bindfs", "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.unionfs"})


def is_network(kind: str) -> bool:
    """Whether files of this type may be shared with other machines.

    >>> is_network("nfs4"), is_network("fuse.ossfs"), is_network("ext4")
    (True, True, False)
    """
    return kind in NETWORK or kind == "fuse" or (kind[:5] == "fuse." and kind not in LOCAL_FUSE)


def filesystem_type(directory: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that holds an existing directory; empty where nothing tells.

    Args:
        directory: symbolic links in it are followed.
        mounts: a file in the format of proc(5), `/proc/[pid]/mountinfo`.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux
        return ""
    real = os.path.realpath(directory)
    holder, kind = "", ""
    for line in lines:
        place, _, source = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) < 5 or not source:
            continue
        point = _unescape(fields[4])
        # Of two mounts on one point the later one hides the earlier.
        if _holds(point, real) and len(point) >= len(holder):
            holder, kind = point, source.split(" ")[0]
    return kind


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescape(text: str) -> str:
    r"""Undo the octal escapes of spaces, tabs, newlines and backslashes.

    >>> _unescape(r"/mnt/my\040disk")
    '/mnt/my disk'
    """
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
