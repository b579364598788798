"""Real clients against servers: what is there is counted, what is not is told all at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpo_nni.dialects.commands import loader_of
from hpo_nni.inspection.needs import needs_of
from hpo_nni.inspection.remote import RemoteInspection
from hpo_nni.testing.cloud.faults import Action, RequestFault
from hpo_nni.testing.cloud.tables import Table
from hpo_nni.trial.settings import load_settings
from hpo_nni.trial.substitutions import Substitutions

INI = """\
[platform_config]
name=MaxCompute
cmd1=PAI -name=easy_rec_ext -project=algo_public
    -Dconfig=oss://bkt/base.config
    -Dtrain_tables=odps://demo/tables/train/dt=20220617,odps://demo/tables/deep/dt=1
    -Deval_tables=odps://demo/tables/test
    -Doutput_table=odps://demo/tables/made_by_the_job
    -Dbuckets=oss://bkt/
    -Dmodel_dir=oss://bkt/model/${exp_id}_${trial_id}
    -Dedit_config_json='${tuner_params_json}'
[metric_config]
metric_type=summary
metric_source=oss://bkt/model/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=env:AK
accessKeySecret=env:SK
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""
CONFIG = """\
train_config { num_steps: 100 optimizer_config { adam_optimizer { beta1: 0.9 } } }
feature_configs { input_names: "a" embedding_dim: 16 }
feature_configs { input_names: "b" embedding_dim: 16 }
"""
OWN_CONFIG = (
    (
        "[metric_config]",
        "[params_config]\nparams_src_dst_filepath=base.config,TARGET\n[metric_config]",
    ),
    ("TARGET", "oss://bkt/configs/${trial_id}.config"),
    ("-Dconfig=oss://bkt/base.config", "-Dconfig=${config}"),
)


@pytest.fixture
def inspect(tmp_path, oss, mc):
    oss.write("bkt", "base.config", CONFIG.encode())
    mc.add_click_table("train", 300, ["dt=20220616", "dt=20220617"])
    mc.add_click_table("deep", 40, ["dt=1/hh=1", "dt=1/hh=2", "dt=2/hh=1"])
    mc.add_click_table("test", 100)
    mc.add_table(Table("empty", (), ("dt",), {"dt=1": []}))
    (tmp_path / "base.config").write_text("a: 1\n")

    def inspect(*changes, environ=None, points=()):
        text = INI
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        ini = tmp_path / "trial.ini"
        ini.write_text(text)
        keys = {"AK": "inspected-id", "SK": "inspected-secret"} if environ is None else environ
        places = {"OSS_HERE": oss.endpoint, "ODPS_HERE": mc.endpoint}
        found = RemoteInspection(
            load_settings(ini, Substitutions(point={})),
            os.environ | places | keys,
            [load_settings(ini, Substitutions(point=point)) for point in points],
            pause=lambda _: None,
        )
        found.run()
        return found

    return inspect


def test_what_is_there_is_told_with_its_rows_and_nothing_is_left_behind(inspect, oss, mc):
    found = inspect()

    assert found.problems == []
    assert [" ".join(line.split()) for line in found.report] == [
        "project demo: there",
        "xflow algo_public.easy_rec_ext: there",
        "table odps://demo/tables/train/dt=20220617: 300 rows",
        "table odps://demo/tables/deep/dt=1: 80 rows in 2 partitions",
        "table odps://demo/tables/test: 100 rows",
        "object oss://bkt/base.config: can be read",
        "folder oss://bkt/: can be listed",
        "folder oss://bkt/model/example_trial/eval_val/: can be listed",
    ]
    assert not list(mc.instances), "nothing was submitted"


def test_where_trials_write_is_tried_and_cleaned_up(inspect, oss):
    found = inspect(*OWN_CONFIG)

    assert found.problems == []
    assert "target       oss://bkt/configs/: can be written to" in found.report
    assert [one.key for one in oss.objects("bkt")] == ["base.config"]


@pytest.mark.parametrize(
    ("change", "told", "hint"),
    [
        (("tables/test", "tables/tset"), "Table not found", "is the table's name right"),
        (("dt=20220617", "dt=20220618"), "20220618", "the last partition there is dt=20220617"),
        (("dt=20220617", "hh=1"), "hh=1", "the last partition"),
        (("tables/test", "tables/empty"), "has no rows", "did the job that writes it run?"),
        (("odps://demo/tables/test", "odps://demo2/tables/test"), "demo2", "project_name"),
        (("project_name=demo", "project_name=nope"), "nope", "project_name"),
        (("-name=easy_rec_ext", "-name=easy_rec"), "no algorithm easy_rec", "are -name and"),
        (("oss://bkt/base.config", "oss://bkt/bsae.config"), "there is no oss://bkt/bsae", "path"),
        (("oss://bkt/base.config", "oss://bukket/base.config"), "NoSuchBucket", "bucket's name"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(inspect, change, told, hint):
    (problem,) = inspect(change).problems

    assert told in problem.message
    assert hint in problem.hint
    assert problem.where.startswith("trial.ini:")


def test_a_late_partition_is_no_fault_where_a_policy_says_what_becomes_of_it(inspect):
    late = ("dt=20220617", "dt=20220618")
    policy = ("[metric_config]", "[day_config]\nmissing_policy=wait\n[metric_config]")
    found = inspect(late, policy)

    assert found.problems == []
    line = "odps://demo/tables/train/dt=20220618: not there yet; missing_policy says what becomes"
    assert any(line in one for one in found.report)


SQL = "cmd2=insert overwrite table empty select * from demo.{} where dt='20220617'\n"
STATEMENT = "metric_type=table\nmetric_source=select step, auc from {}"
SUMMARY = "metric_type=summary\nmetric_source=oss://bkt/model/${exp_id}_${trial_id}/eval_val/"


def test_tables_in_statements_are_looked_for(inspect):
    found = inspect(
        ("[metric_config]", f"{SQL.format('train')}[metric_config]"),
        (SUMMARY, STATEMENT.format("deep")),
    )

    assert found.problems == []
    assert "table        odps://demo/tables/empty: 0 rows" in found.report
    assert "table        odps://demo/tables/train: 600 rows in 2 partitions" in found.report
    assert "table        odps://demo/tables/deep: 120 rows in 3 partitions" in found.report


def test_a_table_that_a_statement_reads_and_nobody_makes_is_told(inspect):
    (problem,) = inspect(
        ("[metric_config]", f"{SQL.format('tarin')}[metric_config]"),
    ).problems

    assert "tarin" in problem.message
    assert problem.where == "trial.ini:11 cmd2"


def test_what_an_earlier_step_makes_need_not_be_there(inspect):
    steps = "cmd2=create table new as select * from test\ncmd3=select count(*) from new\n"

    assert inspect(("[metric_config]", f"{steps}[metric_config]")).problems == []


def test_a_table_of_metrics_may_come_later(inspect):
    found = inspect((SUMMARY, STATEMENT.format("results")))

    assert found.problems == []
    assert any(
        "tables/results: not there yet; a step of the trial has to make it" in line
        for line in found.report
    )


def test_all_faults_come_at_once(inspect):
    found = inspect(
        ("tables/test", "tables/tset"),
        ("dt=20220617", "dt=1"),
        ("oss://bkt/base.config", "oss://bkt/no.config"),
        ("metric_source=oss://bkt/", "metric_source=oss://other/"),
    )

    assert len(found.problems) == 4


@pytest.mark.parametrize("is_there", [True, False])
def test_the_checkpoint_to_begin_from_must_be_there(inspect, oss, is_there):
    if is_there:
        oss.write("bkt", "old/model.ckpt-8000.index", b"")
    edits = '{"train_config.fine_tune_checkpoint": "oss://bkt/old/model.ckpt-8000"}'

    problems = inspect(("'${tuner_params_json}'", f"'{edits}'")).problems

    assert len(problems) == (0 if is_there else 1)
    assert all("nothing that begins with oss://bkt/old" in one.message for one in problems)


def test_a_day_begins_from_what_the_day_before_makes(tmp_path):
    """The documented finetune experiment: the first checkpoint is needed, the second is made."""
    ini = Path(__file__).parents[2] / "finetune" / "config_finetune.ini"
    command = (
        f"python3 run_finetune.py --config={ini} --start_time=2022-06-17 --end_time=2022-06-18"
    )
    settings = loader_of(command, ini)(ini, Substitutions(point={}))

    needs = needs_of(settings, {})

    kinds = [need.kind for need in needs]
    assert (kinds.count("checkpoint"), kinds.count("table")) == (1, 4)


DIMS = "feature_configs[:].embedding_dim"


def test_what_a_key_selects_in_the_config_of_the_jobs_is_told(inspect):
    found = inspect(points=[{DIMS: 8, "train_config.num_steps": 5}, {DIMS: 4}])

    assert found.keys == found.problems == []
    assert found.report[-2:] == [
        f"selects      {DIMS}: 2 places",
        "selects      train_config.num_steps: 1 place",
    ]


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([{"feature_configs[7].embedding_dim": 8}], ["no entry 7"]),
        ([{"train_config.num_stpes": 5}, {"train_config.num_stpes": 6}], ["'num_stpes'"]),
        ([{DIMS: 8}, {DIMS: 8.5}], ["8.5 is not an integer"]),
        ([{"train_config.num_stpes": 5, "model.x": 8}], ["'num_stpes'", "'model'"]),
    ],
)
def test_a_key_that_easyrec_would_pass_over_is_told(inspect, points, told):
    found = inspect(points=points)

    assert found.problems == []
    assert len(found.keys) == len(told)
    for problem, fragment, key in zip(found.keys, told, points[-1], strict=True):
        assert fragment in problem.message
        assert problem.where == f"oss://bkt/base.config: {key}"
    assert not any("selects" in line for line in found.report)


def test_a_config_that_cannot_be_parsed_is_told(inspect, oss):
    oss.write("bkt", "base.config", b"train_config {")

    (problem,) = inspect(points=[{DIMS: 8}]).keys

    assert problem.where == "oss://bkt/base.config"


def test_edits_of_a_config_that_only_the_jobs_may_read_are_not_tried(inspect, oss):
    oss.faults.add(refuse("AccessDenied", path="base.config"))

    found = inspect(points=[{"train_config.num_stpes": 5}])

    assert found.problems == found.keys == []


def refuse(code, **where):
    return RequestFault(Action.REFUSE, status=403, code=code, times=0, **where)


def test_a_table_that_may_not_be_read_is_told(inspect, mc):
    mc.faults.add(refuse("NoPermission", path="/tables/test$"))

    (problem,) = inspect().problems

    assert "ask the project's owner" in problem.hint


def test_a_folder_that_trials_may_not_write_to_is_told(inspect, oss):
    oss.faults.add(refuse("AccessDenied", path="/configs/", method="PUT"))

    (problem,) = inspect(*OWN_CONFIG).problems

    assert "RAM rights" in problem.hint


def test_no_key_is_shown_even_where_the_service_repeats_it(inspect, mc):
    mc.faults.add(refuse("NoPermission", path="/tables/test$", message="inspected-id may not"))

    (problem,) = inspect().problems

    assert "[secret] may not" in problem.message


def test_an_algorithm_that_may_not_be_seen_may_be_run_all_the_same(inspect, mc):
    mc.faults.add(refuse("NoPermission", path="/xflows/"))

    assert inspect().problems == []


def test_what_only_the_jobs_read_need_not_be_ours_to_read(inspect, oss):
    oss.faults.add(refuse("AccessDenied", path="base.config"))

    found = inspect()

    assert found.problems == []
    assert any("the job's role" in line for line in found.report)


def test_a_service_that_hiccups_is_asked_again(inspect, oss, mc):
    for server in (oss, mc):
        server.faults.add(RequestFault(Action.REFUSE, status=503, times=2))

    assert inspect().problems == []


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"AK": "inspected-id", "SK": "wrong"}, "SignatureDoesNotMatch"),
        ({"AK": "inspected-id"}, "SK is not set"),
    ],
)
def test_keys_that_do_not_work_are_told(inspect, environ, told):
    assert any(told in str(problem) for problem in inspect(environ=environ).problems)


def test_services_that_do_not_answer_are_told_once_each(inspect):
    gone = {"OSS_HERE": "http://127.0.0.1:1", "ODPS_HERE": "http://127.0.0.1:1/api"}

    found = inspect(environ={"AK": "inspected-id", "SK": "inspected-secret", **gone})

    assert len(found.problems) == 2
    assert all("refused" in problem.message for problem in found.problems)
