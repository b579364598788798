"""Notices as they leave: to a webhook on this machine that takes them, hangs, refuses or breaks."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.secrets import Redactor, Secret
from hpo_nni.testing.cloud.http import Response
from hpo_nni.testing.cloud.webhook import OK, TOKEN
from hpo_nni.testing.processes import eventually
from hpo_nni.trial import delivery
from hpo_nni.trial.delivery import deliver
from hpo_nni.trial.monitor import load_monitor
from hpo_nni.trial.notices import Kind, Notice, notify

NOTICE = Notice(Kind.FAILED, "ExpA", "Tr1", "it failed with s3cret-key", "Tr1")


@pytest.fixture
def send(webhook, tmp_path, monkeypatch):
    """Deliver a notice in this process; gives the exit code and the pauses."""
    monkeypatch.setenv("WEBHOOK", webhook.url)
    ini = tmp_path / "trial.ini"

    def run(notice=NOTICE, lines="url=env:WEBHOOK\n"):
        ini.write_text(f"[monitor_config]\n{lines}", encoding="utf-8")
        pauses = []
        with Ledger.open(tmp_path / "work") as ledger:
            redact = Redactor([Secret("s3cret-key"), Secret(TOKEN)])
            code = deliver(notice, load_monitor(ini), ledger, redact, sleep=pauses.append)
            return code, pauses, ledger.notices()

    return run


def test_a_notice_goes_out_once_and_without_credentials(webhook, send):
    codes = [send()[0], send()[0]]
    (record,) = send()[2]

    assert codes == [0, 0]
    text = webhook.bodies[0]["text"]["content"]
    assert len(webhook.bodies) == 1
    assert text.startswith(
        "[hpo_nni] A trial failed (Tr1)\nit failed with [secret]\nexperiment ExpA"
    )
    assert (record.state, record.text) == ("sent", "it failed with [secret]")


def test_the_generic_form_has_the_facts(webhook, send):
    webhook.answers = [Response(204)]

    assert send(lines="url=env:WEBHOOK\nformat=json\n")[0] == 0

    facts = webhook.bodies[0]
    assert (facts["event"], facts["experiment"], facts["trial"]) == ("failed", "ExpA", "Tr1")


@pytest.mark.parametrize(
    ("answers", "tries", "words"),
    [
        ([Response(500), Response(200, OK)], 2, ""),
        ([Response(500)], 3, "it answered HTTP 500"),
        ([Response(429)], 3, "it answered HTTP 429"),
        ([Response(403)], 1, "it answered HTTP 403"),
        ([Response(302, headers={"Location": "/elsewhere"})], 1, "it answered HTTP 302"),
        ([Response(200, b'{"errcode": 310000, "errmsg": "keywords"}')], 1, "310000: keywords"),
        ([Response(200, b"hello")], 1, "its answer is not DingTalk's"),
    ],
)
def test_a_webhook_that_refuses_is_noted_and_tried_again(webhook, send, answers, tries, words):
    webhook.answers = answers

    code, pauses, (record,) = send()

    assert (code, record.state) == ((1, "failed") if words else (0, "sent"))
    assert len(webhook.requests) == tries == len(pauses)
    assert words in record.message
    assert TOKEN not in record.message


def test_a_webhook_that_is_not_there_is_noted(webhook, send):
    webhook.stop()

    code, _, (record,) = send()

    assert code == 1
    assert "it does not answer" in record.message


def test_a_webhook_that_hangs_is_given_up(send, monkeypatch):
    monkeypatch.setattr(delivery, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setenv("WEBHOOK", f"http://127.0.0.1:{silent.getsockname()[1]}/")

        code, _, (record,) = send()

    assert code == 1
    assert "timed out" in record.message


def test_a_reference_that_leads_nowhere_is_noted(send, monkeypatch):
    monkeypatch.delenv("WEBHOOK")

    code, _, (record,) = send()

    assert code == 1
    assert "the environment variable WEBHOOK is not set" in record.message


def test_who_notifies_does_not_wait(webhook, tmp_path, monkeypatch):
    """The webhook answers only after `notify` has returned, and it is one process that speaks."""
    monkeypatch.setenv("WEBHOOK", webhook.url)
    (tmp_path / "trial.ini").write_text("[monitor_config]\nurl=env:WEBHOOK\n", encoding="utf-8")
    returned = threading.Event()
    respond = webhook.respond
    webhook.respond = lambda request: returned.wait(60) and respond(request)

    for _ in range(2):
        notify(NOTICE, directory=tmp_path / "work", settings_file=tmp_path / "trial.ini")
    returned.set()

    def states():
        with Ledger.open(tmp_path / "work") as ledger:
            return [one.state for one in ledger.notices()]

    eventually(lambda: states() == ["sent"])
    assert len(webhook.requests) == 1


@pytest.mark.parametrize("text", [None, "", "[monitor_config]\n", "[other]\n"])
def test_settings_without_a_webhook_or_with_faults_are_passed_over(tmp_path, text):
    ini = tmp_path / "trial.ini"
    if text is not None:
        ini.write_text(text, encoding="utf-8")

    code = delivery.main([str(tmp_path), str(ini)], NOTICE.dump())

    assert code == (0 if text in {"", "[other]\n"} else 1)
    assert not list(tmp_path.glob("*.sqlite"))


def test_the_message_says_what_was_held_back():
    message = delivery.compose(NOTICE, "it failed", (3, 0), time.time())

    assert "3 earlier messages were held back" in message.text
    assert message.text.endswith("further messages are held back for a minute")
    assert message.facts["held_back"] == 3


def test_a_notice_survives_the_way_to_its_process():
    odd = Notice(Kind.BEST, "ExpA", "Tr1", "快 \ud800 " + "x" * 9000)

    assert Notice.parse(odd.dump()).text == odd.text[:8000]
