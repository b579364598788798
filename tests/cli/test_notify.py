from __future__ import annotations

import pytest

from hpo_nni.cli.main import main
from hpo_nni.testing.cloud.http import Response
from hpo_nni.testing.cloud.webhook import TOKEN, WebhookServer


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "trial.ini"
    path.write_text("[monitor_config]\nurl=env:WEBHOOK\nkeyword=hpo\n", encoding="utf-8")
    return path


def test_a_test_message_is_sent(ini, monkeypatch, capsys):
    with WebhookServer() as webhook:
        monkeypatch.setenv("WEBHOOK", webhook.url)

        assert main(["notify", str(ini)]) == 0

    assert "A test: notices about experiments" in webhook.bodies[0]["text"]["content"]
    assert capsys.readouterr().out == "sent\n"


def test_a_refusal_is_shown_without_the_token(ini, monkeypatch, capsys):
    with WebhookServer() as webhook:
        monkeypatch.setenv("WEBHOOK", webhook.url)
        body = f'{{"errcode": 1, "errmsg": "no {TOKEN}"}}'
        webhook.answers = [Response(200, body.encode())]

        assert main(["notify", str(ini)]) == 1

    assert capsys.readouterr().out == "the webhook did not take it: it answered 1: no [secret]\n"


def test_a_file_without_the_section_is_told_so(ini, capsys):
    ini.write_text("[platform_config]\n", encoding="utf-8")

    assert main(["notify", str(ini)]) == 2
    assert "trial.ini: there is no section [monitor_config]" in capsys.readouterr().err
