"""Files on this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hpo_nni.errors import StoreError
from hpo_nni.stores.base import TREE, StoredFile, decode_text, too_many


class LocalStore:
    """Local files by path or `file://` URI."""

    def read_text(self, uri: str) -> str:
        """Return the text with its line endings as they are."""
        try:
            data = _path(uri).read_bytes()  # of a pipe, too, in which no place can be sought
        except OSError as error:
            raise StoreError(f"cannot read {uri}: {error.strerror}", uri=uri) from error
        return decode_text(data, uri)

    def write_text(self, uri: str, text: str) -> None:
        """Write beside the target, flush to disk, rename over it; keeps the target's mode."""
        self.write_bytes(uri, text.encode("utf-8"))

    def write_bytes(self, uri: str, data: bytes) -> None:
        """As `write_text`."""
        path = _path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = path.stat().st_mode if path.exists() else 0o644
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).chmod(mode)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StoreError(f"cannot write {uri}: {error.strerror}", uri=uri) from error

    def read_range(self, uri: str, start: int, end: int | None = None) -> bytes:
        """Return what is there from `start` up to `end`; empty at and beyond the end."""
        try:
            with _path(uri).open("rb") as file:
                file.seek(start)
                return file.read() if end is None else file.read(max(0, end - start))
        except OSError as error:
            raise StoreError(f"cannot read {uri}: {error.strerror}", uri=uri) from error

    def list_files(self, uri: str) -> list[StoredFile]:
        """Return the files in a folder; none if there is no such folder."""
        try:
            with os.scandir(_path(uri)) as entries:
                found = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"cannot list {uri}: {error.strerror}", uri=uri) from error
        return [_stored(name, status) for name, status in sorted(found)]

    def list_tree(self, uri: str, limit: int = TREE) -> list[StoredFile]:
        """Return all files below a folder, or the one file; links to folders are not followed."""
        top = _path(uri)
        found: list[StoredFile] = []
        try:
            if top.is_file():
                return [_stored(top.name, top.stat())]
            for folder, _, names in os.walk(top, onerror=_raise):
                paths = [Path(folder, name) for name in names]
                found += [
                    _stored(str(path.relative_to(top)), path.stat())
                    for path in paths
                    if path.is_file()
                ]
                if len(found) > limit:
                    raise too_many(uri, limit)
        except FileNotFoundError:
            return []
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"cannot list {uri}: {error.strerror}", uri=uri) from error
        return sorted(found)

    def delete_tree(self, uri: str) -> None:
        """Delete a folder with all below it, or a file; a link is no folder, and stays."""
        path = _path(uri)
        if path.is_symlink():
            raise StoreError(f"{uri} is a link, and may lead to what others need", uri=uri)
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot delete {uri}: {error.strerror}", uri=uri) from error

    def exists(self, uri: str) -> bool:
        """Whether there is such a file, or a folder of this name with something in it."""
        path = _path(uri)
        try:
            return any(path.iterdir()) if path.is_dir() else path.exists()
        except OSError as error:
            raise StoreError(f"cannot look for {uri}: {error.strerror}", uri=uri) from error


def _stored(name: str, status: os.stat_result) -> StoredFile:
    return StoredFile(name, status.st_size, f"{status.st_ino}:{status.st_mtime_ns}")


def _raise(error: OSError) -> None:
    raise error


def _path(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
