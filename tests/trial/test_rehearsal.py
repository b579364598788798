from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.ledger.process_identity import ProcessIdentity
from hpo_nni.trial.accounts import load_accounts, unusable_credentials
from hpo_nni.trial.rehearsal import VARIABLE, Rehearsal
from hpo_nni.trial.settings import Substitutions, load_settings

INI = """\
[oss_config]
endpoint=http://oss-cn-beijing.aliyuncs.com
accessKeyID=xxx
accessKeySecret=env:NOBODY_HAS_SET_THIS
region=cn-beijing
role_arn=acs:ram::1:role/somebody

[odps_config]
project_name=demo
odps_endpoint=http://service.odps.aliyun.com/api
"""


@pytest.fixture
def rehearsal(tmp_path):
    return Rehearsal(
        directory=str(tmp_path / "expdir"),
        oss_port=4001,
        odps_port=4002,
        key_id="made-up-id",
        key_secret="made-up-secret",
        owner=ProcessIdentity.current(),
    )


@pytest.fixture
def accounts(tmp_path):
    path = tmp_path / "trial.ini"
    path.write_text(INI, encoding="utf-8")
    return load_accounts(path)


def environment(rehearsal, **more):
    return {VARIABLE: rehearsal.to_text(), **more}


def test_without_the_variable_nothing_is_redirected(accounts):
    assert Rehearsal.of_process({}) is None
    with pytest.raises(SettingsError, match="placeholder") as caught:
        accounts.connect_oss({})
    assert "`hpo-nni rehearse CONFIG`" in str(caught.value)


def test_both_services_become_ports_of_this_machine_with_a_key_pair_of_their_own(
    rehearsal, accounts
):
    environ = environment(rehearsal)
    oss, jobs = accounts.connect_oss(environ), accounts.connect_maxcompute(environ)

    assert oss.endpoint == "http://127.0.0.1:4001"
    assert (jobs.endpoint, jobs.project) == ("http://127.0.0.1:4002/api", "demo")
    assert oss.credentials == jobs.credentials == rehearsal.credentials
    assert list(accounts.secrets(environ)) == list(rehearsal.credentials.secrets())


@pytest.mark.parametrize(
    "change",
    [
        {"oss_port": "4001.example.com"},
        {"oss_port": "1@example.com"},
        {"oss_port": None},
        {"owner": {}},
        {"owner": None},
    ],
    ids=str,
)
def test_no_value_of_the_variable_leads_anywhere_else(rehearsal, accounts, change):
    text = json.dumps(asdict(rehearsal) | change)

    with pytest.raises(SettingsError, match="no rehearsal"):
        accounts.connect_oss({VARIABLE: text})
    with pytest.raises(SettingsError, match="no rehearsal"):
        accounts.connect_oss({VARIABLE: "http://example.com"})


@pytest.mark.parametrize("name", ["NNI_SYS_DIR", "NNI_LOG_DIRECTORY"])
def test_processes_of_the_rehearsed_experiment_are_redirected(rehearsal, name):
    inside = f"{rehearsal.directory}/abc/trials/def"

    assert ask(environment(rehearsal, **{name: inside})) == "http://127.0.0.1:4001"


@pytest.mark.parametrize(
    "place",
    [{}, {"NNI_SYS_DIR": "/elsewhere/abc/trials/def"}, {"NNI_SYS_DIR": "{directory}2/abc"}],
    ids=str,
)
def test_a_process_of_anything_else_is_refused(rehearsal, place):
    place = {key: value.format(directory=rehearsal.directory) for key, value in place.items()}

    assert "not part of that rehearsal" in ask(environment(rehearsal, **place))


def test_a_process_that_outlives_the_command_is_refused(rehearsal):
    gone = subprocess.run([sys.executable, "-c", ""], check=True)
    owner = replace(rehearsal.owner, pid=os.getpid(), started=rehearsal.owner.started - 1)
    inside = f"{rehearsal.directory}/abc/trials/def"

    assert gone.returncode == 0
    told = ask(environment(replace(rehearsal, owner=owner), NNI_SYS_DIR=inside))
    assert "a rehearsal which is over" in told
    assert "unset HPO_NNI_REHEARSAL" in told


def ask(environ):
    """What another process is told: an endpoint, or why there is none."""
    code = (
        "from hpo_nni.errors import SettingsError\n"
        "from hpo_nni.trial.rehearsal import Rehearsal\n"
        "try:\n    print(Rehearsal.of_process().oss_endpoint)\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    base = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=base | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_credentials_that_lead_nowhere_are_found_without_a_trial(tmp_path):
    path = tmp_path / "trial.ini"
    path.write_text(INI, encoding="utf-8")

    places = [problem.where for problem in unusable_credentials(path, {})]

    assert places == [
        "trial.ini:3 [oss_config] accessKeyID",
        "trial.ini:4 [oss_config] accessKeySecret",
    ]
    assert unusable_credentials(path, {"NOBODY_HAS_SET_THIS": "x"})[0].where == places[0]
    assert unusable_credentials(tmp_path / "none.ini", {}) == ()


def test_a_rehearsal_waits_for_nothing_tells_nobody_and_leaves_folders_alone(tmp_path, rehearsal):
    path = tmp_path / "trial.ini"
    path.write_text(
        "[platform_config]\nname=local\ncmd1=true\n"
        "[metric_config]\nmetric_type=json\nmetric_source=${NNI_OUTPUT_DIR}/m\n"
        "metric_dict={'auc': 1}\npoll_interval=30\n"
        "[schedule_config]\nday=everyday\nstart_time=01:00\nend_time=02:00\n"
        "[monitor_config]\nurl=https://example.com/robot/send?access_token=x\nkeyword=nni\n",
        encoding="utf-8",
    )
    settings = load_settings(path, Substitutions(point={}))
    settings = replace(settings, mirror=str(tmp_path / "exp" / "abc_def"))
    assert settings.window is not None
    assert settings.monitor is not None

    adapted = rehearsal.adapt(settings)

    assert (adapted.window, adapted.monitor) == (None, None)
    assert adapted.metrics.poll_interval < 1
    assert adapted.mirror == f"{rehearsal.directory}/exp/abc_def"
