"""OSS's multipart uploads: begun, filled part by part, completed or given up."""

from __future__ import annotations

import re
import secrets
import time
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
    part,
)
from hpo_nni.testing.cloud.oss_objects import Upload
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.oss_objects import Buckets


class UploadRoutes:
    """What can be done with `?uploads` and `?uploadId`; who asks has been checked before."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._uploads: dict[str, Upload] = {}

    def list_uploads(self, _: Request, bucket: str) -> Response:
        """GET /bucket/?uploads."""
        with self._buckets.lock:
            found = [
                element(
                    "Upload",
                    text("Key", upload.key),
                    text("UploadId", upload_id),
                    text("Initiated", iso(upload.begun)),
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
        return Response(200, document("ListMultipartUploadsResult", head + found), dict(XML))

    def begin(self, request: Request, bucket: str, key: str) -> Response:
        """POST ?uploads."""
        forbid_overwrite(self._buckets, request, bucket, key)
        self._buckets.has(bucket, key)  # NoSuchBucket comes here already
        upload_id = secrets.token_hex(16).upper()
        with self._buckets.lock:
            self._uploads[upload_id] = Upload(bucket, key, kept(request), time.time())
        content = [text("Bucket", bucket), text("Key", key), text("UploadId", upload_id)]
        return Response(200, document("InitiateMultipartUploadResult", content), dict(XML))

    def put_part(self, request: Request, bucket: str, key: str) -> Response:
        """PUT ?partNumber&uploadId, with data or with the name of an object to copy from."""
        check_digest(request)
        upload = self._upload(request, bucket, key)
        origin = request.headers.get("x-oss-copy-source")
        data = self._copied_part(request, origin) if origin else request.body
        with self._buckets.lock:
            upload.parts[int(request.query["partNumber"])] = data
        facts = part(data)
        if not origin:
            return Response(200, b"", marks(facts))
        content = [text("ETag", f'"{facts.etag}"'), text("LastModified", iso(facts.modified))]
        return Response(200, document("CopyPartResult", content), marks(facts) | XML)

    def _copied_part(self, request: Request, origin: str) -> bytes:
        _, data = self._buckets.read(*copied_from(origin))
        span = re.fullmatch(
            r"bytes=(\d+)-(\d+)", request.headers.get("x-oss-copy-source-range", "")
        )
        return data[int(span[1]) : int(span[2]) + 1] if span else data

    def complete(self, request: Request, bucket: str, key: str) -> Response:
        """POST ?uploadId: the object appears."""
        forbid_overwrite(self._buckets, request, bucket, key)
        upload = self._upload(request, bucket, key)
        root = ET.fromstring(request.body)  # noqa: S314 - from our own machine
        asked = [
            (int(node.findtext("PartNumber") or 0), (node.findtext("ETag") or "").strip('"'))
            for node in root.findall("Part")
        ]
        with self._buckets.lock:
            for number, etag in asked:
                if number not in upload.parts or part(upload.parts[number]).etag != etag.upper():
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
        return Response(200, body, marks(facts) | XML)

    def abort(self, request: Request, bucket: str, key: str) -> Response:
        """DELETE ?uploadId."""
        self._upload(request, bucket, key)
        with self._buckets.lock:
            self._uploads.pop(request.query["uploadId"], None)
        return Response(204)

    def list_parts(self, request: Request, bucket: str, key: str) -> Response:
        """GET ?uploadId."""
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
                text("LastModified", iso(upload.begun)),
                text("ETag", f'"{part(data).etag}"'),
                text("Size", len(data)),
            )
            for number, data in rest[:limit]
        ]
        return Response(200, document("ListPartsResult", content), dict(XML))

    def _upload(self, request: Request, bucket: str, key: str) -> Upload:
        with self._buckets.lock:
            upload = self._uploads.get(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise ServiceError(404, "NoSuchUpload", "The specified upload does not exist.")
        return upload
