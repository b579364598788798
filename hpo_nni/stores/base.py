"""Where files live: the seam, and the table of its implementations by URI scheme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hpo_nni.errors import MissingExtraError, Problem, RegistryError, StoreError
from hpo_nni.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STORES = Registry(
    group="hpo_nni.stores",
    builtin={"file": "hpo_nni.stores.local:LocalStore", "oss": "hpo_nni.stores.oss:OssStore"},
    extras={"hpo_nni.stores.oss": "maxcompute"},
)
_ELSEWHERE = Registry(
    group="hpo_nni.stores",
    builtin={"fsspec": "hpo_nni.stores.fsspec_store:FsspecStore"},
    extras={"hpo_nni.stores.fsspec_store": "fsspec"},
)

TREE = 20_000  # files: two dozen requests to a service that lists a thousand at a time


class StoredFile(NamedTuple):
    """A file as a listing shows it.

    Attributes:
        name: the last part of its URI.
        size: in bytes.
        version: changes whenever the content does; only good for comparison.
    """

    name: str
    size: int
    version: str


class Store(Protocol):
    """Files or objects by URI.

    1. `write_*` replace atomically: a reader sees the old content or the new one, never a part.
    2. Line endings and encoding (UTF-8) are kept as they are.
    3. Everything that goes wrong is a StoreError that names the URI; a TransientStoreError where
       another try may go well. Nothing here retries on its own: the caller owns time.
    """

    def read_text(self, uri: str) -> str:
        """Return the whole text."""
        ...

    def write_text(self, uri: str, text: str) -> None:
        """Replace the whole text; folders are made as needed."""
        ...

    def write_bytes(self, uri: str, data: bytes) -> None:
        """Replace the whole content; folders are made as needed."""
        ...

    def read_range(self, uri: str, start: int, end: int | None = None) -> bytes:
        """Return the bytes from `start` up to `end`, or up to where the file ends now."""
        ...

    def list_files(self, uri: str) -> Sequence[StoredFile]:
        """Return the files directly in a folder, in the order of names; none if there is none."""
        ...

    def exists(self, uri: str) -> bool:
        """Whether there is such a file, or a folder of this name with something in it."""
        ...

    def list_tree(self, uri: str, limit: int = TREE) -> Sequence[StoredFile]:
        """Return all files below a folder, or the one file that the URI names.

        Args:
            uri: a file's or a folder's.
            limit: more files than that are a StoreError: what they are cannot be told cheaply.

        Returns:
            In the order of names, which are relative to the folder; none if nothing is there.
        """
        ...

    def delete_tree(self, uri: str) -> None:
        """Delete a folder with all below it, or a file; silent where nothing is."""
        ...


def decode_text(data: bytes, uri: str) -> str:
    """The text of a file, with its line endings as they are; StoreError where it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{uri} is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}"
        raise StoreError(message, uri=uri, hint="save it as UTF-8") from error


def too_many(uri: str, limit: int) -> StoreError:
    """What is raised of a folder that holds more files than somebody wants to hear of."""
    return StoreError(f"{uri} holds more than {limit:,} files", uri=uri, hint="name less of it")


def open_store(uri: str, connections: Mapping[str, Any] | None = None) -> Store:
    """The store for this URI; a plain path is a local file.

    Args:
        uri: what is to be read or written.
        connections: scheme -> what its store is made from, such as an `OssConnection`.

    Raises:
        StoreError: no store knows the scheme, or its connection is not there.
        MissingExtraError: its SDK is not installed.
    """
    scheme, separator, _ = uri.partition("://")
    scheme = scheme.lower() if separator else "file"
    try:
        opener = STORES.load(scheme)
    except RegistryError:
        return _open_elsewhere(uri, scheme)
    if scheme == "file":
        local: Store = opener()
        return local
    connection = (connections or {}).get(scheme)
    if connection is None:
        raise StoreError(
            f"{uri} cannot be reached without an account",
            uri=uri,
            hint=f"the settings need a section [{scheme}_config]",
        )
    store: Store = opener(connection)
    return store


def find_scheme_problem(uri: str) -> Problem | None:
    """Why nothing can be read or written there, whatever the account; None if it can."""
    scheme = uri.partition("://")[0].lower()
    if scheme in STORES.names():
        return None
    try:
        _open_elsewhere(uri, scheme)
    except (StoreError, MissingExtraError) as error:
        return Problem("", error.message, error.hint)
    return None


def _open_elsewhere(uri: str, scheme: str) -> Store:
    """The store of a scheme that is not ours: fsspec's, where it is installed."""
    try:
        opener = _ELSEWHERE.load("fsspec")
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{uri}: {scheme}:// is reached through fsspec, which is not installed",
            hint="pip install 'hpo-nni[fsspec]', and what fsspec needs for the scheme; or copy the "
            "file to this machine and name it by its path",
        ) from error
    opener.check(uri)
    store: Store = opener()
    return store
