from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from hpo_nni.trial.webhooks import (
    Form,
    Mentions,
    Message,
    dingtalk_request,
    json_request,
    refusal,
)

URL = "https://oapi.example/robot/send?access_token=abc"
MESSAGE = Message("a trial failed", {"event": "failed", "trial": "Tr1"})


def test_dingtalk_gets_text_its_keyword_and_those_it_calls():
    mentions = Mentions("调参", ("13800000000",), ("user1",), everybody=True)
    request = dingtalk_request(URL, "", MESSAGE, mentions, 0.0)
    body = json.loads(request.body)

    assert request.url == URL
    assert request.headers["Content-Type"].startswith("application/json")
    assert body["msgtype"] == "text"
    assert body["text"]["content"] == "调参 a trial failed @13800000000 @user1"
    assert body["at"] == {
        "atMobiles": ["13800000000"],
        "atUserIds": ["user1"],
        "isAtAll": True,
    }


def test_a_keyword_that_is_there_is_not_said_twice():
    body = json.loads(dingtalk_request(URL, "", MESSAGE, Mentions("trial"), 0.0).body)

    assert body["text"]["content"] == "a trial failed"


def test_a_robot_with_a_secret_gets_the_time_and_a_signature():
    request = dingtalk_request(URL, "SECabc", MESSAGE, Mentions(), 1_700_000_000.25)
    query = parse_qs(urlsplit(request.url).query)
    words = b"1700000000250\nSECabc"
    digest = hmac.new(b"SECabc", words, hashlib.sha256).digest()

    assert query["access_token"] == ["abc"]
    assert query["timestamp"] == ["1700000000250"]
    assert query["sign"] == [base64.b64encode(digest).decode()]


def test_the_generic_form_is_facts_and_text_and_a_token():
    request = json_request(URL, "t0ken", MESSAGE)

    assert json.loads(request.body) == {
        "event": "failed",
        "trial": "Tr1",
        "text": "a trial failed",
    }
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert "Authorization" not in json_request(URL, "", MESSAGE).headers


@pytest.mark.parametrize(
    ("form", "status", "answer", "fault"),
    [
        (Form.JSON, 204, b"", ""),
        (Form.JSON, 302, b"", "it answered HTTP 302"),
        (Form.DINGTALK, 200, b'{"errcode": 0, "errmsg": "ok"}', ""),
        (Form.DINGTALK, 200, b'{"errcode": 310000, "errmsg": "sign"}', "it answered 310000: sign"),
        (Form.DINGTALK, 500, b"", "it answered HTTP 500"),
        (Form.DINGTALK, 200, b"<html>", "its answer is not DingTalk's"),
        (Form.DINGTALK, 200, b"[1]", "its answer is not DingTalk's"),
        (Form.DINGTALK, 200, b"\xff", "its answer is not DingTalk's"),
        (Form.DINGTALK, 200, b"[" * 60_000, "its answer is not DingTalk's"),
    ],
)
def test_what_an_answer_means(form, status, answer, fault):
    found = refusal(form, status, answer)

    assert found.startswith(fault)
    assert bool(found) == bool(fault)
