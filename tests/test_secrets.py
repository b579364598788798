from __future__ import annotations

import base64
import json
import logging
import pickle
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo_nni.errors import SettingsError
from hpo_nni.secrets import (
    CredentialReferences,
    Credentials,
    RedactingFilter,
    Redactor,
    Reference,
    Secret,
    hide_named,
)

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(
    lambda value: value == value.strip()
)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("env:AK", "env", "AK"),
        ("env: AK", "env", "AK"),
        ("${AK}", "env", "AK"),
        ("$AK", "env", "AK"),
        ("file:keys/ak.txt", "file", "keys/ak.txt"),
        ("LTAI5tExample", "plain", ""),
        ("a$AK", "plain", ""),
    ],
)
def test_what_users_write_is_a_reference(text, kind, name):
    reference = Reference.parse(text)

    assert (reference.kind, reference.name) == (kind, name)


def test_references_are_resolved_where_they_lead(tmp_path):
    (tmp_path / "secret.txt").write_text("from-file\n", encoding="utf-8")

    def resolve(text):
        return Reference.parse(text).resolve({"AK": "from-env"}, tmp_path).reveal()

    assert [resolve(text) for text in ("${AK}", "file:secret.txt", "as-it-is")] == [
        "from-env",
        "from-file",
        "as-it-is",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${AK}", "the environment variable AK is not set"),
        ("env:EMPTY", "the environment variable EMPTY is empty"),
        ("file:missing", "No such file or directory"),
        ("file:empty", "is empty"),
        ("xxx", "placeholder"),
        ("", "placeholder"),
        ("<access key>", "placeholder"),
        ("your_access_key", "placeholder"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(tmp_path, text, message):
    (tmp_path / "empty").touch()

    with pytest.raises(SettingsError, match=message) as caught:
        Reference.parse(text).resolve({"EMPTY": " "}, tmp_path)

    assert all(problem.hint for problem in caught.value.problems), "there is a next step"


@pytest.mark.parametrize("name", ["YOUR_TEAM_AK", "XX", "TODO"])
def test_a_variable_may_be_called_like_a_placeholder(name):
    assert Reference.parse(f"${{{name}}}").resolve({name: "key"}, Path()).reveal() == "key"


def test_all_faults_of_a_key_pair_are_said_at_once_with_their_places():
    pair = CredentialReferences(
        Reference.parse("xxx"),
        Reference.parse("${SK}"),
        places=(("key_id", "a.ini:2 [oss_config] accessKeyID"),),
    )

    with pytest.raises(SettingsError) as caught:
        pair.resolve({}, Path())

    assert [problem.where for problem in caught.value.problems] == [
        "a.ini:2 [oss_config] accessKeyID",
        "key_secret",
    ]


def test_plain_values_are_warned_of_once_and_not_shown():
    plain, by_name = Reference.parse("LTAI5tExample"), Reference.parse("${SK}")
    places = (("key_id", "a.ini:2"), ("key_secret", "a.ini:3"))

    warning = CredentialReferences(plain, plain, places=places).warning()

    assert warning.startswith("a.ini:2, a.ini:3: plain credentials")
    assert "LTAI" not in warning
    assert not CredentialReferences(by_name, by_name).warning()


def test_secrets_show_themselves_to_nobody():
    secret = Secret("canary-1")
    pair = Credentials(secret, secret, secret)
    reference = Reference.parse("canary-1")

    shown = f"{secret} {secret!r} {secret!s:>20} {pair!r} {reference} {reference!r} %s" % secret

    assert "canary" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(pair)


def test_a_token_belongs_to_the_secrets_of_a_pair():
    pair = CredentialReferences(*map(Reference.parse, ("id-1234", "secret-1", "token-1")))

    found = pair.resolve({}, Path())

    assert [secret.reveal() for secret in found.secrets()] == ["id-1234", "secret-1", "token-1"]


@settings(max_examples=60)
@given(VALUES, st.binary(max_size=5), st.binary(max_size=5))
def test_no_spelling_of_a_value_is_left(value, before, behind):
    redact = Redactor([Secret(value)])
    data = value.encode()
    core = base64.b64encode(data).decode().rstrip("=")[:-1]

    assert value not in redact(f"key={value};")
    for spelling in (quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]):
        assert redact(spelling) == "[secret]"
    assert core not in redact(base64.b64encode(data).decode())
    embedded = redact(base64.b64encode(before + data + behind).decode())
    assert "[secret]" in embedded
    assert "[secret]" in redact(base64.urlsafe_b64encode(before + data + behind).decode())


def test_a_value_inside_base64_of_json_is_found():
    config = base64.b64encode(json.dumps({"k": 'sec"ret-ключ'}).encode()).decode()

    assert "[secret]" in Redactor([Secret('sec"ret-ключ')])(config)


def test_the_longer_of_two_values_goes_first():
    redact = Redactor([Secret("abcdef"), Secret("abcdef-ghi")])

    assert redact("abcdef-ghi abcdef") == "[secret] [secret]"


def test_short_values_do_not_eat_innocent_text():
    assert Redactor([Secret("xxx")])("xxx and xxxl") == "xxx and xxxl"


def test_log_records_and_tracebacks_are_redacted(caplog):
    caplog.handler.addFilter(RedactingFilter(Redactor([Secret("canary-1")])))
    try:
        int("canary-1")
    except ValueError:
        logging.getLogger("x").exception("sent %s", "canary-1")

    assert "canary" not in caplog.text
    assert "sent [secret]" in caplog.text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("accessKeySecret = abc", "accessKeySecret = [secret]"),
        ("db_password: 'a b'  # mine", "db_password: '[secret]'  # mine"),
        ("train --api-key sk-1 --lr 0.1", "train --api-key [secret] --lr 0.1"),
        ("mysql://me:pw@host/db", "mysql://me:[secret]@host/db"),
        (r'{"a": "--password \"x y\" -v"}', r'{"a": "--password \"[secret]\" -v"}'),
        ("password: env:DB_PASSWORD", "password: env:DB_PASSWORD"),
        ('accessKeyID: "${AK}"', 'accessKeyID: "${AK}"'),
        ("max_tokens: 4, the secret of it", "max_tokens: 4, the secret of it"),
    ],
)
def test_what_a_text_calls_a_credential_is_hidden(text, hidden):
    assert hide_named(text) == hidden
    assert hide_named(hidden) == hidden
