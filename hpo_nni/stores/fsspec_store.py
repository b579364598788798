"""Files wherever `fsspec` reaches: hdfs, webhdfs, s3, sftp, abfs, gs and others, by their schemes.

What a scheme needs beyond `fsspec` itself (a client, a Java, keys) comes from its own package and
its own configuration, as its documents say; nothing of it stands in our settings.
"""

from __future__ import annotations

import contextlib
import importlib.util
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from hpo_nni.errors import MissingExtraError, StoreError, TransientStoreError
from hpo_nni.stores.base import TREE, StoredFile, decode_text, too_many

if TYPE_CHECKING:
    from collections.abc import Callable

if importlib.util.find_spec("fsspec") is None:  # its import waits for a need
    raise ImportError("fsspec is not installed", name="fsspec")

_T = TypeVar("_T")
_VERSIONS = ("ETag", "etag", "checksum", "mtime", "modificationTime", "LastModified", "modified")
_NEEDED_LATER = {"hdfs": "pyarrow"}  # packages that fsspec asks for only when it connects
_HINTS = {
    "hdfs": "pip install pyarrow, which needs Hadoop's libhdfs and Java; or write "
    "webhdfs://HOST:PORT, which needs nothing more",
}
_FINAL = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


class FsspecStore:
    """Files by URI, of any scheme that `fsspec` knows.

    What is written is written beside its place and moved there. Where a file system does not move
    over an existing file (HDFS), a reader may find none for a moment, but never a part of one.

    Args:
        connect_seconds: until a connection stands, for systems that speak through `requests`, which
            waits for ever by itself (webhdfs).
        read_seconds: of silence within an answer, likewise.
    """

    def __init__(self, *, connect_seconds: float = 10.0, read_seconds: float = 60.0) -> None:
        self._patience = (connect_seconds, read_seconds)

    @staticmethod
    def check(uri: str) -> None:
        """Raise where the scheme of a URI is not known, or lacks its package; nothing is reached.

        Raises:
            MissingExtraError: the scheme's own package is not installed.
            StoreError: nobody knows the scheme.
        """
        import fsspec  # noqa: PLC0415  (a third of a second)

        scheme = uri.partition("://")[0].lower()
        needed = _NEEDED_LATER.get(scheme)
        try:
            fsspec.get_filesystem_class(scheme)
            if needed is not None:
                importlib.import_module(needed)
        except ImportError as error:
            raise _missing(uri, error) from error
        except ValueError as error:
            raise StoreError(
                f"nobody knows how to reach {uri}",
                uri=uri,
                hint="is the scheme right? There are oss:// and what fsspec knows, as webhdfs://",
            ) from error

    def read_text(self, uri: str) -> str:
        """Return the text with its line endings as they are."""
        return decode_text(self.read_range(uri, 0), uri)

    def write_text(self, uri: str, text: str) -> None:
        """Replace the text."""
        self.write_bytes(uri, text.encode("utf-8"))

    def write_bytes(self, uri: str, data: bytes) -> None:
        """Write beside the target, then move over it."""
        system, path = self._open(uri)
        folder, _, name = path.rpartition("/")
        draft = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}"

        def write() -> None:
            system.makedirs(folder, exist_ok=True)
            try:
                system.pipe_file(draft, data)
                _move(system, draft, path)
            except BaseException:
                with contextlib.suppress(Exception):
                    system.rm_file(draft)
                raise

        self._call("write", uri, write)

    def read_range(self, uri: str, start: int, end: int | None = None) -> bytes:
        """Return what is there from `start` up to `end`; empty at and beyond the end."""
        if end is not None and end <= start:
            return b""
        system, path = self._open(uri)

        def read() -> bytes:
            system.invalidate_cache()
            size = int(system.info(path)["size"] or 0)
            last = size if end is None else min(end, size)
            return b"" if start >= last else bytes(system.cat_file(path, start=start, end=last))

        return self._call("read", uri, read)

    def list_files(self, uri: str) -> list[StoredFile]:
        """Return the files directly in a folder; none if there is no such folder."""
        system, path = self._open(uri)

        def entries() -> list[dict[str, Any]]:
            system.invalidate_cache()  # some systems remember listings
            try:
                return list(system.ls(path, detail=True))
            except FileNotFoundError:
                return []

        files = [entry for entry in self._call("list", uri, entries) if entry["type"] == "file"]
        found = [
            StoredFile(_name(entry), int(entry.get("size") or 0), _version(entry))
            for entry in files
        ]
        return sorted(found)

    def delete_tree(self, uri: str) -> None:
        """Delete a folder with all below it, or a file."""
        system, path = self._open(uri)

        def delete() -> None:
            system.invalidate_cache()
            if system.exists(path):
                system.rm(path, recursive=True)

        self._call("delete", uri, delete)

    def exists(self, uri: str) -> bool:
        """Whether there is such a file, or a folder of this name with something in it."""
        system, path = self._open(uri)

        def look() -> bool:
            system.invalidate_cache()
            try:
                is_folder = system.info(path)["type"] == "directory"
                return bool(system.ls(path)) if is_folder else True
            except FileNotFoundError:
                return False

        return self._call("look for", uri, look)

    def list_tree(self, uri: str, limit: int = TREE) -> list[StoredFile]:
        """Return all files below a folder, or the one file."""
        system, path = self._open(uri)

        def entries() -> dict[str, dict[str, Any]]:
            system.invalidate_cache()
            return dict(system.find(path, detail=True))

        found = self._call("list", uri, entries)
        if len(found) > limit:
            raise too_many(uri, limit)
        top = f"{path.rstrip('/')}/"
        return sorted(
            StoredFile(
                name.partition(top)[2] if top in name else _name(entry),
                int(entry.get("size") or 0),
                _version(entry),
            )
            for name, entry in found.items()
        )

    def _open(self, uri: str) -> tuple[Any, str]:
        """The file system of a URI, and what it calls the file; fsspec keeps its instances."""
        import fsspec  # noqa: PLC0415  (a third of a second)

        try:
            system, path = fsspec.core.url_to_fs(uri)
        except ImportError as error:
            raise _missing(uri, error) from error
        except Exception as error:  # what its packages raise while they connect
            raise _translate("reach", uri, error) from error
        _bound(system, self._patience)
        return system, str(path)

    @staticmethod
    def _call(verb: str, uri: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except StoreError:
            raise
        except Exception as error:  # any package's: none of them may cross this line
            raise _translate(verb, uri, error) from error


def _bound(system: Any, patience: tuple[float, float]) -> None:
    """Have a file system's requests end in time; one whose client bounds itself is left alone."""
    session: Any = getattr(system, "session", None)
    if not hasattr(session, "mount") or getattr(session, "is_bounded", False):
        return
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - its session has loaded it

    class Bounded(HTTPAdapter):  # type: ignore[misc,unused-ignore]
        def send(self, request: Any, *given: Any, **more: Any) -> Any:
            more["timeout"] = more.get("timeout") or patience
            return super().send(request, *given, **more)

    for scheme in ("http://", "https://"):
        session.mount(scheme, Bounded())
    session.is_bounded = True


def _missing(uri: str, error: ImportError) -> MissingExtraError:
    scheme = uri.partition("://")[0].lower()
    return MissingExtraError(
        f"{uri}: {scheme}:// needs a package that is not installed: {error.name or error}",
        hint=_HINTS.get(scheme, f"pip install 'fsspec[{scheme}]', or as fsspec's documents say"),
    )


def _move(system: Any, draft: str, path: str) -> None:
    """Move over the target; on systems that refuse to replace, the target goes first.

    HDFS refuses without an error: WebHDFS answers RENAME with `false`, which fsspec does not read.
    """
    try:
        system.mv(draft, path)
        is_refused = system.exists(path) and system.exists(draft)
    except FileExistsError:
        is_refused = True
    if is_refused:
        system.rm_file(path)
        system.mv(draft, path)


def _translate(verb: str, uri: str, error: Exception) -> StoreError:
    words = str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return StoreError(f"there is no {uri}", uri=uri, hint="is the path right?")
    if isinstance(error, _FINAL):
        return StoreError(f"cannot {verb} {uri}: {words}", uri=uri)
    if isinstance(error, NotImplementedError):
        return StoreError(f"cannot {verb} {uri}: {words or 'its scheme cannot do that'}", uri=uri)
    if isinstance(error, OSError) or "Timeout" in type(error).__name__:
        return TransientStoreError(f"cannot {verb} {uri}: {words}", uri=uri)
    return StoreError(f"cannot {verb} {uri}: {type(error).__name__}: {words}", uri=uri)


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def _version(entry: dict[str, Any]) -> str:
    """What changes with the content; of systems that say nothing, its length."""
    stamps = [str(entry[key]) for key in _VERSIONS if entry.get(key) is not None]
    return ":".join([*stamps, str(entry.get("size"))])
