"""Checks of the signatures on requests to OSS: V1, V2, V4, in headers and in URLs.

Sources: the service's documents "Include signatures in the Authorization header" and "Add
signatures to URLs", and the requests that oss2 2.19 and alibabacloud-oss-v2 1.4 send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from hpo_nni.testing.cloud.http import ServiceError
from hpo_nni.testing.cloud.keyring import MAX_SKEW, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.testing.cloud.http import Request
    from hpo_nni.testing.cloud.keyring import Keyring

_V4 = re.compile(r"Credential=([^, ]+)|Signature=([^, ]+)|AdditionalHeaders=([^, ]+)")

_SIGNED_PARAMETERS = """
    acl append bucketInfo callback callback-var comp continuation-token cors delete encryption
    endTime inventory lifecycle link live location logging objectInfo objectMeta partNumber
    policy position qos referer replication requestPayment response-cache-control
    response-content-disposition response-content-encoding response-content-language
    response-content-type response-expires restore security-token sequential startTime stat
    status style styleName symlink tagging transferAcceleration uploadId uploads versionId
    versioning versions vod website worm wormId x-oss-process x-oss-traffic-limit
    x-oss-request-payer
"""
_SUBRESOURCES = frozenset(_SIGNED_PARAMETERS.split())


@dataclass(frozen=True)
class _Claim:
    key_id: str
    signature: str
    version: int
    expires: float | None = None
    credential: str = ""
    additional: str = ""


def check_oss(request: Request, resource: str, keyring: Keyring, now: float) -> str:
    """Return the access key id that signed a request to OSS.

    Args:
        request: as it came.
        resource: `/bucket/key`, `/bucket/` or `/`, decoded.
        keyring: who is known.
        now: the server's clock, in seconds since the epoch.

    Raises:
        ServiceError: AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, ...
    """
    try:
        claim = _claim(request)
    except (KeyError, ValueError) as error:
        raise ServiceError(
            400, "InvalidArgument", "Authorization header or signed URL is malformed."
        ) from error
    secret = keyring.secrets.get(claim.key_id)
    if secret is None:
        raise ServiceError(
            403,
            "InvalidAccessKeyId",
            "The OSS Access Key Id you provided does not exist in our records.",
            OSSAccessKeyId=claim.key_id,
        )
    date = request.headers.get("x-oss-date") or request.headers.get("date", "")
    if claim.expires is not None:
        if now > claim.expires:
            raise ServiceError(403, "AccessDenied", "Request has expired.")
    elif abs(seconds(date) - now) > MAX_SKEW:
        raise ServiceError(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
    signed = {1: _oss_v1, 2: _oss_v2, 4: _oss_v4}[claim.version](request, resource, claim)
    expected = _oss_digest(secret, claim, signed)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise ServiceError(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided."
            " Check your key and signing method.",
            OSSAccessKeyId=claim.key_id,
            SignatureProvided=claim.signature,
            StringToSign=signed.decode("utf-8", "replace"),
        )
    token = (
        request.headers.get("x-oss-security-token")
        or request.query.get("security-token")
        or request.query.get("x-oss-security-token")
    )
    if keyring.tokens.get(claim.key_id) != token:
        raise ServiceError(
            403, "InvalidSecurityToken", "The security token you provided is invalid."
        )
    keyring.versions.add(f"V{claim.version}")
    return claim.key_id


def _claim(request: Request) -> _Claim:
    header, query = request.headers.get("authorization", ""), request.query
    if header.startswith("OSS4-HMAC-SHA256 "):
        parts = ["", "", ""]
        for found in _V4.finditer(header):
            place = (found.lastindex or 1) - 1
            parts[place] = found.group(place + 1)
        return _Claim(parts[0].split("/")[0], parts[1], 4, None, parts[0], parts[2])
    if header.startswith("OSS2 "):
        pairs = dict(part.split(":", 1) for part in header[5:].split(","))
        extra = pairs.get("AdditionalHeaders", "")
        return _Claim(pairs["AccessKeyId"], pairs["Signature"], 2, additional=extra)
    if header.startswith("OSS ") and ":" in header:
        key_id, _, signature = header[4:].partition(":")
        return _Claim(key_id, signature, 1)
    if "x-oss-signature" in query and "x-oss-credential" in query:
        credential = query["x-oss-credential"]
        expires = seconds(query.get("x-oss-date", "")) + float(query.get("x-oss-expires", 0))
        extra = query.get("x-oss-additional-headers", "")
        key_id = credential.split("/")[0]
        return _Claim(key_id, query["x-oss-signature"], 4, expires, credential, extra)
    if "x-oss-signature" in query and "x-oss-access-key-id" in query:
        expires = float(query.get("x-oss-expires", 0))
        extra = query.get("x-oss-additional-headers", "")
        key_id = query["x-oss-access-key-id"]
        return _Claim(key_id, query["x-oss-signature"], 2, expires, "", extra)
    if "Signature" in query and "OSSAccessKeyId" in query:
        expires = float(query.get("Expires", 0))
        return _Claim(query["OSSAccessKeyId"], query["Signature"], 1, expires)
    raise ServiceError(
        403, "AccessDenied", "You have no right to access this object because of bucket acl."
    )


def _oss_digest(secret: str, claim: _Claim, signed: bytes) -> str:
    if claim.version == 1:
        return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha1).digest()).decode()
    if claim.version == 2:
        return base64.b64encode(hmac.new(secret.encode(), signed, "sha256").digest()).decode()
    key = f"aliyun_v4{secret}".encode()
    for part in claim.credential.split("/")[1:]:
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.new(key, signed, "sha256").hexdigest()


def _oss_v1(request: Request, resource: str, claim: _Claim) -> bytes:
    headers = request.headers
    date = headers.get("x-oss-date") or headers.get("date", "")
    if claim.expires is not None:
        date = request.query["Expires"]
    parts = [(k, v) for k, v in sorted(request.query.items()) if k in _SUBRESOURCES]
    query = "&".join(f"{key}={value}" if value else key for key, value in parts)
    return b"\n".join(
        [
            request.method.encode(),
            headers.get("content-md5", "").encode(),
            headers.get("content-type", "").encode(),
            date.encode(),
            _header_lines(headers, ()) + (resource + ("?" + query if query else "")).encode(),
        ]
    )


def _oss_v2(request: Request, resource: str, claim: _Claim) -> bytes:
    headers = request.headers
    extra = claim.additional.split(";") if claim.additional else []
    query = _canonical_query(request.query, {"x-oss-signature"})
    date = headers.get("date", "") if claim.expires is None else request.query["x-oss-expires"]
    return b"\n".join(
        [
            request.method.encode(),
            headers.get("content-md5", "").encode(),
            headers.get("content-type", "").encode(),
            date.encode(),
            _header_lines(headers, extra) + ";".join(sorted(extra)).encode(),
            (quote(resource, safe="") + ("?" + query if query else "")).encode(),
        ]
    )


def _oss_v4(request: Request, resource: str, claim: _Claim) -> bytes:
    headers = request.headers
    extra = claim.additional.split(";") if claim.additional else []
    canonical = b"\n".join(
        [
            request.method.encode(),
            quote(resource, safe="/").encode(),
            _canonical_query(request.query, {"x-oss-signature"}).encode(),
            _header_lines(headers, ["content-type", "content-md5", *extra]),
            ";".join(extra).encode(),
            headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD").encode(),
        ]
    )
    date = headers.get("x-oss-date") or request.query.get("x-oss-date", "")
    scope = claim.credential.partition("/")[2]
    digest = hashlib.sha256(canonical).hexdigest()
    return f"OSS4-HMAC-SHA256\n{date}\n{scope}\n{digest}".encode()


def _canonical_query(query: Mapping[str, str], without: set[str]) -> str:
    pairs = sorted(
        (quote(key, safe=""), quote(value, safe=""))
        for key, value in query.items()
        if key not in without
    )
    return "&".join(f"{key}={value}" if value else key for key, value in pairs)


def _header_lines(headers: Mapping[str, str], also: Sequence[str]) -> bytes:
    """Headers come decoded as Latin-1: their bytes are what was signed."""
    return b"".join(
        f"{key}:{value}\n".encode("latin-1")
        for key, value in sorted(headers.items())
        if key.startswith("x-oss-") or key in also
    )
