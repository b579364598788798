"""The few OSS calls that a trainer makes, signed with version 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
from email.utils import formatdate
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from http.client import HTTPResponse


class StorageError(Exception):
    """OSS refused; the text is its answer."""


class Storage:
    """Objects by `oss://bucket/key`, over one connection."""

    def __init__(self, endpoint: str, key_id: str, secret: str) -> None:
        self._key_id = key_id
        self._secret = secret
        self._connection = HTTPConnection(urlsplit(endpoint).netloc, timeout=30)

    def read(self, uri: str) -> bytes:
        """The whole object."""
        return self._call("GET", uri)

    def find(self, uri: str) -> bytes | None:
        """The whole object, or None where there is none."""
        try:
            return self.read(uri)
        except FileNotFoundError:
            return None

    def write(self, uri: str, data: bytes) -> None:
        """Replace the object whole."""
        self._call("PUT", uri, data)

    def append(self, uri: str, position: int, data: bytes) -> None:
        """Add to the object's end."""
        self._call("POST", uri, data, f"append&position={position}")

    def _call(self, method: str, uri: str, data: bytes = b"", query: str = "") -> bytes:
        if not uri.startswith("oss://"):
            raise StorageError(f"{uri}: not an oss:// path")
        host, _, key = uri.removeprefix("oss://").partition("/")
        bucket = host.partition(".")[0]  # `oss://bucket.oss-cn-x.aliyuncs.com/key` is allowed too
        date = formatdate(usegmt=True)
        resource = f"/{bucket}/{key}" + (f"?{query}" if query else "")
        text = f"{method}\n\n\n{date}\n{resource}"
        digest = hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).digest()
        signature = base64.b64encode(digest).decode()
        headers = {"Date": date, "Authorization": f"OSS {self._key_id}:{signature}"}
        target = f"/{bucket}/{quote(key, safe='')}" + (f"?{query}" if query else "")
        self._connection.request(method, target, data, headers)
        return _body(self._connection.getresponse(), uri)


def _body(response: HTTPResponse, uri: str) -> bytes:
    body = response.read()
    if response.status == 404:
        raise FileNotFoundError(f"{uri}: {body.decode()}")
    if response.status >= 300:
        raise StorageError(f"{uri}: {response.status} {body.decode()}")
    return body
