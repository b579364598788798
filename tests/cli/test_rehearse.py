"""What a rehearsal finds before it starts NNI: a table of mistakes, each seeded in right files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hpo_nni.cli.main import main
from hpo_nni.nni_api.launch import known_experiments
from hpo_nni.trial.rehearsal import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent.parent
BEGIN = ROOT / "examples" / "maxcompute_easyrec" / "begin"
TRIAL = """\
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://lcl-bj/eval_test/easyrec_model.config
  -Dtrain_tables=odps://pai_rec_dev/tables/clicks/dt={{ 20220629 }}
  -Deval_tables=odps://pai_rec_dev/tables/clicks/dt={{ 20220629 | add_days(1) }}
  -Dmodel_dir=oss://lcl-bj/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'"

[metric_config]
metric_type=summary
metric_source=oss://lcl-bj/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}

[oss_config]
endpoint=http://oss-cn-beijing.aliyuncs.com
accessKeyID=xxx
accessKeySecret=xxx

[odps_config]
project_name=pai_rec_dev
odps_endpoint=http://service.odps.aliyun.com/api
"""
OLD = {
    "clicks": "odps://pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_train_10000",
    "cluster": '-Dcluster={"ps":{"count":1,"cpu":1000 },',
}


@dataclass(frozen=True)
class Mistake:
    """One slip, and what must be said of it: fact, place, next step.

    Attributes:
        told: fragments of the message, in their order.
        begin: replacements in config_begin.ini.
        trial: replacements in trial.ini, which then is what the experiment runs.
        space: the search space.
        pipeline: the text of the user's copy of the config.
    """

    told: list[str]
    begin: Sequence[tuple[str, str]] = ()
    trial: Sequence[tuple[str, str]] = ()
    space: dict[str, Any] = field(default_factory=dict)
    pipeline: str = ""


RATE = "train_config.optimizer_config[0].adam_optimizer.learning_rate"
MISTAKES = {
    "a misspelt option": Mistake(
        ["config_begin.ini:16 -Dtrain_table:", "knows no -Dtrain_table", "mean -Dtrain_tables?"],
        begin=[("-Dtrain_tables=", "-Dtrain_table=")],
    ),
    "no table to train on": Mistake(
        ["-Dtrain_tables is missing", "as in -Dtrain_tables=odps://"],
        begin=[(f"-Dtrain_tables={OLD['clicks']}\n", "")],
    ),
    "a path that names no table": Mistake(
        ["config_begin.ini:16 -Dtrain_tables:", "names no table", "/tables/name"],
        begin=[("pai_rec_dev/tables/dwd_avazu_ctr_deepmodel_train", "pai_rec_dev/table/train")],
    ),
    "a partition without its key": Mistake(
        ["-Dtrain_tables", "'20220617' is no partition", ".../dt=20220617"],
        begin=[(OLD["clicks"], f"{OLD['clicks']}/20220617")],
    ),
    "a day that the calendar does not have": Mistake(
        ["-Dtrain_tables", "20220631 in odps://", "not in the calendar", "add_days(1)"],
        begin=[(OLD["clicks"], f"{OLD['clicks']}/dt=20220631")],
    ),
    "days by arithmetic": Mistake(
        ["trial.ini:5", "20220631", "hint", "add_days"],
        trial=[("{{ 20220629 }}", "{{ 20220630 + 1 }}")],
    ),
    "a table that only some points name": Mistake(
        ["trial.ini:5 -Dtrain_tables", "odps://pai_rec_dev/tabels/b names no table"],
        trial=[("odps://pai_rec_dev/tables/clicks/dt={{ 20220629 }}", "${clicks}")],
        space={
            "${clicks}": {
                "_type": "choice",
                "_value": ["odps://pai_rec_dev/tables/a", "odps://pai_rec_dev/tabels/b"],
            }
        },
    ),
    "resources that are not JSON": Mistake(
        ["config_begin.ini:18 -Dcluster", "is not JSON", 'as in {"ps"'],
        begin=[(OLD["cluster"], f"{OLD['cluster'][:-3]},}},")],
    ),
    "an algorithm that nobody has": Mistake(
        ["config_begin.ini:11 -name", "no algo_pubic.easy_rec_ext", "'algo_public.easy_rec_ext'"],
        begin=[("-project=algo_public", "-project=algo_pubic")],
    ),
    "a bucket that the job may not enter": Mistake(
        ["-Dmodel_dir", "the bucket lcl-bj, which -Dbuckets does not name", "add oss://lcl-bj/"],
        begin=[("-Dbuckets=oss://lcl-bj/", "-Dbuckets=oss://lcl-sh/")],
    ),
    "metrics looked for where no job writes": Mistake(
        ["trial.ini:12 metric_source", "not below -Dmodel_dir", "/eval_val/"],
        trial=[
            (
                "metric_source=oss://lcl-bj/models/${exp_id}_${trial_id}",
                "metric_source=oss://lcl-bj/modles/${trial_id}",
            )
        ],
    ),
    "a quote that is never closed": Mistake(
        ["trial.ini:3 [platform_config] cmd1", "never closed", "^"],
        trial=[("'${tuner_params_json}'", "'${tuner_params_json}")],
    ),
    "a value without quotes": Mistake(
        ["trial.ini:3 [platform_config] cmd1", "expected -name=", "^", "in quotes"],
        trial=[("-Dmodel_dir=oss", "-Dselected_cols=a, b\n  -Dmodel_dir=oss")],
    ),
    "all trials in one directory": Mistake(
        ["cmd1", "write to the same -Dmodel_dir", "${exp_id}_${trial_id}"],
        trial=[("-Dmodel_dir=oss://lcl-bj/models/${exp_id}_${trial_id}", "-Dmodel_dir=oss://b/m")],
    ),
    "a key that selects nothing in the config": Mistake(
        ["search_space.json:1:", "feature_configs[99].embedding_dim", "no entry 99"],
        space={"feature_configs[99].embedding_dim": {"_type": "choice", "_value": [4, 8]}},
    ),
    "a misspelt key": Mistake(
        ["search_space.json:1:", "adm_optimizer", "did you mean 'adam_optimizer'"],
        space={
            f"{RATE.replace('adam', 'adm')}.x": {"_type": "choice", "_value": [0.1]},
        },
    ),
    "a value that does not fit": Mistake(
        ["search_space.json:1:", "embedding_dim", "16.5 is not an integer"],
        space={"feature_configs[0].embedding_dim": {"_type": "choice", "_value": [16.5]}},
    ),
    "a config that is broken": Mistake(
        ["begin/easyrec_model.config: line 3", "value of 'num_steps'"],
        pipeline="train_config {\n num_steps: \n",
    ),
    "metrics in tables that jobs write": Mistake(
        ["trial.ini [metric_config] metric_type", "not there", "metric_type=summary"],
        trial=[
            ("metric_type=summary", "metric_type=table"),
            (
                "metric_source=oss://lcl-bj/models/${exp_id}_${trial_id}/eval_val/",
                "metric_source=select step, auc from m where trial='${trial_id}'",
            ),
        ],
    ),
    "jobs that run on this machine": Mistake(
        ["trial.ini [platform_config] name", "this machine anyway", "hpo-nni run"],
        trial=[
            (TRIAL[: TRIAL.index("[metric")], "[platform_config]\nname=local\ncmd1=true\n"),
            ("metric_source=oss://lcl-bj/models/", "metric_source=${NNI_OUTPUT_DIR}/"),
        ],
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The example, at the depth that its codeDirectory needs, with a copy of its config."""
    path = tmp_path / "examples" / "case" / "begin"
    path.mkdir(parents=True)
    (tmp_path / "core").symlink_to(ROOT / "core")
    for file in BEGIN.iterdir():
        if file.is_file():
            (path / file.name).write_bytes(file.read_bytes())
    config = (ROOT / "samples" / "pipeline.config").read_bytes()
    (path / "easyrec_model.config").write_bytes(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def replace(file, changes, text=None):
    text = file.read_text(encoding="utf-8") if text is None else text
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_before_anything_runs(folder, capsys, name):
    mistake = MISTAKES[name]
    if mistake.begin:
        replace(folder / "config_begin.ini", mistake.begin)
    if mistake.trial:
        replace(folder / "trial.ini", mistake.trial, TRIAL)
        command = ("python3 ./run_begin.py --config=./config_begin.ini --exp_dir=../exp",)
        new = "python3 -m hpo_nni.trial --config=./trial.ini"
        replace(folder / "config.yml", [(command[0], new)])
    if mistake.space:
        (folder / "search_space.json").write_text(json.dumps(mistake.space), encoding="utf-8")
    if mistake.pipeline:
        (folder / "easyrec_model.config").write_text(mistake.pipeline, encoding="utf-8")

    code = main(["rehearse", str(folder / "config.yml")])

    printed = capsys.readouterr()
    assert code == 2, printed
    rest = printed.err[printed.err.index("error:") :]
    for fragment in mistake.told:
        assert fragment in rest, f"{fragment!r} is not in, or not in this order:\n{printed.err}"
        rest = rest.partition(fragment)[2]
    assert "starting NNI" not in printed.out
    assert not known_experiments()
    assert not {VARIABLE, "NO_PROXY", "no_proxy"} & os.environ.keys() - {*_proxies_before}


_proxies_before = set(os.environ)


def test_several_mistakes_are_told_together(folder, capsys):
    changes = [
        ("-Dtrain_tables=", "-Dtrain_table="),
        ("-Dbuckets=oss://lcl-bj/", "-Dbuckets=oss://lcl-sh/"),
        (OLD["cluster"], f"{OLD['cluster'][:-3]},}},"),
    ]
    replace(folder / "config_begin.ini", changes)
    space = {
        "feature_configs[99].embedding_dim": {"_type": "choice", "_value": [4, 8]},
        "train_config.num_stpes": {"_type": "choice", "_value": [100]},
    }
    (folder / "search_space.json").write_text(json.dumps(space), encoding="utf-8")

    assert main(["rehearse", str(folder / "config.yml")]) == 2

    said = capsys.readouterr().err
    assert "7 faults" in said, said
    for word in ("-Dtrain_table?", "-Dtrain_tables is missing", "JSON", "lcl-bj", "[99]", "stpes"):
        assert word.rstrip("?") in said


def test_a_folder_that_is_not_empty_is_not_written_to(folder, capsys):
    assert main(["rehearse", str(folder / "config.yml"), "--keep", str(folder)]) == 2

    assert "is not an empty folder" in capsys.readouterr().err
