"""What OSS's requests and answers have in common: headers, names, times."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from hpo_nni.testing.cloud.crc import crc64
from hpo_nni.testing.cloud.http import Request, ServiceError
from hpo_nni.testing.cloud.oss_objects import Facts
from hpo_nni.testing.cloud.xml_text import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.testing.cloud.oss_objects import Buckets

XML = {"Content-Type": "application/xml"}
_KEPT = ("content-type", "content-encoding", "content-disposition", "cache-control", "expires")


def kept(request: Request) -> dict[str, str]:
    """What is kept with an object of what came in headers: its type, user meta."""
    return {
        name: value
        for name, value in request.headers.items()
        if name in _KEPT or name.startswith("x-oss-meta-")
    }


def part(data: bytes) -> Facts:
    """The facts of one part of an upload."""
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
    return Facts("", len(data), etag, crc64(data), time.time())


def marks(facts: Facts) -> dict[str, str]:
    """The headers that every answer about an object has."""
    return {"ETag": f'"{facts.etag}"', "x-oss-hash-crc64ecma": str(facts.crc)}


def check_digest(request: Request) -> None:
    """Refuse a body that does not match the digest sent with it."""
    given = request.headers.get("content-md5")
    actual = hashlib.md5(request.body, usedforsecurity=False).digest()
    if given and given != base64.b64encode(actual).decode():
        raise ServiceError(
            400, "InvalidDigest", "The Content-MD5 you specified is invalid.", ContentMD5=given
        )


def copied_from(source: str) -> tuple[str, str]:
    """Bucket and key of the object to copy from."""
    bucket, _, key = unquote(source.partition("?")[0]).removeprefix("/").partition("/")
    return bucket, key


def naming(request: Request) -> tuple[Callable[[str], str], list[str]]:
    """How keys are written in the answer, and the element that says so."""
    if request.query.get("encoding-type") != "url":
        return str, []
    return quote, [text("EncodingType", "url")]


def iso(seconds: float) -> str:
    """A time as listings have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def forbid_overwrite(buckets: Buckets, request: Request, bucket: str, key: str) -> None:
    """Refuse where the client says that nothing may be overwritten.

    Raises:
        ServiceError: FileAlreadyExists.
    """
    forbids = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
    if forbids and buckets.has(bucket, key):
        raise ServiceError(
            409,
            "FileAlreadyExists",
            "The object you specified already exists and can not be overwritten.",
            Key=key,
        )
