"""Where files live: the seam, and the table of its implementations by URI scheme."""

from __future__ import annotations

from typing import Protocol

from hpo_nni.errors import RegistryError, StoreError
from hpo_nni.registry import Registry

STORES = Registry(group="hpo_nni.stores", builtin={"file": "hpo_nni.stores.local:LocalStore"})


class Store(Protocol):
    """Files or objects by URI.

    1. `write_text` replaces atomically: a reader sees the old text or the new one, never a part.
    2. Line endings and encoding (UTF-8) are kept as they are.
    3. Everything that goes wrong is a StoreError that names the URI.
    """

    def read_text(self, uri: str) -> str:
        """Return the whole text."""
        ...

    def write_text(self, uri: str, text: str) -> None:
        """Replace the whole text; folders are made as needed."""
        ...


def open_store(uri: str) -> Store:
    """The store for this URI; a plain path is a local file.

    Raises:
        StoreError: no store knows the scheme.
    """
    scheme, separator, _ = uri.partition("://")
    try:
        store: Store = STORES.load(scheme if separator else "file")()
    except RegistryError as error:
        raise StoreError(
            f"no store reads {scheme}:// yet: {uri}",
            uri=uri,
            hint="copy the file to this machine and name it by its path",
        ) from error
    return store
