from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from hpo_nni.daily.results import evidence, words, write_results
from hpo_nni.dialects.easyrec_finetune import load_finetune
from hpo_nni.ledger.records import DailyRunRecord
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.trial.settings import Substitutions, load_settings

ROOT = Path(__file__).parents[2]
INI = """\
[platform_config]
name=local
cmd1=train "${config}"
[params_config]
params_src_dst_filepath=%s
[metric_config]
metric_type=json
metric_source=m.jsonl
metric_dict={'auc': 1}
"""
RATE = "train_config.optimizer_config.adam_optimizer.learning_rate"
KEY = f"{RATE}.exponential_decay_learning_rate.initial_learning_rate"


def run(state, **facts):
    return DailyRunRecord("shop", "20261011", state, 1.0, **facts)


@pytest.fixture
def settings(tmp_path):
    def make(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "trial.ini").write_text(INI % name, encoding="utf-8")
        return load_settings(tmp_path / "trial.ini", Substitutions())

    return make


def test_an_easyrec_config_is_written_whole_as_a_patch_and_for_the_next_day(settings, tmp_path):
    base = (ROOT / "samples/pipeline.config").read_text("utf-8")
    shipped = run("shipped", challenger={KEY: 0.01})

    files = write_results(tmp_path / "day", shipped, settings("pipeline.config", base))

    config = (tmp_path / "day" / "pipeline.config").read_text("utf-8")
    assert config == base.replace("initial_learning_rate: 0.001 ", "initial_learning_rate: 0.01 ")
    patch = (tmp_path / "day" / "pipeline.config.patch").read_text("utf-8")
    changed = [line for line in patch.splitlines()[2:] if line[0] in "+-"]
    assert [line.split()[2] for line in changed] == ["0.001", "0.01"]
    later = (tmp_path / "day" / "finetune" / "pipeline.config").read_text("utf-8")
    assert later != config  # it begins where the schedule had come to
    assert files["notes"] == []
    assert json.loads((tmp_path / "day" / "point.json").read_text("utf-8")) == {KEY: 0.01}


def test_where_the_champion_is_kept_it_is_its_config_that_is_written(settings, tmp_path):
    kept = run("kept", challenger={"lr": 0.2})

    files = write_results(tmp_path / "day", kept, settings("base.yaml", "lr: 0.1  # as ever\n"))

    assert (tmp_path / "day" / "base.yaml").read_text("utf-8") == "lr: 0.1  # as ever\n"
    assert (tmp_path / "day" / "base.yaml.patch").read_text("utf-8") == ""
    assert (tmp_path / "day" / "finetune" / "base.yaml").read_text(
        "utf-8"
    ) == "lr: 0.1  # as ever\n"
    assert files["notes"] == [
        "finetune/base.yaml is the config as it is: only EasyRec's schedules are known"
    ]


def test_the_evidence_has_the_days_that_both_have():
    found = evidence(
        run("kept", champion_scores={"1": 0.7, "2": 0.8}, challenger_scores={"2": 0.9, "3": 0.1})
    )

    assert found["days"] == [{"day": "2", "champion": 0.8, "challenger": 0.9}]


def test_a_day_is_told_in_words(tmp_path):
    verdict = {"difference": 0.1, "lower": 0.05, "upper": 0.15, "p_value": 0.03, "comparisons": 1.0}
    scores = {"champion_scores": {"20261011": 0.7}, "challenger_scores": {"20261011": 0.8}}
    told = words(
        run("shipped", challenger={"lr": 1}, verdict={**verdict, "level": 0.05}, **scores), tmp_path
    )

    assert told[0] == "project shop, 20261011: shipped"
    assert "  20261011         0.7          0.8" in told
    assert any("better by 0.1 on average, 0.05 to 0.15; p 0.03" in line for line in told)


def test_a_config_that_only_the_jobs_read_is_fetched_edited_and_written(tmp_path, monkeypatch):
    """The documented finetune experiment, whose config lies on OSS and is edited over there."""
    base = (ROOT / "samples/pipeline.config").read_text("utf-8")
    monkeypatch.setenv("AK", "LTAI5tDailyKey")
    monkeypatch.setenv("SK", "daily/Secret")
    days = argparse.Namespace(start_time="2022-06-17", end_time="2022-06-18", unit="day")
    with OssServer(
        tmp_path / "oss", {"LTAI5tDailyKey": "daily/Secret"}, buckets=["easyrec"]
    ) as oss:
        oss.write("easyrec", "xxx/pipeline_finetune.config", base.encode())
        text = (ROOT / "finetune/config_finetune.ini").read_text("utf-8")
        text = text.replace("http://oss-cn-beijing.aliyuncs.com", oss.endpoint)
        text = text.replace("accessKeyID=xxx", "accessKeyID=env:AK")
        text = text.replace("accessKeySecret=xxx", "accessKeySecret=env:SK")
        (tmp_path / "config_finetune.ini").write_text(text, encoding="utf-8")
        settings = load_finetune(tmp_path / "config_finetune.ini", Substitutions(), arguments=days)

        files = write_results(tmp_path / "day", run("shipped", challenger={KEY: 0.01}), settings)

    (config,) = files["config"]
    assert Path(config).name == "pipeline_finetune.config"
    changed = base.replace("initial_learning_rate: 0.001 ", "initial_learning_rate: 0.01 ")
    assert Path(config).read_text("utf-8") == changed
    assert (tmp_path / "day" / "finetune" / "pipeline_finetune.config").is_file()
