"""The forms of webhooks: a message as each service takes it, and what its answer means.

DingTalk's form, its signature and its error codes are those of the open platform's documents on
custom robots.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST = 4000  # characters of a message


class Form(enum.Enum):
    """Whose form a webhook has."""

    DINGTALK = "dingtalk"
    JSON = "json"


@dataclass(frozen=True)
class Message:
    """What is to be said.

    Attributes:
        facts: the same for programs: event, experiment, trial, time.
    """

    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Mentions:
    """Whom DingTalk calls, and the word without which a robot with a keyword refuses."""

    keyword: str = ""
    mobiles: Sequence[str] = ()
    user_ids: Sequence[str] = ()
    everybody: bool = False


@dataclass(frozen=True)
class HttpRequest:
    """One POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def dingtalk_request(
    url: str, secret: str, message: Message, mentions: Mentions, now: float
) -> HttpRequest:
    """A text message of a DingTalk robot, signed where the robot has a secret."""
    called = [f"@{one}" for one in (*mentions.mobiles, *mentions.user_ids)]
    has_keyword = mentions.keyword in message.text
    words = [] if has_keyword else [mentions.keyword]
    content = " ".join([*words, message.text[:LONGEST], *called])
    body = {
        "msgtype": "text",
        "text": {"content": content},
        "at": {
            "atMobiles": list(mentions.mobiles),
            "atUserIds": list(mentions.user_ids),
            "isAtAll": mentions.everybody,
        },
    }
    return HttpRequest(_signed(url, secret, now) if secret else url, *_json(body))


def json_request(url: str, secret: str, message: Message) -> HttpRequest:
    """The facts and the text as one JSON object; a secret travels as a bearer token."""
    headers, body = _json({**message.facts, "text": message.text[:LONGEST]})
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    return HttpRequest(url, headers, body)


def refusal(form: Form, status: int, answer: bytes) -> str:
    """What a webhook has against a message; empty if it took it.

    >>> refusal(Form.DINGTALK, 200, b'{"errcode": 310000, "errmsg": "keywords not in content"}')
    'it answered 310000: keywords not in content'
    >>> refusal(Form.JSON, 204, b''), refusal(Form.JSON, 500, b'')
    ('', 'it answered HTTP 500')
    """
    if not 200 <= status < 300:
        return f"it answered HTTP {status}"
    if form is Form.JSON:
        return ""
    try:
        told = json.loads(answer)
        code, words = told["errcode"], str(told.get("errmsg", ""))[:200]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "its answer is not DingTalk's: is the url that of a robot?"
    return "" if code == 0 else f"it answered {code}: {words}"


def _signed(url: str, secret: str, now: float) -> str:
    stamp = str(round(now * 1000))
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    sign = quote_plus(base64.b64encode(digest))
    return f"{url}{'&' if '?' in url else '?'}timestamp={stamp}&sign={sign}"


def _json(body: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return headers, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
