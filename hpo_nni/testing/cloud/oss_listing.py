"""OSS's listings of a bucket, both versions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from hpo_nni.testing.cloud.http import Request, Response, ServiceError
from hpo_nni.testing.cloud.oss_messages import XML, iso, naming
from hpo_nni.testing.cloud.xml_text import document, element, text

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.oss_objects import Buckets


def list_objects(buckets: Buckets, request: Request, bucket: str) -> Response:
    """GET /bucket/, both versions."""
    query = request.query
    is_second = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = int(query.get("max-keys") or 100)
    marker = query.get("marker", "")
    if is_second:
        token = query.get("continuation-token")
        marker = _token_key(token) if token else query.get("start-after", "")
    page = buckets.page(bucket, prefix, delimiter, marker, limit)
    named, encoding = naming(request)
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
            text("LastModified", iso(facts.modified)),
            text("ETag", f'"{facts.etag}"'),
            text("Type", facts.kind),
            text("Size", facts.size),
            text("StorageClass", "Standard"),
        )
        for facts in page.objects
    ]
    content += [element("CommonPrefixes", text("Prefix", named(p))) for p in page.prefixes]
    return Response(200, document("ListBucketResult", content), dict(XML))


def _token_key(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError as error:
        raise ServiceError(
            400, "InvalidArgument", "The continuation token provided is incorrect."
        ) from error
