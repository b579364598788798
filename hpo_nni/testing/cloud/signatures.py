"""Checks of the signatures that clients put on their requests.

Sources: the services' documents "Include signatures in the Authorization header" (OSS V1, V2 and
V4) and the requests that oss2 2.19, alibabacloud-oss-v2 1.4 and pyodps 0.13 send.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from hpo_nni.testing.cloud.http import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpo_nni.testing.cloud.http import Request

MAX_SKEW = 15 * 60.0
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
class Keyring:
    """Who may come in; both can be changed while a server runs.

    Attributes:
        secrets: access key id to secret.
        tokens: access key id to the security token that must come with it.
    """

    secrets: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)


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
    claim = _claim(request)
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
    elif abs(_seconds(date) - now) > MAX_SKEW:
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
        expires = _seconds(query.get("x-oss-date", "")) + float(query.get("x-oss-expires", 0))
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


def _seconds(date: str) -> float:
    """The time that a header gives; 0 where it gives none."""
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0


def check_odps(request: Request, keyring: Keyring, now: float) -> str:
    """Return the access key id that signed a request to MaxCompute.

    A wrong secret is told in words on which pyodps does not fall back from V4 to V2 for good.

    Raises:
        ServiceError: Unauthorized, SignatureNotMatch, RequestTimeTooSkewed, ...
    """
    header = request.headers.get("authorization", "")
    if not header.startswith("ODPS ") or ":" not in header:
        raise ServiceError(401, "Unauthorized", "ODPS-0410011: no signature in the request")
    credential, _, signature = header[5:].rpartition(":")
    key_id, *scope = credential.split("/")
    secret = keyring.secrets.get(key_id)
    if secret is None:
        raise ServiceError(
            401,
            "InvalidParameter",
            "ODPS-0410051: Invalid credentials - accessKeyId not found",
        )
    if abs(_seconds(request.headers.get("date", "")) - now) > MAX_SKEW:
        raise ServiceError(
            400,
            "RequestTimeTooSkewed",
            f"max_interval_date:{int(MAX_SKEW * 1000)},"
            f"expire_date:{_stamp(_seconds(request.headers.get('date', '')))},"
            f"now_date:{_stamp(now)}",
        )
    key = secret.encode()
    if scope:
        key = b"aliyun_v4" + key
        for part in scope:
            key = hmac.new(key, part.encode(), "sha256").digest()
    digest = hmac.new(key, _odps_text(request).encode(), hashlib.sha1).digest()
    if not hmac.compare_digest(base64.b64encode(digest), signature.encode()):
        raise ServiceError(
            401,
            "SignatureNotMatch",
            "ODPS-0410042: The request signature does not match our calculation",
        )
    if keyring.tokens.get(key_id) != request.headers.get("authorization-sts-token"):
        raise ServiceError(401, "AuthorizationRequired", "ODPS-0410031: wrong security token")
    return key_id


def _odps_text(request: Request) -> str:
    """What the client signed: it decodes the URL, and then the query once more."""
    target = unquote(request.target)
    path, _, query = target.partition("?")
    path = path.removeprefix("/api")
    values = dict(parse_qsl(query, keep_blank_values=True))
    if values:
        parts = (f"{key}={value}" if value else key for key, value in sorted(values.items()))
        path += "?" + "&".join(parts)
    signed = {"content-md5": "", "content-type": "", "date": ""}
    signed |= {
        key: value
        for key, value in request.headers.items()
        if key in signed or key.startswith("x-odps-")
    }
    signed |= {key: value for key, value in values.items() if key.startswith("x-odps-")}
    lines = [f"{k}:{v}" if k.startswith("x-odps-") else v for k, v in sorted(signed.items())]
    return "\n".join([request.method, *lines, path])


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
