from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpo_nni.drafts.pai import draft_pai
from hpo_nni.drafts.request import Request
from hpo_nni.errors import CommandSyntaxError, SettingsError

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "pipeline.config"
COMMAND = """PAI -name=easy_rec_ext -project=algo_public
-Dconfig=oss://bkt/base.config -Dcmd=train
-Dtrain_tables=odps://demo/tables/train -Deval_tables=odps://demo/tables/test
-Dcluster={"ps":{"count":1},
  "worker":{"count":3}}
-Dmodel_dir=oss://bkt/model/ -DossHost=oss-cn-beijing-internal.aliyuncs.com;"""


@pytest.fixture
def request_(tmp_path):
    config = tmp_path / "pipeline.config"
    return Request(COMMAND, config, SAMPLE.read_text(), tmp_path / "tuning", tmp_path)


def test_each_trial_has_its_own_config_and_its_own_model_directory(request_):
    ini = draft_pai(request_).ini

    own = "${exp_id}_${trial_id}"
    assert "-Dconfig=${config}\n" in ini
    assert f"-Dmodel_dir=oss://bkt/model/{own}\n" in ini
    assert f"=../pipeline.config,oss://bkt/model/configs/{own}.config\n" in ini
    assert f"metric_source=oss://bkt/model/{own}/eval_val/\n" in ini


def test_places_are_those_of_the_region_as_seen_from_outside_the_cloud(request_):
    ini = draft_pai(request_).ini

    assert "endpoint=http://oss-cn-beijing.aliyuncs.com\nregion=cn-beijing\n" in ini
    assert "odps_endpoint=http://service.cn-beijing.maxcompute.aliyun.com/api\n" in ini
    assert "project_name=demo\n" in ini


def test_credentials_are_references(request_):
    keys = [line for line in draft_pai(request_).ini.splitlines() if line.startswith("accessKey")]

    assert [key.partition("=env:ALIBABA_CLOUD_")[1] != "" for key in keys] == [True, True]


def test_json_over_several_lines_becomes_one(request_):
    assert '-Dcluster=\'{"ps":{"count":1},"worker":{"count":3}}\'' in draft_pai(request_).ini


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("tables/train", "tables/train/dt=${bizdate}"), "nothing is known of bizdate"),
        (("tables/train", "tables/train_{eval_ymd}"), "nothing is known of eval_ymd"),
        (("-Dmodel_dir=oss://bkt/model/", ""), "where do models go?"),
        (("oss://bkt/model/", "model"), "model is not on OSS"),
        (("-Dcmd=train", "-Dcmd=export"), "-Dcmd=export trains nothing"),
        (("odps://demo/", "odps://"), "no table tells the project"),
    ],
)
def test_what_the_command_lacks_is_said(request_, change, told):
    with pytest.raises(SettingsError) as caught:
        draft_pai(replace(request_, command=COMMAND.replace(*change)))

    assert told in str(caught.value)


def test_all_that_lacks_is_said_at_once(request_):
    with pytest.raises(SettingsError) as caught:
        draft_pai(replace(request_, command="PAI -name=a -project=b -Dcmd=predict"))

    assert len(caught.value.problems) == 3


def test_a_command_that_cannot_be_read_shows_the_place(request_):
    with pytest.raises(CommandSyntaxError, match=r"never closed"):
        draft_pai(replace(request_, command='PAI -name=a -project=b -Dc={"x"'))


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ("-Darn=xxx", "-Darn=xxx is a placeholder"),
        ("-Deval_method=none", "writes no metrics"),
        ("-Dedit_config_json={}", "what it sets is not tuned"),
        ("", "is it the same as oss://bkt/base.config?"),
        ("-Dx=y", "taken to be that of the tables: demo"),
    ],
)
def test_what_may_be_odd_is_noted(request_, more, note):
    draft = draft_pai(replace(request_, command=f"{COMMAND.rstrip(';')} {more}"))

    assert any(note in one for one in draft.notes)


def test_algorithms_other_than_easyrecs_are_noted(request_):
    draft = draft_pai(replace(request_, command=COMMAND.replace("easy_rec_ext", "ps_smart")))

    assert "does ps_smart read -Dconfig" in draft.notes[0]


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("oss-cn-beijing-internal.aliyuncs.com", "http://oss-cn-beijing.aliyuncs.com\nregion="),
        ("http://oss-cn-shanghai.aliyuncs.com/", "http://oss-cn-shanghai.aliyuncs.com\nregion="),
        ("https://oss.example.org/", "http://oss.example.org\naccessKeyID"),
        ("oss.example.org", "http://oss.example.org\naccessKeyID"),
        ("", "env:OSS_ENDPOINT\naccessKeyID"),
    ],
)
def test_the_endpoint_is_what_the_host_tells(request_, host, endpoint):
    old = "-DossHost=oss-cn-beijing-internal.aliyuncs.com"
    command = COMMAND.replace(old, f"-DossHost={host}" if host else "")

    assert f"endpoint={endpoint}" in draft_pai(replace(request_, command=command)).ini
