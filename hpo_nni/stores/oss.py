"""Objects on Alibaba Cloud's OSS, through `oss2`.

`oss2` retries nothing that is used here, and its one timeout is that of a single read; the deadline
of a whole call is kept here. See docs/adr/0008-oss-client.md for why it is `oss2`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import oss2

from hpo_nni.errors import StoreError, TransientStoreError
from hpo_nni.stores.base import TREE, StoredFile, decode_text, too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hpo_nni.secrets import Credentials

_T = TypeVar("_T")

CHUNK_BYTES = 1 << 18
PAGE = 1000  # keys in one listing; the service gives no more
_STANDARD = {"x-oss-range-behavior": "standard"}  # else a range beyond the end gives everything

_HINTS = {
    "InvalidAccessKeyId": "is accessKeyID right, and the key enabled?",
    "SignatureDoesNotMatch": "accessKeySecret does not belong to accessKeyID",
    "SecurityTokenExpired": "fetch a new sts token",
    "InvalidSecurityToken": "the sts token does not belong to accessKeyID",
    "AccessDenied": "the account may not do this: check the bucket's policy and the RAM rights; "
    "a bucket of another region needs that region's endpoint",
    "NoSuchBucket": "is the bucket's name right, and does the endpoint belong to its region?",
    "RequestTimeTooSkewed": "this machine's clock is wrong by more than 15 minutes",
    "InvalidBucketName": "a bucket's name has 3 to 63 of a-z, 0-9 and '-'",
}
_FIELDS = {  # which part of the account a code is about
    "InvalidAccessKeyId": "key_id",
    "SignatureDoesNotMatch": "key_secret",
    "SecurityTokenExpired": "sts_token",
    "InvalidSecurityToken": "sts_token",
    "NoSuchBucket": "endpoint",
}
_SYSTEM_WORDS = re.compile(
    r"\[Errno -?\d+\] ([^')\"]+)|(Remote end closed connection|Read timed out|timed out)"
)
_TRANSIENT_CODES = {"SlowDown", "TooManyRequests", "QpsLimitExceeded", "RequestTimeout", "Busy"}


@dataclass(frozen=True)
class OssConnection:
    """An account on OSS.

    Attributes:
        endpoint: as users write it, with or without `http://`.
        credentials: resolved, in memory only.
        region: such as `cn-beijing`; where it is given, requests are signed as V4.
        connect_seconds: until a connection stands.
        read_seconds: of silence within an answer.
        deadline_seconds: for one call as a whole, whatever drips in.
        places: where the user wrote `endpoint`, `key_id` and so on, for messages.
    """

    endpoint: str
    credentials: Credentials
    region: str = ""
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    deadline_seconds: float = 300.0
    places: Mapping[str, str] = field(default_factory=dict)

    def located(self, name: str, hint: str) -> str:
        """A hint about one of the fields, with its place."""
        return f"{self.places[name]}: {hint}" if name in self.places else hint


class _Place(NamedTuple):
    bucket: str
    key: str


class OssStore:
    """Objects by `oss://BUCKET/KEY`.

    Args:
        connection: the account.
        clock: seconds that only grow.
    """

    def __init__(
        self, connection: OssConnection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._session = oss2.Session()
        self._auth = _auth(connection)

    def read_text(self, uri: str) -> str:
        """Return the text with its line endings as they are."""
        return decode_text(self.read_range(uri, 0), uri)

    def write_text(self, uri: str, text: str) -> None:
        """Replace the object."""
        self.write_bytes(uri, text.encode("utf-8"))

    def write_bytes(self, uri: str, data: bytes) -> None:
        """Replace the object: a put shows as a whole or not at all."""
        bucket, key = self._open(uri)
        self._call("write", uri, lambda: bucket.put_object(key, data))

    def read_range(self, uri: str, start: int, end: int | None = None) -> bytes:
        """Return what is there from `start` up to `end`; empty at and beyond the end."""
        if end is not None and end <= start:
            return b""
        bucket, key = self._open(uri)
        last = None if end is None else end - 1
        whole = start == 0 and end is None
        try:
            return self._call(
                "read",
                uri,
                lambda: self._body(
                    uri,
                    bucket.get_object(
                        key, byte_range=None if whole else (start, last), headers=dict(_STANDARD)
                    ),
                ),
            )
        except _BeyondEndError:
            return b""

    def list_files(self, uri: str) -> list[StoredFile]:
        """Return the objects directly below a prefix; one request per thousand."""
        return self._below(uri, "/")

    def list_tree(self, uri: str, limit: int = TREE) -> list[StoredFile]:
        """Return all objects below a prefix, or the one object of this name."""
        found = self._below(uri, "", limit)
        if found or uri.endswith("/"):
            return found
        bucket, key = self._open(uri)
        page = self._call("list", uri, lambda: self._page(bucket, key, "", "", 1))
        name = key.rpartition("/")[2]
        # of all names that begin so, the name itself is the first
        return [StoredFile(name, one.size, one.etag) for one in page.object_list if one.key == key]

    def delete_tree(self, uri: str) -> None:
        """Delete all objects below a prefix, or the one object; one request per thousand."""
        bucket, key = self._open(uri)
        folder = f"{key.rstrip('/')}/"
        names = [f"{folder}{file.name}" for file in self._below(uri, "")]
        keys = [*names, *([] if uri.endswith("/") else [key]), folder]
        for first in range(0, len(keys), PAGE):
            part = keys[first : first + PAGE]
            self._call("delete", uri, lambda: bucket.batch_delete_objects(part))  # noqa: B023

    def _below(self, uri: str, delimiter: str, limit: int | None = None) -> list[StoredFile]:
        bucket, prefix = self._open(uri, is_folder=True)
        found: list[StoredFile] = []
        token = ""
        while True:
            page = self._call(
                "list",
                uri,
                lambda: self._page(bucket, prefix, delimiter, token),  # noqa: B023
            )
            found += [
                StoredFile(entry.key[len(prefix) :], entry.size, entry.etag)
                for entry in page.object_list
                if entry.key != prefix  # an empty object that consoles make for a folder
            ]
            if limit is not None and len(found) > limit:
                raise too_many(uri, limit)
            if not page.is_truncated:
                return found
            token = page.next_continuation_token

    def exists(self, uri: str) -> bool:
        """Whether there is such an object, or another one below it; at most two requests."""
        bucket, key = self._open(uri, is_folder=uri.endswith("/"))
        folder = key and f"{key.rstrip('/')}/"

        def first(prefix: str, count: int) -> list[str]:
            page = self._call(
                "look for", uri, lambda: bucket.list_objects_v2(prefix, max_keys=count)
            )
            return [entry.key for entry in page.object_list]

        if key != folder and first(key, 1) == [key]:  # names come sorted, the shortest first
            return True
        return any(name != folder for name in first(folder, 2))

    def _page(self, bucket: Any, prefix: str, delimiter: str, token: str, count: int = PAGE) -> Any:
        return bucket.list_objects_v2(prefix, delimiter, continuation_token=token, max_keys=count)

    def _body(self, uri: str, answer: Any) -> bytes:
        deadline = self._clock() + self._connection.deadline_seconds
        chunks = []
        while chunk := answer.read(CHUNK_BYTES):
            chunks.append(chunk)
            if self._clock() > deadline:
                answer.resp.response.close()
                message = f"cannot read {uri}: its bytes come too slowly"
                raise TransientStoreError(message, uri=uri, hint=_reach(self._connection))
        return b"".join(chunks)

    def _open(self, uri: str, *, is_folder: bool = False) -> tuple[Any, str]:
        place = _parse(uri, is_folder=is_folder)
        connection = self._connection
        try:
            bucket = oss2.Bucket(
                self._auth,
                connection.endpoint,
                place.bucket,
                session=self._session,
                connect_timeout=(connection.connect_seconds, connection.read_seconds),
                region=connection.region or None,
            )
        except oss2.exceptions.ClientError as error:
            raise StoreError(f"{uri} cannot be used: {error.body}", uri=uri) from error
        return bucket, place.key

    def _call(self, verb: str, uri: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except oss2.exceptions.OssError as error:
            raise _translate(verb, uri, error, self._connection) from error
        except StoreError:  # it is an OSError, too
            raise
        except OSError as error:  # requests', while the body is read
            message = f"cannot {verb} {uri}: the connection broke: {_cause(error)}"
            hint = _reach(self._connection)
            raise TransientStoreError(message, uri=uri, hint=hint) from error


class _BeyondEndError(StoreError):
    """A range begins where the object ends, or behind it."""


def _auth(connection: OssConnection) -> Any:
    pair = connection.credentials
    key_id, key_secret = pair.key_id.reveal(), pair.key_secret.reveal()
    version = oss2.AUTH_VERSION_4 if connection.region else oss2.AUTH_VERSION_1
    if pair.sts_token is not None:
        return oss2.StsAuth(key_id, key_secret, pair.sts_token.reveal(), auth_version=version)
    return oss2.make_auth(key_id, key_secret, version)


def _parse(uri: str, *, is_folder: bool = False) -> _Place:
    bucket, _, key = uri.partition("://")[2].partition("/")
    if is_folder and key and not key.endswith("/"):
        key += "/"
    if not bucket or not (key or is_folder):
        raise StoreError(f"{uri} names no object", uri=uri, hint="as in oss://bucket/folder/name")
    return _Place(bucket, key)


def _translate(
    verb: str, uri: str, error: oss2.exceptions.OssError, connection: OssConnection
) -> StoreError:
    if isinstance(error, oss2.exceptions.RequestError):
        cause = _cause(error.exception)
        message = f"cannot {verb} {uri}: {connection.endpoint} does not answer: {cause}"
        return TransientStoreError(message, uri=uri, hint=_reach(connection))
    if error.status == 416:
        return _BeyondEndError(f"{uri} ends before that", uri=uri)
    if error.code == "NoSuchKey":
        return StoreError(
            f"there is no {uri}", uri=uri, hint="is the path right? OSS tells upper case from lower"
        )
    words = error.message or error.body or f"status {error.status}"
    message = f"cannot {verb} {uri}: {error.code or 'OSS'}: {words}"
    hint = connection.located(_FIELDS.get(error.code, ""), _HINTS.get(error.code, ""))
    if error.request_id:  # not in the message, which is the same whenever the fault is
        hint = f"{hint} (request {error.request_id})".lstrip()
    is_transient = error.status == 429 or error.status >= 500 or error.code in _TRANSIENT_CODES
    if is_transient or isinstance(error, oss2.exceptions.InconsistentError):
        return TransientStoreError(message, uri=uri, hint=hint)
    return StoreError(message, uri=uri, hint=hint)


def _cause(error: Exception) -> str:
    """The operating system's words out of what requests and urllib3 wrap around them."""
    found = _SYSTEM_WORDS.search(str(error))
    return found[1] or found[2] if found else type(error).__name__


def _reach(connection: OssConnection) -> str:
    hint = f"can this machine reach {connection.endpoint}?"
    if "-internal." in connection.endpoint:
        hint += " Endpoints with -internal answer only inside Alibaba Cloud"
    return connection.located("endpoint", hint)
