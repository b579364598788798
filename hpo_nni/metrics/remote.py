"""Event files in a store: one listing per poll, and only the new bytes of files that have changed.

Stores replace objects as a whole: a trainer that appends to its event file puts a longer one in its
place. So a file has grown when its version is new; what was read before is its beginning still.
"""

from __future__ import annotations

import errno
import logging
import sys
from typing import TYPE_CHECKING, Protocol

from hpo_nni.errors import StoreError, TransientStoreError
from hpo_nni.metrics.damage import Presence
from hpo_nni.metrics.events import MARK
from hpo_nni.metrics.growing import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

_REQUEST_BYTES = 1 << 22  # what one request asks for at most


class Listed(Protocol):
    """A file as a listing shows it; a store's `StoredFile` is one."""

    @property
    def name(self) -> str:
        """The last part of its URI."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the content does."""
        ...


class Reader(Protocol):
    """What is needed of a store."""

    def list_files(self, uri: str) -> Sequence[Listed]:
        """Return the files directly in a folder; none if there is no such folder."""
        ...

    def read_range(self, uri: str, start: int, end: int | None = None) -> bytes:
        """Return the bytes from `start` up to `end`, as far as there are any."""
        ...


class RemoteFolder:
    """A folder of event files in a store, for `EventSource`.

    Args:
        reader: the store.
        uris: where the files may be. The first that has any is followed from then on: EasyRec
            writes to `eval_val/` of a model's directory, and in some versions to `eval/`.
        mirror: a directory on this machine that gets copies of the files as far as they are read,
            for TensorBoard; None for no copies.
    """

    def __init__(self, reader: Reader, uris: Sequence[str], mirror: Path | None = None) -> None:
        self._reader = reader
        self._uris = [uri if uri.endswith("/") else f"{uri}/" for uri in uris]
        self._mirror = mirror
        self._presence = Presence(str(self))
        self._files: dict[str, RemoteFile] = {}
        self._listed: set[str] = set()  # by the last listing that went well
        self._fault: StoreError | None = None

    @property
    def behind(self) -> int:
        """How many bytes have been listed and not been read."""
        return sum(file.behind for file in self._files.values())

    def raise_fault(self) -> None:
        """Raise TransientStoreError if the last listing, or reading of a file, ended with one."""
        for fault in (self._fault, *(file.fault for file in self._files.values())):
            if isinstance(fault, TransientStoreError):
                raise fault

    def raise_if_partial(self) -> None:
        """Raise StoreError if some of it could be read and more of it cannot be.

        Of what could never be read, `absence` tells. A file that has been deleted is not missed.
        """
        if not any(file.is_begun for file in self._files.values()):
            return
        there = [file for name, file in self._files.items() if name in self._listed]
        for fault in (self._fault, *(file.fault for file in there if file.behind)):
            if fault is not None:
                raise fault

    @property
    def absence(self) -> str:
        """Why it cannot be read; empty if it can."""
        return self._presence.absence

    def look(self) -> dict[str, RemoteFile]:
        """Return all event files that have been seen, and let them know their sizes."""
        try:
            for uri in self._uris:
                listed = [file for file in self._reader.list_files(uri) if MARK in file.name]
                if listed:
                    self._uris = [uri]
                    self._note(uri, listed)
                    break
            else:
                self._listed = set()
        except StoreError as error:
            self._fault = error
            self._presence.lost(OSError(errno.EIO, error.message))
        else:
            self._fault = None
            self._presence.found()
        return self._files

    def _note(self, uri: str, listed: Sequence[Listed]) -> None:
        self._listed = {entry.name for entry in listed}
        for entry in listed:
            if entry.name not in self._files:
                mirror = self._mirror / entry.name if self._mirror else None
                self._files[entry.name] = RemoteFile(self._reader, uri + entry.name, mirror)
            self._files[entry.name].note(entry)
        self._files = dict(sorted(self._files.items()))

    def __str__(self) -> str:
        return " or ".join(self._uris)


class RemoteFile:
    """One object that grows, as far as listings have shown it.

    Attributes:
        fault: with which the last reading ended; None if it went well.
    """

    def __init__(self, reader: Reader, uri: str, mirror: Path | None = None) -> None:
        self.fault: StoreError | None = None
        self._reader = reader
        self._uri = uri
        self._presence = Presence(uri)
        self._mirror = mirror
        self._offset = 0
        self._size = 0
        self._version = ""

    @property
    def behind(self) -> int:
        """How many bytes there are that have not been read."""
        return max(0, self._size - self._offset)

    @property
    def is_begun(self) -> bool:
        """Whether anything has been read."""
        return self._offset > 0

    def note(self, listed: Listed) -> None:
        """Take what a listing says; a shorter file is another one and begins anew."""
        if listed.version != self._version:
            if listed.size < self._offset:
                self._offset = 0
            self._size, self._version = listed.size, listed.version

    def read(self, limit: int = sys.maxsize) -> Iterator[Chunk]:
        """Yield what is new, at most about `limit` bytes; costs nothing where nothing is."""
        end = min(self._size, self._offset + limit)
        while self._offset < end:
            at = self._offset
            try:
                data = self._reader.read_range(self._uri, at, min(end, at + _REQUEST_BYTES))
            except StoreError as error:
                self.fault = error
                self._presence.lost(OSError(errno.EIO, error.message))
                return
            self.fault = None
            self._presence.found()
            if not data:  # it was replaced by a shorter one since: the next listing tells
                return
            self._copy(at, data)
            self._offset = at + len(data)
            yield Chunk(data, begins=at == 0)

    def drain(self) -> Iterator[Chunk]:
        """Yield everything that is left."""
        yield from self.read()

    def release(self) -> None:
        """Nothing is held."""

    def _copy(self, at: int, data: bytes) -> None:
        if self._mirror is None:
            return
        try:
            self._mirror.parent.mkdir(parents=True, exist_ok=True)
            with self._mirror.open("ab" if at else "wb") as file:
                file.write(data)
        except OSError as error:  # metrics matter more than a copy of them
            logger.warning("%s cannot be written: %s; no more copies", self._mirror, error)
            self._mirror = None
