"""Checks of the signatures on requests to MaxCompute, V2 and V4 (read in pyodps 0.13)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from hpo_nni.testing.cloud.http import ServiceError
from hpo_nni.testing.cloud.keyring import MAX_SKEW, seconds

if TYPE_CHECKING:
    from hpo_nni.testing.cloud.http import Request
    from hpo_nni.testing.cloud.keyring import Keyring


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
    if abs(seconds(request.headers.get("date", "")) - now) > MAX_SKEW:
        raise ServiceError(
            400,
            "RequestTimeTooSkewed",
            f"max_interval_date:{int(MAX_SKEW * 1000)},"
            f"expire_date:{_stamp(seconds(request.headers.get('date', '')))},"
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
    keyring.versions.add("V4" if scope else "V2")
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


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))
