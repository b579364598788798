from __future__ import annotations

import io

import numpy as np
import pytest

from hpo_nni.platforms.base import JobSpec, JobState
from hpo_nni.platforms.maxcompute import MaxComputePlatform
from hpo_nni.platforms.maxcompute_service import MaxComputeConnection
from hpo_nni.secrets import Credentials, Secret
from hpo_nni.testing.cloud.demands import Demands, TableName
from hpo_nni.testing.cloud.stage import open_stage
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.settings import Substitutions, load_settings

INI = """\
[platform_config]
name=MaxCompute
cmd1=select count(*) from demo.clicks join users on clicks.u = users.u
cmd2=PAI -name=easy_rec_ext -project=algo_public -Dconfig=${config}
  -Dtrain_tables=odps://other/tables/train/dt=${day},odps://other/tables/train/dt=20220601
  -Deval_tables=odps://other/tables/test
  -Dmodel_dir=oss://models.oss-cn-beijing.aliyuncs.com/${trial_id}
  -Dedit_config_json={"train_config.fine_tune_checkpoint":"oss://old/ckpt/model.ckpt-7"}
[params_config]
params_src_dst_filepath=oss://configs/base.config,oss://own/${trial_id}.config
[metric_config]
metric_type=summary
metric_source=oss://models/${trial_id}/eval_val/
metric_dict={'auc': 1}
[oss_config]
endpoint=http://oss-cn-beijing.aliyuncs.com
accessKeyID=xxx
accessKeySecret=xxx
[odps_config]
project_name=demo
odps_endpoint=http://service.odps.aliyun.com/api
"""


@pytest.fixture
def demands(tmp_path):
    path = tmp_path / "trial.ini"
    path.write_text(INI, encoding="utf-8")
    points = ({"${day}": day} for day in ("20220617", "20220618"))
    return Demands.of([load_settings(path, Substitutions(point=point)) for point in points])


def test_all_that_any_point_names_is_demanded(demands):
    assert demands.tables == {
        TableName("other", "train"): {"dt=20220617", "dt=20220618", "dt=20220601"},
        TableName("other", "test"): set(),
        TableName("demo", "clicks"): set(),
        TableName("", "users"): set(),
    }
    assert demands.buckets == {"models", "old", "configs", "own"}
    assert list(demands.configs) == ["oss://configs/base.config"], "trials write the other one"
    assert demands.checkpoints == {"oss://old/ckpt/model.ckpt-7"}


def test_what_is_demanded_is_there_and_nothing_else(demands, tmp_path):
    configs = {"oss://configs/base.config": "a: 1"}
    with open_stage(demands, "demo", configs, tmp_path / "oss") as stage:
        assert stage.oss.read("configs", "base.config") == b"a: 1"
        name = stage.oss.read("old", "ckpt/checkpoint").decode()
        assert np.load(io.BytesIO(stage.oss.read("old", f"ckpt/{name}"))).files == []
        catalogs = stage.jobs.catalogs
        assert sorted(catalogs["demo"].tables) == ["clicks", "users"]
        assert sorted(catalogs["other"].tables["train"].rows) == [
            f"dt={day}" for day in (20220601, 20220617, 20220618)
        ]


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("select count(*) from users", JobState.SUCCEEDED),
        ("insert overwrite table result select * from nowhere", JobState.SUCCEEDED),
        ("select * from nowhere", JobState.FAILED),
    ],
)
def test_statements_that_write_count_as_done(demands, tmp_path, statement, state):
    with open_stage(demands, "demo", {}, tmp_path / "oss") as stage:
        pair = Credentials(Secret(stage.key_id), Secret(stage.key_secret))
        connection = MaxComputeConnection("demo", stage.jobs.endpoint, pair)
        platform = MaxComputePlatform(tmp_path, connect=lambda: connection)
        job = platform.submit(platform.plan(JobSpec("a-b-1-cmd1", statement, tmp_path, tmp_path)))

        eventually(lambda: job.status().state.is_final)

        assert job.status().state is state
