"""OSS's operations on objects and on the contents of one bucket."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from hpo_nni.testing.cloud.crc import crc64
from hpo_nni.testing.cloud.http import Request, Response, ServiceError
from hpo_nni.testing.cloud.oss_objects import Facts, Upload
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from hpo_nni.testing.cloud.oss_objects import Buckets

_KEPT = ("content-type", "content-encoding", "content-disposition", "cache-control", "expires")
_XML = {"Content-Type": "application/xml"}


class ObjectRoutes:
    """What can be done inside a bucket; who asks has been checked before."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._uploads: dict[str, Upload] = {}
        self._routes: list[tuple[str, str, Callable[[Request, str, str], Response]]] = [
            ("POST", "append", self._append),
            ("POST", "uploads", self._begin_upload),
            ("PUT", "uploadId", self._put_part),
            ("POST", "uploadId", self._complete_upload),
            ("DELETE", "uploadId", self._abort_upload),
            ("GET", "uploadId", self._list_parts),
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
        self._forbid_overwrite(request, bucket, key)
        source = request.headers.get("x-oss-copy-source")
        if source:
            return self._copy(request, source, bucket, key)
        _check_digest(request)
        facts = self._buckets.write(bucket, key, request.body, _kept(request))
        return Response(200, b"", _marks(facts))

    def _copy(self, request: Request, source: str, bucket: str, key: str) -> Response:
        from_bucket, from_key = _source(source)
        old, data = self._buckets.read(from_bucket, from_key)
        replaces = request.headers.get("x-oss-metadata-directive", "COPY").upper() == "REPLACE"
        headers = _kept(request) if replaces else old.headers
        facts = self._buckets.write(bucket, key, data, headers)
        content = [text("ETag", f'"{facts.etag}"'), text("LastModified", _iso(facts.modified))]
        return Response(200, document("CopyObjectResult", content), _marks(facts) | _XML)

    def _append(self, request: Request, bucket: str, key: str) -> Response:
        _check_digest(request)
        position = int(request.query.get("position") or 0)
        facts = self._buckets.append(bucket, key, position, request.body, _kept(request))
        headers = _marks(facts) | {"x-oss-next-append-position": str(facts.size)}
        return Response(200, b"", headers)

    def _head(self, request: Request, bucket: str, key: str) -> Response:
        facts = self._buckets.facts(bucket, key)
        unchanged = _precondition(request, facts)
        if unchanged:
            return unchanged
        if "objectMeta" in request.query:
            headers = _marks(facts) | {"Last-Modified": formatdate(facts.modified, usegmt=True)}
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
        _check_digest(request)
        root = ET.fromstring(request.body)  # noqa: S314 - from our own machine
        keys = [node.findtext("Key") or "" for node in root.findall("Object")]
        for key in keys:
            self._buckets.delete(bucket, key)
        if root.findtext("Quiet") == "true":
            return Response(200)
        named, encoding = _naming(request)
        content = encoding + [element("Deleted", text("Key", named(key))) for key in keys]
        return Response(200, document("DeleteResult", content), dict(_XML))

    def list_objects(self, request: Request, bucket: str) -> Response:
        """GET /bucket/, both versions."""
        query = request.query
        is_second = query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = int(query.get("max-keys") or 100)
        marker = query.get("marker", "")
        if is_second:
            token = query.get("continuation-token")
            marker = _token_key(token) if token else query.get("start-after", "")
        page = self._buckets.page(bucket, prefix, delimiter, marker, limit)
        named, encoding = _naming(request)
        content = [
            text("Name", bucket),
            text("Prefix", named(prefix)),
            text("MaxKeys", limit),
            text("Delimiter", named(delimiter)),
            text("IsTruncated", "true" if page.next_marker else "false"),
            *encoding,
        ]
        if is_second:
            content.append(text("KeyCount", len(page.objects) + len(page.prefixes)))
            if page.next_marker:
                token = base64.b64encode(page.next_marker.encode()).decode()
                content.append(text("NextContinuationToken", token))
        else:
            content.append(text("Marker", named(marker)))
            if page.next_marker:
                content.append(text("NextMarker", named(page.next_marker)))
        content += [
            element(
                "Contents",
                text("Key", named(facts.key)),
                text("LastModified", _iso(facts.modified)),
                text("ETag", f'"{facts.etag}"'),
                text("Type", facts.kind),
                text("Size", facts.size),
                text("StorageClass", "Standard"),
            )
            for facts in page.objects
        ]
        content += [element("CommonPrefixes", text("Prefix", named(p))) for p in page.prefixes]
        return Response(200, document("ListBucketResult", content), dict(_XML))

    def list_uploads(self, _: Request, bucket: str) -> Response:
        """GET /bucket/?uploads."""
        with self._buckets.lock:
            found = [
                element(
                    "Upload",
                    text("Key", upload.key),
                    text("UploadId", upload_id),
                    text("Initiated", _iso(upload.begun)),
                )
                for upload_id, upload in sorted(self._uploads.items())
                if upload.bucket == bucket
            ]
        head = [
            text("Bucket", bucket),
            text("NextKeyMarker", ""),
            text("NextUploadIdMarker", ""),
            text("IsTruncated", "false"),
        ]
        return Response(200, document("ListMultipartUploadsResult", head + found), dict(_XML))

    def _begin_upload(self, request: Request, bucket: str, key: str) -> Response:
        self._forbid_overwrite(request, bucket, key)
        self._buckets.has(bucket, key)  # NoSuchBucket comes here already
        upload_id = secrets.token_hex(16).upper()
        with self._buckets.lock:
            self._uploads[upload_id] = Upload(bucket, key, _kept(request), time.time())
        content = [text("Bucket", bucket), text("Key", key), text("UploadId", upload_id)]
        return Response(200, document("InitiateMultipartUploadResult", content), dict(_XML))

    def _put_part(self, request: Request, bucket: str, key: str) -> Response:
        _check_digest(request)
        upload = self._upload(request, bucket, key)
        source = request.headers.get("x-oss-copy-source")
        data = self._copied_part(request, source) if source else request.body
        with self._buckets.lock:
            upload.parts[int(request.query["partNumber"])] = data
        facts = _part(data)
        if not source:
            return Response(200, b"", _marks(facts))
        content = [text("ETag", f'"{facts.etag}"'), text("LastModified", _iso(facts.modified))]
        return Response(200, document("CopyPartResult", content), _marks(facts) | _XML)

    def _copied_part(self, request: Request, source: str) -> bytes:
        _, data = self._buckets.read(*_source(source))
        span = re.fullmatch(
            r"bytes=(\d+)-(\d+)", request.headers.get("x-oss-copy-source-range", "")
        )
        return data[int(span[1]) : int(span[2]) + 1] if span else data

    def _complete_upload(self, request: Request, bucket: str, key: str) -> Response:
        self._forbid_overwrite(request, bucket, key)
        upload = self._upload(request, bucket, key)
        root = ET.fromstring(request.body)  # noqa: S314 - from our own machine
        asked = [
            (int(node.findtext("PartNumber") or 0), (node.findtext("ETag") or "").strip('"'))
            for node in root.findall("Part")
        ]
        with self._buckets.lock:
            for number, etag in asked:
                if number not in upload.parts or _part(upload.parts[number]).etag != etag.upper():
                    raise ServiceError(
                        400, "InvalidPart", "One or more of the specified parts could not be found."
                    )
            if [number for number, _ in asked] != sorted({number for number, _ in asked}):
                raise ServiceError(
                    400, "InvalidPartOrder", "The list of parts was not in ascending order."
                )
            data = b"".join(upload.parts[number] for number, _ in asked)
            facts = self._buckets.write(bucket, key, data, upload.headers, "Multipart")
            del self._uploads[request.query["uploadId"]]
        content = [text("Bucket", bucket), text("Key", key), text("ETag", f'"{facts.etag}"')]
        body = document("CompleteMultipartUploadResult", content)
        return Response(200, body, _marks(facts) | _XML)

    def _abort_upload(self, request: Request, bucket: str, key: str) -> Response:
        self._upload(request, bucket, key)
        with self._buckets.lock:
            self._uploads.pop(request.query["uploadId"], None)
        return Response(204)

    def _list_parts(self, request: Request, bucket: str, key: str) -> Response:
        upload = self._upload(request, bucket, key)
        with self._buckets.lock:
            parts = sorted(upload.parts.items())
        after = int(request.query.get("part-number-marker") or 0)
        limit = int(request.query.get("max-parts") or 1000)
        rest = [(number, data) for number, data in parts if number > after]
        content = [
            text("Bucket", bucket),
            text("Key", key),
            text("UploadId", request.query["uploadId"]),
            text("NextPartNumberMarker", rest[:limit][-1][0] if rest else ""),
            text("IsTruncated", "true" if len(rest) > limit else "false"),
        ]
        content += [
            element(
                "Part",
                text("PartNumber", number),
                text("LastModified", _iso(upload.begun)),
                text("ETag", f'"{_part(data).etag}"'),
                text("Size", len(data)),
            )
            for number, data in rest[:limit]
        ]
        return Response(200, document("ListPartsResult", content), dict(_XML))

    def _upload(self, request: Request, bucket: str, key: str) -> Upload:
        with self._buckets.lock:
            upload = self._uploads.get(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise ServiceError(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload

    def _forbid_overwrite(self, request: Request, bucket: str, key: str) -> None:
        forbids = request.headers.get("x-oss-forbid-overwrite", "").lower() == "true"
        if forbids and self._buckets.has(bucket, key):
            raise ServiceError(
                409,
                "FileAlreadyExists",
                "The object you specified already exists and can not be overwritten.",
                Key=key,
            )


def _kept(request: Request) -> dict[str, str]:
    return {
        name: value
        for name, value in request.headers.items()
        if name in _KEPT or name.startswith("x-oss-meta-")
    }


def _part(data: bytes) -> Facts:
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest().upper()
    return Facts("", len(data), etag, crc64(data), time.time())


def _marks(facts: Facts) -> dict[str, str]:
    return {"ETag": f'"{facts.etag}"', "x-oss-hash-crc64ecma": str(facts.crc)}


def _described(facts: Facts) -> dict[str, str]:
    headers = _marks(facts) | {
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
        return Response(304, b"", _marks(facts))
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


def _check_digest(request: Request) -> None:
    given = request.headers.get("content-md5")
    actual = hashlib.md5(request.body, usedforsecurity=False).digest()
    if given and given != base64.b64encode(actual).decode():
        raise ServiceError(
            400, "InvalidDigest", "The Content-MD5 you specified is invalid.", ContentMD5=given
        )


def _source(source: str) -> tuple[str, str]:
    bucket, _, key = unquote(source.partition("?")[0]).removeprefix("/").partition("/")
    return bucket, key


def _naming(request: Request) -> tuple[Callable[[str], str], list[str]]:
    """How keys are written in the answer, and the element that says so."""
    if request.query.get("encoding-type") != "url":
        return str, []
    return quote, [text("EncodingType", "url")]


def _token_key(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError as error:
        raise ServiceError(
            400, "InvalidArgument", "The continuation token provided is incorrect."
        ) from error


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
