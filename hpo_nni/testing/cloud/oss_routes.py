"""OSS's operations on objects and on the contents of one bucket."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hpo_nni.testing.cloud.http import Request, Response, ServiceError
from hpo_nni.testing.cloud.oss_messages import (
    XML,
    check_digest,
    copied_from,
    forbid_overwrite,
    iso,
    kept,
    marks,
    naming,
)
from hpo_nni.testing.cloud.oss_multipart import UploadRoutes
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.testing.cloud.oss_objects import Buckets, Facts


class ObjectRoutes:
    """What can be done inside a bucket; who asks has been checked before."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self.uploads = UploadRoutes(buckets)
        self._routes: list[tuple[str, str, Callable[[Request, str, str], Response]]] = [
            ("POST", "append", self._append),
            ("POST", "uploads", self.uploads.begin),
            ("PUT", "uploadId", self.uploads.put_part),
            ("POST", "uploadId", self.uploads.complete),
            ("DELETE", "uploadId", self.uploads.abort),
            ("GET", "uploadId", self.uploads.list_parts),
            ("HEAD", "", self._head),
            ("GET", "", self._get),
            ("PUT", "", self._put),
            ("DELETE", "", self._delete),
        ]

    def respond(self, request: Request, bucket: str, key: str) -> Response:
        """An operation on one object."""
        for method, action, route in self._routes:
            if method == request.method and (not action or action in request.query):
                return route(request, bucket, key)
        raise ServiceError(
            405, "MethodNotAllowed", "The specified method is not allowed against this resource."
        )

    def _put(self, request: Request, bucket: str, key: str) -> Response:
        forbid_overwrite(self._buckets, request, bucket, key)
        source = request.headers.get("x-oss-copy-source")
        if source:
            return self._copy(request, source, bucket, key)
        check_digest(request)
        facts = self._buckets.write(bucket, key, request.body, kept(request))
        return Response(200, b"", marks(facts))

    def _copy(self, request: Request, source: str, bucket: str, key: str) -> Response:
        from_bucket, from_key = copied_from(source)
        old, data = self._buckets.read(from_bucket, from_key)
        replaces = request.headers.get("x-oss-metadata-directive", "COPY").upper() == "REPLACE"
        headers = kept(request) if replaces else old.headers
        facts = self._buckets.write(bucket, key, data, headers)
        content = [text("ETag", f'"{facts.etag}"'), text("LastModified", iso(facts.modified))]
        return Response(200, document("CopyObjectResult", content), marks(facts) | XML)

    def _append(self, request: Request, bucket: str, key: str) -> Response:
        check_digest(request)
        position = int(request.query.get("position") or 0)
        facts = self._buckets.append(bucket, key, position, request.body, kept(request))
        headers = marks(facts) | {"x-oss-next-append-position": str(facts.size)}
        return Response(200, b"", headers)

    def _head(self, request: Request, bucket: str, key: str) -> Response:
        facts = self._buckets.facts(bucket, key)
        unchanged = _precondition(request, facts)
        if unchanged:
            return unchanged
        if "objectMeta" in request.query:
            headers = marks(facts) | {"Last-Modified": formatdate(facts.modified, usegmt=True)}
        else:
            headers = _described(facts)
        return Response(200, b"", headers | {"Content-Length": str(facts.size)})

    def _get(self, request: Request, bucket: str, key: str) -> Response:
        facts, data = self._buckets.read(bucket, key)
        unchanged = _precondition(request, facts)
        if unchanged:
            return unchanged
        headers = _described(facts)
        for name, value in request.query.items():
            if name.startswith("response-"):
                headers[name.removeprefix("response-").title()] = value
        span = _range(request, facts.size)
        if span is None:
            return Response(200, data, headers)
        first, last = span
        headers["Content-Range"] = f"bytes {first}-{last}/{facts.size}"
        return Response(206, data[first : last + 1], headers)

    def _delete(self, _: Request, bucket: str, key: str) -> Response:
        self._buckets.delete(bucket, key)
        return Response(204)

    def delete_many(self, request: Request, bucket: str) -> Response:
        """POST /bucket/?delete."""
        check_digest(request)
        root = ET.fromstring(request.body)  # noqa: S314 - from our own machine
        keys = [node.findtext("Key") or "" for node in root.findall("Object")]
        for key in keys:
            self._buckets.delete(bucket, key)
        if root.findtext("Quiet") == "true":
            return Response(200)
        named, encoding = naming(request)
        content = encoding + [element("Deleted", text("Key", named(key))) for key in keys]
        return Response(200, document("DeleteResult", content), dict(XML))


def _described(facts: Facts) -> dict[str, str]:
    headers = marks(facts) | {
        "Last-Modified": formatdate(facts.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "x-oss-object-type": facts.kind,
        "x-oss-storage-class": "Standard",
        **facts.headers,
    }
    if facts.kind == "Appendable":
        headers["x-oss-next-append-position"] = str(facts.size)
    return headers


def _precondition(request: Request, facts: Facts) -> Response | None:
    """The answer 304, the error 412, or None where nothing stands in the way."""
    headers = request.headers
    if "if-match" in headers and headers["if-match"].strip('"').upper() != facts.etag:
        raise _failed("If-Match")
    unmodified = headers.get("if-unmodified-since")
    if unmodified and int(facts.modified) > parsedate_to_datetime(unmodified).timestamp():
        raise _failed("If-Unmodified-Since")
    modified = headers.get("if-modified-since")
    is_old = modified and int(facts.modified) <= parsedate_to_datetime(modified).timestamp()
    if is_old or headers.get("if-none-match", "").strip('"').upper() == facts.etag:
        return Response(304, b"", marks(facts))
    return None


def _failed(condition: str) -> ServiceError:
    return ServiceError(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold.",
        Condition=condition,
    )


def _range(request: Request, size: int) -> tuple[int, int] | None:
    """First and last byte of a range; None for the whole.

    A range beyond the end is answered with the whole object, unless the client asks for the
    standard's behaviour: then it is cut at the end, or refused where nothing is left.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not found or found[1] == found[2] == "":
        return None
    if found[1] == "":
        first, last = size - int(found[2]), size - 1
    else:
        first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    is_standard = request.headers.get("x-oss-range-behavior") == "standard"
    if is_standard:
        if first >= size or last < first:
            raise ServiceError(
                416,
                "InvalidRange",
                "The requested range cannot be satisfied.",
                ActualObjectSize=str(size),
            )
        return max(first, 0), min(last, size - 1)
    return (first, last) if 0 <= first <= last < size else None
