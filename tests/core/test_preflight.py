from __future__ import annotations

import sys

import pytest

from hpo_nni.core.preflight import refuse_doomed_experiment
from hpo_nni.errors import SettingsError
from hpo_nni.nni_api.environment import DispatcherEnvironment
from hpo_nni.nni_api.launch import nni_version

TRIAL = f"{sys.executable} -m hpo_nni.trial --config=./trial.ini"


def faults(tmp_path, environ=None, **config):
    experiment = DispatcherEnvironment("e", tmp_path, config)
    environ = {"PATH": "/usr/bin:/bin"} if environ is None else environ
    try:
        refuse_doomed_experiment(experiment, environ)
    except SettingsError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.fixture
def spaced(tmp_path):
    directory = tmp_path / "my data"
    directory.mkdir()
    return directory


@pytest.mark.nni
def test_a_space_in_a_path_is_refused_where_nni_leaves_it_unquoted(spaced):
    found = faults(spaced, trialCodeDirectory=str(spaced))

    if nni_version() >= (3,):
        assert found == []
        return
    assert [fault.split()[0] for fault in found] == [
        "experimentWorkingDirectory",
        "trialCodeDirectory",
    ]
    assert all("hpo-nni run CONFIG" in fault for fault in found)


def test_chinese_characters_alone_are_no_fault(tmp_path):
    directory = tmp_path / "模型"
    directory.mkdir()

    assert faults(directory, trialCodeDirectory=str(directory)) == []


def test_hpo_nni_run_has_taken_care_of_everything(spaced):
    assert faults(spaced, {"HPO_NNI_LAUNCHER": "1"}, trialCommand="python9 -m hpo_nni.trial") == []


def stub_python(tmp_path, script):
    """An interpreter of that name that does what the script says."""
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_a_python_that_cannot_run_trials_is_refused(tmp_path):
    environ = stub_python(tmp_path, 'echo "hpo_nni" >&2; exit 1')

    (fault,) = faults(
        tmp_path,
        environ,
        trialCommand="python3 -m hpo_nni.trial --config=t.ini",
        trialCodeDirectory=str(tmp_path),
    )

    assert "python3 cannot import hpo_nni" in fault
    assert "activate the environment" in fault


def test_a_python_that_does_not_exist_is_refused(tmp_path):
    (fault,) = faults(tmp_path, trialCommand="python9.9 -m hpo_nni.trial --config=t.ini")

    assert "there is no python9.9 in PATH" in fault


def test_the_probe_names_the_module_that_is_missing(tmp_path):
    """`-I -S` hides everything that is installed, so the first needed module is missing."""
    environ = stub_python(tmp_path, f'exec {sys.executable} -I -S "$@"')

    (fault,) = faults(tmp_path, environ, trialCommand="python3 ./run_begin.py --config=t.ini")

    assert "cannot import jinja2" in fault


@pytest.mark.parametrize(
    "command",
    [
        TRIAL,
        "bash train.sh",
        "python9 train.py",  # the user's own trial, which needs nothing of ours
        "echo 'open quote",
        "",
        None,
    ],
)
def test_commands_that_can_run_or_are_not_ours_pass(tmp_path, command):
    assert faults(tmp_path, trialCommand=command, trialCodeDirectory=str(tmp_path)) == []


def test_all_faults_are_said_at_once_and_logged(spaced, caplog):
    found = faults(spaced, trialCommand="python9 -m hpo_nni.trial", trialCodeDirectory=str(spaced))

    assert len(found) == (3 if nni_version() < (3,) else 1)
    assert all(fault in caplog.text for fault in found)


def test_credentials_that_lead_nowhere_end_the_experiment_at_once(tmp_path):
    ini = tmp_path / "trial.ini"
    ini.write_text(
        "[oss_config]\nendpoint=http://oss-cn-beijing.aliyuncs.com\n"
        "accessKeyID=xxx\naccessKeySecret=${SK}\n",
        encoding="utf-8",
    )
    config = {"trialCommand": TRIAL, "trialCodeDirectory": str(tmp_path)}

    found = faults(tmp_path, {"HPO_NNI_LAUNCHER": "1"}, **config)

    assert ["placeholder" in found[0], "SK is not set" in found[1]] == [True, True]
    assert "`hpo-nni rehearse CONFIG`" in found[0]
    ini.write_text("[oss_config", encoding="utf-8")
    assert faults(tmp_path, {"HPO_NNI_LAUNCHER": "1"}, **config) == []
