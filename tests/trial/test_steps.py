from __future__ import annotations

import pytest

from hpo_nni.platforms.pai_command import parse_pai_command
from hpo_nni.trial.settings import Substitutions

INI = """[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dversion="0.4.2"
  -Dcluster={"ps":{"count":1,"cpu":1000 },"worker":{"count":3}}
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'
  -Dlr=${lr}"
cmd2=select count(*) from t where dt = '${lr}'
[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
[oss_config]
endpoint=e
accessKeyID=env:A
accessKeySecret=env:B
[odps_config]
project_name=p
odps_endpoint=o
"""


def with_point(point):
    return Substitutions("ExpA", "Tr1", point=point)


def test_a_command_over_several_lines_is_read_before_it_is_filled(ini):
    settings = ini.load(INI, with_point({"lr": 0.5, "a.b;a.c": "1;2", "d": 1e-05}))

    pai, sql = settings.steps
    assert parse_pai_command(pai.command).parameters == {
        "version": "0.4.2",
        "cluster": '{"ps":{"count":1,"cpu":1000 },"worker":{"count":3}}',
        "model_dir": "oss://bkt/models/expa_tr1",
        "edit_config_json": '{"lr": 0.5, "a.b": "1", "a.c": "2", "d": 1.0e-05}',
        "lr": "0.5",
    }
    assert sql.command == "select count(*) from t where dt = '0.5'"
    assert settings.passes_point
    assert settings.metrics.poll_interval == 10
    assert settings.metrics.sources[0][1] == "oss://bkt/models/expa_tr1/eval_val/"


def test_a_point_without_edits_leaves_no_empty_parameter(ini):
    settings = ini.load(INI.replace("-Dlr=${lr}", "").replace("${lr}", "x"), with_point({}))

    assert "edit_config_json" not in settings.steps[0].command


def test_a_value_never_becomes_an_option(ini):
    text = INI.replace("cmd2=select count(*) from t where dt = '${lr}'\n", "")
    value = "1 -Dmodel_dir=oss://other/ \"'"

    settings = ini.load(text, with_point({"lr": value}))

    assert parse_pai_command(settings.steps[0].command).parameters["lr"] == value


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("-Dversion", "Dversion", "cmd1: line 2: expected -name=..., -project=... or -Dkey"),
        (" -project=algo_public", "", "-project is missing"),
        ("/${exp_id}_${trial_id}\n", "/\n", "all trials would write to the same -Dmodel_dir=oss"),
        ("-Dlr=${lr}", "-Dlr=${ls}", "nothing is known of ${ls}"),
    ],
)
def test_each_fault_says_what_and_where(ini, old, new, problem):
    assert problem in "\n".join(ini.problems(INI.replace(old, new, 1), with_point({"lr": 1})))


def test_a_value_that_would_leave_its_place_in_sql_is_a_fault(ini):
    problems = ini.problems(INI, with_point({"lr": "x'; drop table t"}))

    assert '[platform_config] cmd2: ${lr} is "x\'; drop table t", which does not' in problems[0]


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        ("base.config", "jobs on MaxCompute cannot read"),
        ("oss://bkt/a.config,oss://bkt/a.config", "would overwrite its source"),
        ("oss://bkt/a.config,oss://bkt/b.config", "all trials would write their configs"),
    ],
)
def test_a_config_must_go_where_the_job_can_read_it(ini, paths, problem):
    text = f"{INI}[params_config]\nparams_src_dst_filepath={paths}\n"

    assert problem in "\n".join(ini.problems(text, with_point({"lr": 1})))


def test_a_config_on_oss_goes_to_a_place_of_the_trials_own(ini):
    text = INI.replace("'${tuner_params_json}'", "''\n  -Dconfig=${config}") + (
        "[params_config]\nparams_src_dst_filepath=oss://bkt/a.config,oss://bkt/${trial_id}/\n"
    )
    settings = ini.load(text, with_point({"lr": 1}))

    (file,) = settings.files
    assert (file.source, file.target) == ("oss://bkt/a.config", "oss://bkt/tr1/a.config")
    assert parse_pai_command(settings.steps[0].command).parameters["config"] == file.target
