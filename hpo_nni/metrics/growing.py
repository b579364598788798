"""One file that grows while a job runs, read by byte offset.

What it must not do: interpret the bytes, or read any of them twice.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from hpo_nni.metrics.damage import Presence

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 18
POLL_BYTES = 1 << 22  # what one poll takes of a file at most, so that catching up needs no memory


class Chunk(NamedTuple):
    """Some bytes of a file.

    Attributes:
        data: at least one byte.
        begins: whether they are the first of a file: what was read before belongs to another one.
    """

    data: bytes
    begins: bool


class GrowingFile:
    """Follows one path: what is appended, and what begins anew when the file is replaced.

    A file begins anew when the path leads to another inode (rotation; what the old file got after
    the last read still comes first) or when it is shorter than what has been read (truncation).
    A file that is rewritten in place to at least its old length between two reads cannot be told
    from one that has grown: only its new length is read.

    The file is opened again for each read, because network and object-store mounts show what is
    new only to a new handle; that handle stays open until the next read, because an inode that is
    held open cannot be given to another file.

    Attributes:
        path: the path.
        presence: whether it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.presence = Presence(path)
        self._name = os.fspath(path)
        self._offset = 0
        self._handle: io.FileIO | None = None
        self._identity = (0, 0)

    def read(self, limit: int = POLL_BYTES) -> Iterator[Chunk]:
        """Yield what is new, at most about `limit` bytes; costs one `stat` where nothing is.

        A path that does not exist yields nothing. Another reason why it cannot be read is logged
        once, and the next call tries again.
        """
        try:
            yield from self._read(limit)
        except OSError as error:
            self.presence.lost(error)

    def _read(self, limit: int) -> Iterator[Chunk]:
        old, previous = self._handle, self._identity
        try:
            has_changed = self._has_changed()
            if has_changed:
                self._reopen()
        except FileNotFoundError as error:
            self.presence.lost(error)
            yield from self._chunks(old, limit)
            return
        self.presence.found()
        if not has_changed:
            return
        if old is not None and self._identity != previous:
            try:
                yield from self._chunks(old, sys.maxsize)
            finally:
                self._offset = 0
        if old is not None:
            old.close()
        yield from self._chunks(self._handle, limit)

    def drain(self) -> Iterator[Chunk]:
        """Yield everything that is left, without a limit."""
        found = True
        while found:
            found = False
            for chunk in self.read():
                found = True
                yield chunk

    def release(self) -> None:
        """Close the handle; from now on only a shorter file counts as a new one."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _has_changed(self) -> bool:
        status = os.stat(self._name)  # noqa: PTH116 - a third of what Path.stat costs
        if self._handle is not None and (status.st_dev, status.st_ino) != self._identity:
            return True
        return status.st_size != self._offset

    def _reopen(self) -> None:
        fresh = open(self._name, "rb", buffering=0)  # noqa: PTH123, SIM115 - kept until the next
        status = os.fstat(fresh.fileno())
        if status.st_size < self._offset and self._is_same(status):
            self._offset = 0
        self._handle = fresh
        self._identity = (status.st_dev, status.st_ino)

    def _is_same(self, status: os.stat_result) -> bool:
        return self._handle is None or (status.st_dev, status.st_ino) == self._identity

    def _chunks(self, handle: io.FileIO | None, limit: int) -> Iterator[Chunk]:
        if handle is None:
            return
        end = self._offset + limit
        while self._offset < end:
            at = self._offset
            data = os.pread(handle.fileno(), min(CHUNK_BYTES, end - at), at)
            if not data:
                return
            self._offset = at + len(data)
            yield Chunk(data, begins=at == 0)
