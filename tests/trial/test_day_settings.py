"""`[day_config]` as settings, and the commands of days that start from another model."""

from __future__ import annotations

import pytest

from hpo_nni.errors import SettingsError
from hpo_nni.trial.day_settings import DaySettings, Gap, Missing
from hpo_nni.trial.settings import Substitutions, load_settings
from hpo_nni.trial.steps import Link

DAYS = """\
{% set days = date_range(20220630, 20220701) %}
[platform_config]
name=local
{% for day in days %}
cmd_{{ day }}=train --from "${day_start}" --to ${day_model}
{% endfor %}
[metric_config]
metric_type=json
{% for day in days %}
metric_source_{{ day }}=${NNI_OUTPUT_DIR}/{{ day }}/m.jsonl
{% endfor %}
metric_dict={'auc': 1}
[day_config]
start=../base
{% for day in days %}
data_{{ day }}=days/{{ day }}.csv, days/{{ day | add_days(1) }}.csv
model_{{ day }}=${NNI_OUTPUT_DIR}/{{ day }}
{% endfor %}
"""


@pytest.fixture
def load(tmp_path):
    """Load a trial.ini of this text."""

    def load(text):
        path = tmp_path / "trial.ini"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, Substitutions("e", "t", tmp_path / "out", {}))

    return load


def test_each_day_starts_from_the_model_of_the_one_before(load, tmp_path):
    first, second = load(DAYS).steps

    assert first.command == f'train --from "../base" --to {tmp_path}/out/20220630'
    assert second.command == f'train --from "{first.link.model}" --to {tmp_path}/out/20220701'
    assert second.link == Link(
        data=(f"{tmp_path}/days/20220701.csv", f"{tmp_path}/days/20220702.csv"),
        start=f"{tmp_path}/out/20220630",
        model=f"{tmp_path}/out/20220701",
    )


def test_a_day_can_start_from_another_model(load, tmp_path):
    _, second = load(DAYS).steps
    moved = second.started_from('a "b" $c')

    assert moved.command == rf'train --from "a \"b\" \$c" --to {tmp_path}/out/20220701'
    assert (moved.link.start, moved.link.model) == ('a "b" $c', second.link.model)
    assert second.started_from(second.link.start) is second


def test_a_model_that_cannot_stand_in_the_command_is_a_fault(load):
    text = DAYS.replace('train --from "${day_start}"', "bash -c 'train ${day_start}'")
    _, second = load(text).steps

    with pytest.raises(SettingsError, match="cannot be quoted safely"):
        second.started_from("a b")


def test_without_the_section_nothing_is_looked_for(load):
    text = DAYS.partition("[day_config]")[0].replace('--from "${day_start}" --to ${day_model}', "")

    assert load(text).days == DaySettings()
    assert not load(text).days.looks
    assert load(DAYS).days == DaySettings(looks=True)


def test_policies(load):
    settings = load(
        f"{DAYS}missing_policy=wait\nwait_seconds=60\npoll_seconds=5\nafter_wait=skip\n"
        "failed_policy=skip\nleast_share=0.8\n"
    )

    assert settings.days == DaySettings(
        looks=True,
        missing=Missing.WAIT,
        failed=Gap.SKIP,
        wait_seconds=60,
        poll_seconds=5,
        after_wait=Gap.SKIP,
        least_share=0.8,
    )
    assert list(settings.day_sources()) == ["cmd_20220630", "cmd_20220701"]


def test_days_of_which_it_is_not_known_what_they_measured_are_trained_each_time(load):
    found = load(
        f"{DAYS}\ncode=v1, v2\n".replace("metric_source_{{ day }}", "metric_source_x{{ day }}")
    )

    assert not found.days.reuse
    assert found.days.code == ("v1", "v2")
    (warning,) = found.warnings
    assert "metric_source_x20220630 belongs to no day, so every trial trains all of" in warning


PAI = """\
[platform_config]
name=MaxCompute
cmd1=PAI -name=a -project=b -Dtrain_tables=odps://p/tables/t/dt=1 -Deval_tables=odps://p/tables/u
  -Dresult_table=odps://p/tables/out -Dmodel_dir=oss://b/${trial_id}
[metric_config]
metric_type=summary
metric_source=oss://b/${trial_id}
metric_dict={'auc': 1}
[oss_config]
endpoint=x
accessKeyID=env:A
accessKeySecret=env:B
[odps_config]
project_name=p
odps_endpoint=x
"""


def test_the_tables_that_a_command_reads_are_its_data(load):
    (step,) = load(PAI).steps

    assert step.link.data == ("odps://p/tables/t/dt=1", "odps://p/tables/u")


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("start=../base", "", "start is missing: what does the first day start from?"),
        ("model_{{ day }}=${NNI", "x_{{ day }}=${NNI", "[day_config] has no key 'x_20220630'"),
        ("model_{{ day }}=${NNI_OUTPUT_DIR}", "model_{{ day }}=m", "would go to one place"),
        ('--from "${day_start}"', "", "it does not hold ${day_start}"),
        ("model_{{ day }}=", "#", "${day_model} is known where [day_config] says where"),
        ("data_{{ day }}=", "data_x=1\n  ", "there is not exactly one step whose key ends in _x"),
        ("days/{{ day }}.csv", "", "a place is missing"),
        ("days/{{ day }}.csv", "odps://p/t", "odps://p/t names no table"),
        ("days/{{ day }}.csv", "odps://p/tables/t", "[odps_config] is missing"),
        ("days/{{ day }}.csv", "oss://b/{{ day }}", "needs a section [oss_config]"),
        ("start=../base", "start=b\nmissing_policy=never", "'never' is not one of fail, skip"),
        ("start=../base", "start=b\nleast_share=1.5", "1.5 is no share"),
        ("start=../base", "start=b\nafter_wait=skip", "nobody waits"),
        (
            "start=../base",
            "start=b\nmissing_policy=wait\npoll_seconds=0",
            "between two looks there is some time",
        ),
    ],
)
def test_each_fault_says_what_and_where(load, before, after, problem):
    assert before in DAYS
    with pytest.raises(SettingsError) as caught:
        load(DAYS.replace(before, after))

    assert problem in str(caught.value)


def test_a_day_without_a_source_of_its_own_cannot_be_left_out(load):
    with pytest.raises(SettingsError, match="left out of the score"):
        load(
            PAI.replace("[metric", "cmd2=select 1\n[metric") + "[day_config]\nmissing_policy=skip\n"
        )


def test_days_that_are_no_chain_may_be_left_out_with_a_warning(load):
    text = DAYS.replace('--from "${day_start}" --to ${day_model}', "")
    text = text.replace("model_{{ day }}=", "#").replace("start=../base", "missing_policy=skip")

    said = "nothing says that cmd_20220701 goes on from the model of cmd_20220630"
    assert said in "".join(load(text).warnings)


NEWER = """\
[platform_config]
name=MaxCompute
{% set date_list = [DAYS] %}
{% set date_begin = FIRST %}
{% for bizdate in date_list %}
{% set eval_ymd = bizdate +1 %}
{% set predate = bizdate -1 %}
{% if bizdate == date_begin %}
cmd1_{{bizdate}}=PAI -name=easy_rec_ext
    -project=algo_public
    -Dtrain_tables='odps://p/tables/t/dt={{bizdate}}'
    -Deval_tables='odps://p/tables/t/dt={{eval_ymd}}'
    -Dfine_tune_checkpoint="oss://b/finetune/{{predate}}_model"
    -Dconfig='oss://b/easyrec_model_${exp_id}_${trial_id}.config'
    -Dmodel_dir='oss://b/finetune/{{bizdate}}_model/${exp_id}_${trial_id}'
    -Dcluster={"ps":{"count":1,"cpu":1600 },"worker":{"count":12,"cpu":1600}}

{% else %}
cmd1_{{bizdate}}=PAI -name=easy_rec_ext
    -project=algo_public
    -Dtrain_tables='odps://p/tables/t/dt={{bizdate}}'
    -Deval_tables='odps://p/tables/t/dt={{eval_ymd}}'
    -Dfine_tune_checkpoint="oss://b/finetune/{{predate}}_model/${exp_id}_${trial_id}"
    -Dconfig='oss://b/easyrec_model_${exp_id}_${trial_id}.config'
    -Dmodel_dir='oss://b/finetune/{{bizdate}}_model/${exp_id}_${trial_id}'
    -Dcluster={"ps":{"count":1,"cpu":1600 },"worker":{"count":12,"cpu":1600}}
{% endif %}

{% endfor %}
[metric_config]
metric_type=summary
{% set date_list = [DAYS] %}
{% for bizdate in date_list %}
metric_source_{{bizdate}}=oss://b/finetune/{{bizdate}}_model/${exp_id}_${trial_id}/eval_val/
{% endfor %}
final_mode=final
source_list_final_mode=avg
metric_dict={'auc_is_like':0.25, 'auc_is_valid_play':0.5}
"""


def newer(first, *others):
    text = NEWER.replace("DAYS", ",".join((first, *others))).replace("FIRST", first)
    return text + PAI.partition("metric_dict={'auc': 1}\n")[2]


def test_the_documented_form_is_a_chain_of_days(load):
    """The newer documents' `trial.ini`, whose first day has another checkpoint than the rest."""
    settings = load(newer("20220616", "20220617") + "[day_config]\nmissing_policy=skip\n")
    first, second = settings.steps

    assert first.link.start == "oss://b/finetune/20220615_model"
    assert second.link == Link(
        data=("odps://p/tables/t/dt=20220617", "odps://p/tables/t/dt=20220618"),
        start="oss://b/finetune/20220616_model/e_t",
        model="oss://b/finetune/20220617_model/e_t",
    )
    assert settings.day_sources() == {
        f"cmd1_{day}": f"metric_source_{day}" for day in (20220616, 20220617)
    }
    assert settings.warnings == ()
    moved = second.started_from(first.link.start).command
    assert moved == second.command.replace(second.link.start, first.link.start)


@pytest.mark.parametrize(
    ("days", "line", "sum_"),
    [
        (("20220629", "20220630"), 6, "20220630 + 1 = 20220631"),
        (("20220701", "20220702"), 7, "20220701 - 1 = 20220700"),
    ],
)
def test_days_of_the_documented_form_that_leave_the_calendar_are_named(load, days, line, sum_):
    with pytest.raises(SettingsError) as caught:
        load(newer(*days))

    assert f"trial.ini:{line}: {sum_} is not in the calendar" in str(caught.value)
    assert "bizdate | add_days(1)" in str(caught.value)
