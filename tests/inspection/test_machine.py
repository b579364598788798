from __future__ import annotations

import socket

import pytest

from hpo_nni.inspection import machine
from hpo_nni.inspection.finding import Level

HERE = {"no_proxy": "localhost,127.0.0.1"}


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 9, 19), Level.FAIL),
        ((3, 10, 0), Level.OK),
        ((3, 12, 9), Level.OK),
        ((3, 13, 0), Level.FAIL),
    ],
)
def test_pythons_that_are_supported(version, level):
    assert machine.python(version).level is level


@pytest.mark.parametrize(
    ("system", "level"),
    [
        (("Linux", "x86_64", "glibc"), Level.OK),
        (("Linux", "x86_64", "musl"), Level.FAIL),
        (("Linux", "aarch64", "glibc"), Level.FAIL),
        (("Darwin", "arm64", "?"), Level.WARN),
    ],
)
def test_systems_that_nni_has_a_manager_for(system, level):
    assert machine.system(*system).level is level


def test_a_taken_port_is_no_fault_and_the_next_one_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = machine.ports(port)

    assert found.level is Level.OK
    assert f"{port} is taken: `hpo-nni run` takes " in found.message


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, Level.OK),
        ({"HTTP_PROXY": "http://proxy"}, Level.FAIL),
        ({"http_proxy": "http://proxy", "no_proxy": "example.org"}, Level.FAIL),
        ({"http_proxy": "http://proxy", "no_proxy": "localhost"}, Level.FAIL),
        ({"http_proxy": "http://proxy", **HERE}, Level.OK),
        ({"ALL_PROXY": "http://proxy", "NO_PROXY": "*"}, Level.OK),
    ],
)
def test_a_proxy_must_leave_this_machine_out(environ, level):
    assert machine.proxies(environ).level is level


@pytest.mark.parametrize(
    ("supplies", "found"),
    [
        ({}, False),
        ({"AC": {"type": "Mains"}}, False),
        ({"BAT0": {"type": "Battery"}}, True),
        ({"mouse": {"type": "Battery", "scope": "Device"}}, False),
    ],
)
def test_a_laptop_is_known_by_its_battery(tmp_path, supplies, found):
    for name, files in supplies.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(f"{text}\n")

    assert (machine.power(tmp_path) is not None) is found


def test_extras_that_are_installed_are_shown_with_their_versions():
    found = {one.subject: one for one in machine.extras({"maxcompute": "this experiment"})}

    assert found["extra maxcompute"].level is Level.OK
    assert "pyodps 0." in found["extra maxcompute"].message


@pytest.mark.parametrize(
    ("who", "level", "told"),
    [("", Level.OK, "nothing here needs it"), ("this experiment", Level.FAIL, "needs it")],
)
def test_an_extra_that_is_missing_matters_to_those_who_need_it(who, level, told):
    found = machine.one_extra("cloud", ["no-such-distribution"], who)

    assert found.level is level
    assert "no-such-distribution not installed" in found.message
    assert told in found.message
