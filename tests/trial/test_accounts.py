from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.accounts import load_accounts

HEAD = "[platform_config]\nname=MaxCompute\ncmd1=select 1\n"
METRICS = (
    "[metric_config]\nmetric_type=summary\nmetric_dict={'auc': 1}\n"
    "metric_source=oss://bkt/${exp_id}_${trial_id}/eval_val/\n"
)
OSS = "[oss_config]\nendpoint=env:HERE\naccessKeyID=${AK}\naccessKeySecret=file:sk\n"
ODPS = "[odps_config]\nproject_name=demo\nodps_endpoint=http://x/api\n"
GOOD = HEAD + METRICS + OSS + ODPS
ENVIRON = {"HERE": "http://oss-cn-beijing.aliyuncs.com", "AK": "LTAI-abc"}


@pytest.fixture
def accounts(ini):
    """The accounts of an ini, in a folder with a key file."""

    def load(text=GOOD):
        (ini.path.parent / "sk").write_text("s3cret/value\n", encoding="utf-8")
        return ini.load(text).accounts

    return load


def test_references_are_kept_and_resolved_on_demand(accounts):
    found = accounts()

    assert "LTAI" not in repr(found)
    connection = found.connect_oss(ENVIRON)
    assert connection.endpoint == ENVIRON["HERE"]
    assert connection.credentials.key_id.reveal() == "LTAI-abc"
    assert connection.credentials.key_secret.reveal() == "s3cret/value"


def test_maxcompute_uses_the_keys_of_oss_where_it_has_none(accounts):
    connection = accounts().connect_maxcompute(ENVIRON)

    assert (connection.project, connection.endpoint) == ("demo", "http://x/api")
    assert connection.credentials.key_id.reveal() == "LTAI-abc"


def test_both_spellings_of_maxcomputes_own_keys_are_known(accounts):
    newer = "access_id=env:A\naccess_key=env:B\nlog_view_host=http://logview\n"
    older = "accessKeyID=env:A\naccessKeySecret=env:B\n"
    environ = ENVIRON | {"A": "another", "B": "its secret"}

    for own in (newer, older):
        connection = accounts(GOOD + own).connect_maxcompute(environ)
        assert connection.credentials.key_id.reveal() == "another"
    assert accounts(GOOD + newer).connect_maxcompute(environ).logview_host == "http://logview"


def test_a_token_belongs_to_the_pair(accounts):
    text = GOOD.replace("[odps_config]", "securityToken=env:T\nregion=cn-x\n[odps_config]")
    connection = accounts(text).connect_oss(ENVIRON | {"T": "a token"})

    assert connection.credentials.sts_token.reveal() == "a token"
    assert connection.region == "cn-x"


def test_plain_values_give_one_warning_and_are_not_shown(ini):
    plain = OSS.replace("${AK}", "LTAIplain").replace("file:sk", "plainsecret")
    settings = ini.load(HEAD + METRICS + plain + ODPS)

    (warning,) = [one for one in settings.warnings if "plain credentials" in one]
    assert "trial.ini:10 [oss_config] accessKeyID" in warning
    assert "LTAIplain" not in repr(settings)
    assert "plainsecret" not in repr(settings)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("accessKeyID=", "accessKeyId=", "did you mean 'accessKeyID'"),
        ("accessKeyID=${AK}\n", "", "trial.ini:8 [oss_config]: accessKeyID is missing"),
        ("project_name=demo\n", "", "trial.ini:12 [odps_config]: project_name is missing"),
        ("odps_endpoint", "end_point=a\nodps_endpoint", "end_point: odps_endpoint says the same"),
        ("project_name", "access_id=env:A\nproject_name", "[odps_config]: access_key is missing"),
        (ODPS, "", "trial.ini:2 [platform_config] name: maxcompute needs a section [odps_config]"),
        ("cmd1=", "grace_seconds=1\ncmd1=", "grace_seconds: MaxCompute stops jobs in its own time"),
        (OSS, "", "metric_source: oss://bkt/expa_tr1/eval_val/ needs a section [oss_config]"),
    ],
)
def test_each_fault_says_what_and_where(ini, old, new, problem):
    assert problem in "\n".join(ini.problems(GOOD.replace(old, new, 1)))


def test_all_references_that_lead_nowhere_are_named_at_once(ini):
    accounts = ini.load(GOOD).accounts

    with pytest.raises(SettingsError) as caught:
        list(accounts.secrets({}))

    places = [problem.where for problem in caught.value.problems]
    assert places == [
        "trial.ini:10 [oss_config] accessKeyID",
        "trial.ini:11 [oss_config] accessKeySecret",
    ]


def test_an_endpoint_that_leads_nowhere_is_named(accounts):
    with pytest.raises(SettingsError, match=r"trial.ini:9 \[oss_config\] endpoint: .* HERE"):
        accounts().connect_oss({"AK": "LTAI-abc"})


def test_another_process_reads_the_accounts_whatever_else_is_wrong(ini):
    ini.path.write_text(GOOD.replace("cmd1", "nonsense").replace("demo", "env:P"), encoding="utf-8")

    connection = load_accounts(ini.path).connect_maxcompute
    with pytest.raises(SettingsError, match="variable P is not set"):
        connection(ENVIRON)


def test_a_settings_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.ini: the trial's settings cannot be read"):
        load_accounts(tmp_path / "gone.ini")
