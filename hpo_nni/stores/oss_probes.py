"""Small requests that tell what an account may do on OSS, before anything depends on it."""

from __future__ import annotations

import secrets

import oss2

from hpo_nni.errors import StoreError
from hpo_nni.stores.oss import OssStore

_MADE = "is the path right, and has the job that makes it run?"
DENIED = "AccessDenied"  # OSS's word, in the messages of errors


class OssProbes(OssStore):
    """A store that can also be asked what would go well.

    Each raises StoreError with OSS's own words, `DENIED` among them where a key is good and its
    account lacks the right.
    """

    def check_keys(self) -> None:
        """Show the key pair: list at most one bucket."""
        connection = self._connection
        service = oss2.Service(
            self._auth,
            connection.endpoint,
            session=self._session,
            connect_timeout=(connection.connect_seconds, connection.read_seconds),
            region=connection.region or None,
        )
        self._call("ask", connection.endpoint, lambda: service.list_buckets(max_keys=1))

    def check_read(self, uri: str) -> None:
        """Read the first byte of an object."""
        self.read_range(uri, 0, 1)

    def check_list(self, uri: str) -> None:
        """List at most one object below a prefix."""
        bucket, prefix = self._open(uri, is_folder=True)
        self._call("list", uri, lambda: bucket.list_objects_v2(prefix, "/", max_keys=1))

    def check_beginning(self, uri: str) -> None:
        """See that there is at least one object whose name begins so."""
        bucket, key = self._open(uri)
        page = self._call("list", uri, lambda: bucket.list_objects_v2(key, max_keys=1))
        if not page.object_list:
            raise StoreError(f"there is nothing that begins with {uri}", uri=uri, hint=_MADE)

    def check_write(self, uri: str) -> None:
        """Put an empty object into a folder, and delete it."""
        bucket, prefix = self._open(uri, is_folder=True)
        key = f"{prefix}.hpo_nni_check_{secrets.token_hex(4)}"
        self._call("write to", uri, lambda: bucket.put_object(key, b""))
        self._call("delete from", uri, lambda: bucket.delete_object(key))
