from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpo_nni.dialects.easyrec import load_begin
from hpo_nni.errors import SettingsError
from hpo_nni.metrics import FinalMode
from hpo_nni.platforms.base import JobSpec
from hpo_nni.platforms.pai_command import parse_pai_command
from hpo_nni.trial.platforms import open_platform
from hpo_nni.trial.settings import Substitutions, load_settings

EXAMPLE = Path(__file__).parents[2] / "examples/maxcompute_easyrec/begin/config_begin.ini"
OLD = EXAMPLE.read_text(encoding="utf-8")
POINT = {
    "feature_configs[:].embedding_dim": 8,
    "a.learning_rate;b.learning_rate": "0.1;0.2",
    "model_config.embedding_regularization": 1e-05,
}
TRIAL = Substitutions("exp1", "tr1", point=POINT)
NEW = """
[oss_config]
endpoint=http://oss-cn-beijing.aliyuncs.com
accessKeyID=xxx
accessKeySecret=xxx
[odps_config]
project_name=pai_rec_dev
odps_endpoint=http://service.odps.aliyun.com/api
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dversion="0.4.2"
  -Dconfig=oss://lcl-bj/eval_test/easyrec_model.config
  -Dcmd=train
  -Dtrain_tables=odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_train_10000
  -Deval_tables=odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_test_1000
  -Dcluster={"ps":{"count":1,"cpu":1000 },"worker":{"count":3,"cpu":1000,"gpu":100,"memory":40000}}
  -Darn=xxx
  -Dbuckets=oss://lcl-bj/
  -Dmodel_dir=oss://lcl-bj/eval_dist_test/${exp_id}_${trial_id}
  -DossHost=oss-cn-beijing-internal.aliyuncs.com
  -Deval_method=separate
  -Dedit_config_json='${tuner_params_json}'"
[metric_config]
metric_type=summary
metric_source=oss://lcl-bj/eval_dist_test/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
final_mode=final
source_list_final_mode=avg
"""


@pytest.fixture
def old(tmp_path):
    """Load a `config_begin.ini` of this text."""

    def load(text=OLD, trial=TRIAL, exp_dir=""):
        path = tmp_path / "config_begin.ini"
        path.write_text(text, encoding="utf-8")
        return load_begin(path, trial, exp_dir)

    return load


def plan_of(settings, folder):
    """What would be submitted."""
    (step,) = settings.steps
    spec = JobSpec("exp1-tr1-1-cmd1", step.command, folder, folder)
    return open_platform(settings, folder).plan(spec)


def test_both_kinds_of_file_plan_the_same_job(old, tmp_path):
    (tmp_path / "trial.ini").write_text(NEW, encoding="utf-8")

    older, newer = old(), load_settings(tmp_path / "trial.ini", TRIAL)

    assert plan_of(older, tmp_path) == plan_of(newer, tmp_path)
    for name in ("kind", "sources", "weights", "final_mode", "source_list_final_mode"):
        assert getattr(older.metrics, name) == getattr(newer.metrics, name)
    assert older.platform == newer.platform == "maxcompute"
    assert older.accounts.odps.values == newer.accounts.odps.values
    assert older.passes_point
    assert newer.passes_point


def test_a_trial_has_a_model_directory_and_edits_of_its_own(old):
    settings = old(trial=Substitutions("ExpA", "Tr1", point=POINT))

    parameters = parse_pai_command(settings.steps[0].command).parameters
    assert parameters["model_dir"] == "oss://lcl-bj/eval_dist_test/ExpA_Tr1"
    assert parameters["version"] == "0.4.2"
    assert json.loads(parameters["edit_config_json"])["b.learning_rate"] == "0.2"
    assert settings.metrics.sources[0][1] == "oss://lcl-bj/eval_dist_test/ExpA_Tr1/eval_val/"
    assert settings.metrics.final_mode is FinalMode.FINAL


def test_edits_of_the_file_stay_and_the_point_wins(old):
    own = '-Dedit_config_json={"train_config.num_steps": 5, "feature_configs[:].embedding_dim": 4}'
    parameters = parse_pai_command(old(OLD.replace("-Dcmd=train", own)).steps[0].command).parameters

    edits = json.loads(parameters["edit_config_json"])
    assert (edits["train_config.num_steps"], edits["feature_configs[:].embedding_dim"]) == (5, 8)


def test_copies_go_to_a_folder_of_the_trial(old, tmp_path):
    assert old(exp_dir=str(tmp_path / "exp")).mirror == str(tmp_path / "exp" / "exp1_tr1")
    assert old().mirror == ""


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "-Dconfig=",
            "Dconfig=",
            "config_begin.ini:14 [easyrec_cmd_config] Dconfig: 'Dconfig' is no",
        ),
        ("-Dmodel_dir=oss://lcl-bj/eval_dist_test/\n", "", "-Dmodel_dir is missing"),
        ("-Dmodel_dir=oss:/", "-Dmodel_dir=hdfs:/", "metrics are followed on OSS only"),
        ("-name=easy_rec_ext\n", "", "[easyrec_cmd_config]: -name is missing"),
        ("_train_10000", "_{bizdate}", "-Dtrain_tables: {bizdate} stands for a day"),
        ("-Dcmd=train", "-Dedit_config_json=[1]", "is not a JSON object"),
        ("auc=1", "auc=one", "config_begin.ini:26 [metric_config] auc: 'one' is not a weight"),
        ("auc=1", "auc=0", "no metric has a weight"),
        ("[metric_config]", "[metrics]", "the section [metric_config] is missing"),
        ("[metric_config]", "[metrics]", "there is no section [metrics]"),
        ("accessKeyID", "accesKeyID", "did you mean 'accessKeyID'"),
    ],
)
def test_each_fault_says_what_and_where(old, before, after, problem):
    with pytest.raises(SettingsError) as caught:
        old(OLD.replace(before, after, 1))

    assert problem in str(caught.value)


def test_five_faults_come_at_once_in_the_order_of_the_file(old):
    text = OLD
    for before, after in (
        ("endpoint=http", "endpont=http"),
        ("project_name", "project_nam"),
        ("-Dconfig", "Dconfig"),
        ("-Dcmd=train", "-Dedit_config_json=[1]"),
        ("auc=1", "auc=x"),
    ):
        text = text.replace(before, after, 1)
    with pytest.raises(SettingsError) as caught:
        old(text)

    places = [problem.where.split(" ")[0] for problem in caught.value.problems]
    assert [place for place in places if place.count(":")] == [
        f"config_begin.ini:{line}" for line in (1, 2, 6, 7, 14, 15, 26)
    ]


def test_prices_go_with_the_cluster_of_the_command(old):
    settings = old(OLD + "\n[cost_config]\ncpu_hour=0.5\nmemory_hour=0.1\nbudget=9\n")
    resources, rate = settings.costs.charge(settings.steps[0].command)

    assert resources["cpu"] > 0
    assert rate == pytest.approx(resources["cpu"] * 0.5 + resources.get("memory", 0) * 0.1)
    assert settings.costs.budget == 9


def test_failures_are_treated_as_the_section_says_that_is_new_here_too(old):
    section = "\n[failure_config]\nresume=1\nretries=5\nuser_1=log: no such bucket\n"

    settings = old(OLD + section)

    assert (settings.resume, settings.failures.retries) == (True, 5)
    assert [rule.pattern for rule in settings.failures.rules] == ["no such bucket"]
    assert not old().resume
    with pytest.raises(SettingsError, match="'many' is not a whole number"):
        old(f"{OLD}\n[failure_config]\nretries=many\n")
