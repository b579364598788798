"""Real clients against servers that check signatures, and clocks that differ."""

from __future__ import annotations

import re
import socket
import time

import pytest

from hpo_nni.inspection.cloud import accounts
from hpo_nni.inspection.finding import Level
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.trial.accounts import load_accounts

INI = """\
[oss_config]
endpoint={oss}
accessKeyID=env:AK
accessKeySecret=env:SK
[odps_config]
project_name={project}
odps_endpoint={odps}
"""
KEYS = {"AK": "inspected-id", "SK": "inspected-secret"}


@pytest.fixture
def inspect(tmp_path, oss, mc):
    def inspect(environ=KEYS, *, project="demo", endpoint="", now=time.time):
        ini = tmp_path / "trial.ini"
        where = {"oss": endpoint or oss.endpoint, "odps": endpoint or mc.endpoint}
        ini.write_text(INI.format(project=project, **where))
        return {one.subject: one for one in accounts(load_accounts(ini), environ, now)}

    return inspect


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_good_keys_are_accepted_and_nothing_is_changed(inspect, oss, mc):
    found = inspect()

    assert [one.level for one in found.values()] == [Level.OK] * 6
    assert found["MaxCompute keys"].message == "accepted; the project demo is there"
    assert {one.method for one in [*oss.exchanges, *mc.exchanges]} == {"GET"}


@pytest.mark.parametrize(
    ("environ", "told", "hint"),
    [
        ({"AK": "inspected-id", "SK": "wrong"}, "SignatureDoesNotMatch", "does not belong to"),
        ({"AK": "nobody", "SK": "wrong"}, "InvalidAccessKeyId", "is accessKeyID right"),
        ({"AK": "inspected-id"}, "SK is not set", "export SK="),
    ],
)
def test_keys_that_are_refused_or_missing_are_told(inspect, environ, told, hint):
    found = inspect(environ)["OSS keys"]

    assert found.level is Level.FAIL
    assert told in found.message
    assert hint in found.hint


def test_shared_keys_that_are_missing_are_told_once(inspect):
    found = inspect({})

    assert "MaxCompute keys" not in found
    assert found["MaxCompute endpoint"].level is Level.OK


def test_keys_that_may_not_list_buckets_are_accepted_all_the_same(inspect, oss):
    oss.faults.add(RequestFault(Action.REFUSE, status=403, code="AccessDenied", first=2))

    found = inspect()["OSS keys"]

    assert found.level is Level.OK
    assert "may not list buckets" in found.message


def test_a_project_that_is_not_there_is_told(inspect):
    found = inspect(project="demoo")["MaxCompute keys"]

    assert found.level is Level.FAIL
    assert "NoSuchProject" in found.message


def test_an_endpoint_where_nothing_listens_is_told_and_no_key_is_sent(inspect, oss):
    found = inspect(endpoint=f"http://127.0.0.1:{closed_port()}")

    assert set(found) == {"OSS endpoint", "MaxCompute endpoint"}
    assert "refused" in found["OSS endpoint"].message
    assert not oss.exchanges


@pytest.mark.parametrize(
    ("seconds", "level", "told"),
    [
        (0, Level.OK, "within a minute"),
        (-300, Level.WARN, r"\d+ s behind"),
        (300, Level.WARN, r"\d+ s ahead"),
        (-3600, Level.FAIL, "refused beyond 15 minutes"),
    ],
)
def test_a_clock_that_is_off_is_told(inspect, seconds, level, told):
    found = inspect(now=lambda: int(time.time()) + seconds)["OSS clock"]

    assert found.level is level
    assert re.search(told, found.message)


def test_no_key_is_shown_not_even_where_the_service_repeats_it(inspect, oss):
    words = {"code": "SignatureDoesNotMatch", "message": "inspected-id sent another-secret"}
    oss.faults.add(RequestFault(Action.REFUSE, status=403, first=2, **words))

    found = inspect({"AK": "inspected-id", "SK": "another-secret"})

    assert "[secret] sent [secret]" in found["OSS keys"].message
    assert "another-secret" not in str(found)


def test_what_is_no_address_is_told(inspect):
    assert inspect(endpoint="ftp://host")["OSS endpoint"].level is Level.FAIL
