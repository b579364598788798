"""What a trial's process has imported when it ends: SDKs take seconds, and wait for a need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer

KEY_ID, KEY_SECRET = "LTAI5tImports", "imports-secret"
SDKS = {"odps", "oss2", "requests", "nni", "optuna", "numpy", "tensorboard"}
# written on the way out, by the process itself
WITNESS = """
import atexit, json, os, sys
atexit.register(lambda: open(os.environ["WITNESS"], "w").write(json.dumps(sorted(sys.modules))))
"""
LOCAL = """\
[platform_config]
name=local
cmd1=echo '{"step": 1, "auc": 0.5}' > ${NNI_OUTPUT_DIR}/m.jsonl
[metric_config]
metric_type=json
metric_source=${NNI_OUTPUT_DIR}/m.jsonl
metric_dict={'auc': 1}
"""
OSS = """
[oss_config]
endpoint=env:OSS_HERE
accessKeyID=env:AK
accessKeySecret=env:SK
"""
ODPS = """
[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
access_id=env:AK
access_key=env:SK
"""
ON_OSS = LOCAL + "[params_config]\nparams_src_dst_filepath=oss://bkt/base.yaml\n" + OSS
STATEMENT = """\
[platform_config]
name=MaxCompute
cmd1=select * from t
[metric_config]
metric_type=table
metric_source=select 1 as step, 0.5 as auc, '${trial_id}' as trial
metric_dict={'auc': 1}
poll_interval=0.2
"""


@pytest.fixture
def modules(tmp_path):
    """Run a trial to its end, and tell what its process had imported by then."""
    pair = {KEY_ID: KEY_SECRET}
    witness = tmp_path / "site"
    witness.mkdir()
    (witness / "sitecustomize.py").write_text(WITNESS, encoding="utf-8")
    with (
        OssServer(tmp_path / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo") as jobs,
    ):
        jobs.add_click_table("t", 3)
        oss.write("bkt", "base.yaml", b"a: 1\n")

        def run(ini):
            (tmp_path / "trial.ini").write_text(ini, encoding="utf-8")
            result = tmp_path / "modules.json"
            environ = {
                **{name: text for name, text in os.environ.items() if not name.startswith("NNI_")},
                "OSS_HERE": oss.endpoint,
                "ODPS_HERE": jobs.endpoint,
                "AK": KEY_ID,
                "SK": KEY_SECRET,
                "WITNESS": str(result),
                "PYTHONPATH": os.pathsep.join([str(witness), *filter(None, sys.path)]),
            }
            done = subprocess.run(
                [sys.executable, "-m", "hpo_nni.trial", "--config", "trial.ini"],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            return SDKS & {name.partition(".")[0] for name in json.loads(result.read_text())}

        yield run


@pytest.mark.parametrize(
    ("ini", "needed"),
    [
        (LOCAL, set()),
        (LOCAL + OSS + ODPS, set()),
        (ON_OSS, {"oss2", "requests"}),
        (STATEMENT + ODPS, {"odps", "requests"}),
    ],
    ids=["local", "local, with accounts", "local, a config on OSS", "a statement on MaxCompute"],
)
def test_a_trial_imports_what_its_settings_need(modules, ini, needed):
    found = modules(ini)

    assert {"odps", "oss2"} & found == {"odps", "oss2"} & needed
    assert found <= needed | {"numpy"}  # which `odps` takes along where it is there
