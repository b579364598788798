from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.monitor import load_monitor
from hpo_nni.trial.webhooks import Form, Mentions

SMALL = (
    "[platform_config]\nname=local\ncmd1=true\n[metric_config]\nmetric_type=summary\n"
    "metric_source=${NNI_OUTPUT_DIR}/eval_val\nmetric_dict={'auc': 1}\n[monitor_config]\n"
)
URL = "https://oapi.example/robot/send?access_token=0123456789"


def test_the_documented_keys_become_a_monitor(ini):
    lines = (
        "url=${WEBHOOK}\nkeyword=调参\nat_mobiles=['13800000000', 13900000000]\n"
        "at_user_ids=[]\nis_at_all=False\n"
    )
    monitor = ini.load(SMALL + lines).monitor

    assert monitor.form is Form.DINGTALK
    assert monitor.mentions == Mentions("调参", ("13800000000", "13900000000"))
    assert monitor.resolve({"WEBHOOK": URL})[0].reveal() == URL
    assert load_monitor(ini.path).mentions == monitor.mentions


def test_addresses_tokens_and_secrets_are_hidden(ini):
    monitor = ini.load(SMALL + "url=env:WEBHOOK\nsecret=env:SECRET\n").monitor
    environ = {"WEBHOOK": URL, "SECRET": "SEC9876543"}
    hidden = {secret.reveal() for secret in monitor.secrets(environ)}

    assert hidden == {URL, "0123456789", "SEC9876543"}
    assert list(monitor.secrets({})) == []


def test_an_address_that_stands_in_the_file_works_with_a_warning(ini):
    loaded = ini.load(SMALL + f"url={URL}\n")

    assert loaded.monitor.resolve({})[0].reveal() == URL
    assert "0123456789" not in repr(loaded)
    assert any("[monitor_config] url: plain credentials" in one for one in loaded.warnings)


def test_without_the_section_there_is_no_monitor(ini):
    assert ini.load(SMALL.replace("[monitor_config]\n", "")).monitor is None
    assert load_monitor(ini.path) is None


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("keyword=x", "trial.ini:8 [monitor_config]: url is missing"),
        ("url=xxx", "[monitor_config] url: url is missing"),
        ("url=ftp://host/x", "url: this is no address that begins with https:// or http://"),
        ("url=https://[x/", "url: this is no address"),
        ("url=env:U\nsecret=", "secret: this is a placeholder"),
        ("url=env:U\nformat=slack", "format: 'slack' is not one of dingtalk, json"),
        ("url=env:U\nformat=json\nkeyword=x", "keyword: only DingTalk has this"),
        ("url=env:U\nis_at_all=maybe", "is_at_all: 'maybe' is neither 0 nor 1"),
        ("url=env:U\nat_mobile=1", "did you mean 'at_mobiles'?"),
    ],
)
def test_each_fault_of_the_section_is_named(ini, lines, problem):
    assert problem in "\n".join(ini.problems(SMALL + lines + "\n"))


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "trial.ini:9 [monitor_config] url: the environment variable WEBHOOK is not set"),
        ({"WEBHOOK": "host/x"}, "trial.ini:9 [monitor_config] url: this is no address"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_when_it_is_needed(ini, environ, problem):
    monitor = ini.load(SMALL + "url=env:WEBHOOK\n").monitor

    with pytest.raises(SettingsError, match="monitor_config") as caught:
        monitor.resolve(environ)
    assert str(caught.value).startswith(problem)
