"""What can go wrong on MaxCompute: the SDK's exceptions as our errors, in the service's words."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hpo_nni.errors import PlatformError, TransientPlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HINTS = {  # by the service's codes, most of which are the names of pyodps' classes
    "NoSuchProject": "is project_name right, and does odps_endpoint belong to its region?",
    "NoSuchObject": "are the names right? odps_endpoint ends in /api",
    "NoSuchTable": "is the table's name right, and is it in that project?",
    "NoSuchPartition": "is the partition there already?",
    "ODPS-0130131": "is the table's name right, and is it there, in that project? "
    "`hpo-nni check CONFIG --remote` looks",
    "ODPS-0130071": "is the column's name right?",
    "NoPermission": "ask the project's owner to grant it",
    "Unauthorized": "is the access key right and enabled?",
    "AuthorizationRequired": "is the access key right and enabled?",
    "SignatureNotMatch": "the access key's secret does not belong to its id",
    "InvalidAccessKeyId": "is the access key's id right, and the key enabled?",
    "RequestTimeTooSkewed": "this machine's clock is wrong by more than 15 minutes",
    "ODPS-0410051": "is the access key's id right, and the key enabled?",
    "ODPS-0420095": "ask the project's owner to grant it",
    "AuthenticationRequestExpired": "the sts token has expired, or this machine's clock is wrong",
}
_FIELDS = {  # which part of the account a hint is about
    "NoSuchProject": "project",
    "Unauthorized": "key_id",
    "AuthorizationRequired": "key_id",
    "InvalidAccessKeyId": "key_id",
    "ODPS-0410051": "key_id",
    "SignatureNotMatch": "key_secret",
    "AuthenticationRequestExpired": "sts_token",
}
_REFUSED_FOR_NOW = {"RequestQuotaExceeded", "SlotExceeded", "QPSExceeded", "FlowExceeded"}
_SYSTEM_WORDS = re.compile(
    r"\[Errno -?\d+\] ([^')\"]+)|(Remote end closed connection|Read timed out|timed out)"
)


class RefusedForNowError(TransientPlatformError):
    """The service said that it did not do it, because there was too much at once."""


class NotReachedError(TransientPlatformError):
    """No connection stood, so nothing can have been done."""


class MissingInstanceError(PlatformError):
    """There is no such instance, or there is none any more."""


def hint_for(words: str) -> str:
    """What to do next about a job's last words; empty where nothing is known.

    >>> hint_for("ODPS-0420095: Access Denied - ...")
    "ask the project's owner to grant it"
    """
    return next((_HINTS[code] for code in re.findall(r"ODPS-\d{7}", words) if code in _HINTS), "")


def translate(
    what: str, endpoint: str, error: Exception, places: Mapping[str, str] = MappingProxyType({})
) -> PlatformError:
    """Our error for any that the SDK lets through.

    Args:
        what: was tried, as the end of "cannot ...".
        endpoint: as the user wrote it.
        error: of pyodps, of requests below it, or of a parser that got nonsense.
        places: where the user wrote `endpoint`, `key_id` and so on.
    """
    import requests  # noqa: PLC0415 - loaded by the SDK long before anything can go wrong

    kinds = requests.exceptions
    if isinstance(error, (kinds.MissingSchema, kinds.InvalidSchema, kinds.InvalidURL)):
        return PlatformError(
            f"cannot {what}: {endpoint!r} is no address",
            hint=_located(
                "endpoint", "odps_endpoint is as in http://service.odps.aliyun.com/api", places
            ),
        )
    if isinstance(error, requests.RequestException):
        text = str(error)
        found = _SYSTEM_WORDS.search(text)
        words = (found[1] or found[2]) if found else f"{type(error).__name__}: {text[:200]}"
        unreached = "NewConnectionError" in text or "NameResolutionError" in text
        if unreached or isinstance(error, (kinds.ConnectTimeout, kinds.SSLError, kinds.ProxyError)):
            return NotReachedError(
                f"cannot {what}: {endpoint} cannot be reached: {words}",
                hint=_located(
                    "endpoint",
                    f"is odps_endpoint right, and can this machine reach {endpoint}?",
                    places,
                ),
            )
        hint = _located("endpoint", f"does the way to {endpoint} break off?", places)
        return TransientPlatformError(
            f"cannot {what}: {endpoint} did not answer: {words}", hint=hint
        )
    if isinstance(error, (ET.ParseError, KeyError, ValueError)):
        return TransientPlatformError(f"cannot {what}: the answer makes no sense: {error!r}")
    return _refusal(what, error, places)


def _located(field: str, hint: str, places: Mapping[str, str]) -> str:
    return f"{places[field]}: {hint}" if field in places else hint


def _refusal(what: str, error: Exception, places: Mapping[str, str]) -> PlatformError:
    """What the service said, in the service's words."""
    names = [kind.__name__ for kind in type(error).__mro__]
    status = getattr(error, "status_code", None) or 0
    words = str(error.args[0]) if error.args else names[0]
    code = getattr(error, "code", None) or names[0]
    message = f"cannot {what}: {code}: {words}"
    known = (*re.findall(r"ODPS-\d{7}", words), str(code), *names)
    reason = next((one for one in known if one in _HINTS), "")
    hint = _located(_FIELDS.get(reason, ""), _HINTS.get(reason, ""), places)
    request_id = getattr(error, "request_id", None)
    if request_id:  # not in the message, which is the same whenever the fault is
        hint = f"{hint} (request {request_id})".lstrip()
    if status == 429 or not _REFUSED_FOR_NOW.isdisjoint(names):
        return RefusedForNowError(message, hint=hint)
    if "InternalServerError" in names or status >= 500:
        return TransientPlatformError(message, hint=hint)
    if "NoSuchObject" in names and "nstance" in words:
        return MissingInstanceError(message, hint="the service forgets instances after some days")
    return PlatformError(message, hint=hint)
