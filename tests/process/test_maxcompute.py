"""Trials on a MaxCompute that runs here: our command, real clients, the server's own record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from hpo_nni.ledger import Ledger
from hpo_nni.metrics.events import EventSource
from hpo_nni.secrets import Redactor, Secret
from hpo_nni.testing.cloud.faults import Action, Fate, JobFault, RequestFault
from hpo_nni.testing.cloud.maxcompute_server import MaxComputeServer
from hpo_nni.testing.cloud.oss_server import OssServer
from hpo_nni.testing.cloud.xflow import Cluster, Training
from hpo_nni.testing.processes import eventually
from hpo_nni.trial.place import LOCAL_FOLDER
from hpo_nni.trial.platforms import reopen_platform

KEY_ID, KEY_SECRET = "LTAI5tCanaryKeyId", "canary/Secret+Value="
CONFIG = """
train_config { num_steps: 100 save_checkpoints_steps: 20
  optimizer_config { adam_optimizer { learning_rate {
    constant_learning_rate { learning_rate: 0.001 } } } } }
data_config { label_fields: "clk" }
feature_configs { input_names: "user_id" feature_type: IdFeature hash_bucket_size: 100 }
model_config { model_class: "DeepFM" deepfm { dnn { hidden_units: [16] } } }
"""
INI = """\
[platform_config]
name=MaxCompute
cmd1="PAI -name=easy_rec_ext -project=algo_public
  -Dconfig=oss://bkt/pipeline.config
  -Dtrain_tables=odps://demo/tables/train
  -Deval_tables=odps://demo/tables/test
  -Dcluster={"ps":{"count":1,"cpu":1000}}
  -Dmodel_dir=oss://bkt/models/${exp_id}_${trial_id}
  -Dedit_config_json='${tuner_params_json}'"

[metric_config]
metric_type=summary
metric_source=oss://bkt/models/${exp_id}_${trial_id}/eval_val/
metric_dict={'auc': 1}
final_mode=final
poll_interval=0.2

[oss_config]
endpoint=env:OSS_HERE
accessKeyID=${AK}
accessKeySecret=env:SK

[odps_config]
project_name=demo
odps_endpoint=env:ODPS_HERE
"""


class Cloud:
    """Both servers, and the environment of a shell in which they can be used."""

    def __init__(self, oss, jobs, home):
        self.oss = oss
        self.jobs = jobs
        self.home = home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("NNI_")},
            "OSS_HERE": oss.endpoint,
            "ODPS_HERE": jobs.endpoint,
            "AK": KEY_ID,
            "SK": KEY_SECRET,
            "HOME": str(home),
        }

    def start(self, folder, point, **environment):
        """Start one trial of the `trial.ini` in a folder."""
        (folder / "point.json").write_text(json.dumps(point), encoding="utf-8")
        command = [sys.executable, "-m", "hpo_nni.trial", "--config", "trial.ini"]
        return subprocess.Popen(
            [*command, "--params", "point.json"],
            cwd=folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, folder, point, **environment):
        """Run one trial to its end: exit code, standard output, standard error."""
        process = self.start(folder, point, **environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def await_training(self, process):
        """Wait until a job of the process trains; returns its instance."""

        eventually(lambda: process.poll() is not None or self.training())
        assert process.poll() is None, process.communicate()
        return self.jobs.instances.submitted()[-1]

    def training(self):
        return [one for one in self.jobs.instances if one.log]

    def scores(self, instance):
        """The values of auc that the trainer wrote, read as local files."""
        prefix = instance.parameters["model_dir"].removeprefix("oss://bkt/") + "/eval_val/"
        folder = self.home / "copy" / instance.id
        folder.mkdir(parents=True)
        for entry in self.oss.objects("bkt", prefix):
            (folder / entry.key.removeprefix(prefix)).write_bytes(self.oss.read("bkt", entry.key))
        return [point.values["auc"] for point in EventSource(folder, ["auc"]).finish()]


@pytest.fixture
def cloud(tmp_path):
    pair = {KEY_ID: KEY_SECRET}
    cluster = Cluster(Training(evaluations=1_000_000, rows=200, seconds_per_evaluation=0.05))
    with (
        OssServer(tmp_path / "oss", pair, buckets=["bkt"]) as oss,
        MaxComputeServer(oss, pair, "demo", cluster=cluster) as jobs,
    ):
        oss.write("bkt", "pipeline.config", CONFIG.encode())
        for table in ("train", "test"):
            jobs.add_click_table(table, 200)
        yield Cloud(oss, jobs, tmp_path)


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "experiment"
    found.mkdir()
    (found / "trial.ini").write_text(INI, encoding="utf-8")
    return found


def ledger_of(folder):
    return Ledger.open(folder / LOCAL_FOLDER)


def only_job(folder):
    with ledger_of(folder) as ledger:
        (experiment,) = ledger.experiments()
        (trial,) = ledger.trials(experiment.id)
        (job,) = ledger.jobs(trial.id)
        return trial, job


def test_a_trial_is_scored_by_what_the_trainer_wrote(cloud, folder):
    point = {"model_config.deepfm.dnn.hidden_units[0]": 8, "train_config.num_steps": 60}

    code, out, err = cloud.run(folder, point)

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    written = cloud.scores(instance)
    trial, job = only_job(folder)
    assert len(written) == 3
    assert trial.score == pytest.approx(written[-1])
    assert f"final: {written[-1]:.6g}" in out
    assert json.loads(instance.parameters["edit_config_json"]) == point
    assert job.job_id == instance.id
    assert job.settings_file == str(folder / "trial.ini")
    assert "eval step" in (folder / LOCAL_FOLDER / trial.id / "cmd1.stdout").read_text()


def test_a_terminated_trial_leaves_nothing_running(cloud, folder):
    process = cloud.start(folder, {"train_config.num_steps": 100_000_000})
    cloud.await_training(process)

    process.terminate()
    _, err = process.communicate(timeout=60)

    assert process.returncode != 0
    assert not cloud.jobs.instances.running(), err
    trial, job = only_job(folder)
    assert (trial.state.value, job.state) == ("cancelled", "cancelled")


def test_the_job_of_a_dead_trial_is_stopped_with_ledger_and_settings_alone(
    cloud, folder, monkeypatch
):
    process = cloud.start(folder, {"train_config.num_steps": 100_000_000})
    instance = cloud.await_training(process)
    process.kill()
    process.communicate()
    for name in ("AK", "SK", "ODPS_HERE", "OSS_HERE"):
        monkeypatch.setenv(name, cloud.environment[name])
    _, job = only_job(folder)
    assert job.job_id == instance.id

    handle = reopen_platform(job, folder / LOCAL_FOLDER).attach(job.job_id)
    handle.cancel()
    eventually(lambda: handle.status().state.is_final)

    assert not cloud.jobs.instances.running()


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(Action.REFUSE, "POST", "/instances$", status=429),
        RequestFault(Action.DROP_AFTER, "POST", "/instances$"),
        RequestFault(Action.DUPLICATE, "POST", "/instances$"),
        RequestFault(Action.REFUSE, "GET", "/instances/", status=502, first=5, times=3),
    ],
    ids=lambda fault: f"{fault.action.value} {fault.method} {fault.status}",
)
def test_what_may_pass_is_tried_again_and_no_step_runs_twice(cloud, folder, fault):
    cloud.jobs.faults.add(fault)

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    submitted = cloud.jobs.instances.submitted()
    assert len([one for one in submitted if not one.stopped_by]) == 1
    assert not cloud.jobs.instances.running()


FATES = {
    "not enough resource": (
        JobFault(
            Fate.FAILS, message="ODPS-1202005:Algo Job Failed-Wait over 30min, not enough resource."
        ),
        ["transient", ""],
    ),
    "out of memory": (
        JobFault(Fate.FAILS, message="ODPS-0010000:System internal error - worker 0 was OOMKilled"),
        ["infeasible"],
    ),
    "no table": (
        JobFault(Fate.FAILS, message="ODPS-0130131:[0,0] Table not found - table demo.train"),
        ["user"],
    ),
}


@pytest.mark.parametrize("fault, classes", FATES.values(), ids=FATES)
def test_the_services_words_say_whether_a_job_is_tried_again(cloud, folder, fault, classes):
    """A second attempt has a name of its own and trains on in the same model directory."""
    ini = folder / "trial.ini"
    ini.write_text(f"{ini.read_text(encoding='utf-8')}[failure_config]\nretry_seconds = 0\n")
    cloud.jobs.faults.add(fault)

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        jobs = ledger.jobs(trial.id)
    assert [job.failure for job in jobs] == classes
    assert (code == 0) is (classes[-1] == ""), err
    assert trial.failure == classes[-1]
    assert len({job.name for job in jobs}) == len(jobs) == len(cloud.jobs.instances.submitted())
    models = {one.parameters["model_dir"] for one in cloud.jobs.instances.submitted()}
    assert len(models) == 1


def test_what_was_written_last_is_read_though_the_store_is_busy_then(cloud, folder):
    cloud.oss.faults.add(RequestFault(Action.REFUSE, "GET", path="tfevents", status=503, times=4))

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
    assert trial.score == pytest.approx(cloud.scores(instance)[-1])


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AK": "xxx"}, "does not exist in our records"),
        ({"SK": "wrong-secret"}, "accessKeySecret does not belong to accessKeyID"),
        ({"AK": ""}, "the environment variable AK is empty"),
        ({"OSS_HERE": "http://127.0.0.1:1"}, "trying again in"),
    ],
)
def test_what_cannot_work_says_so_before_anything_is_submitted(cloud, folder, environment, words):
    process = cloud.start(folder, {}, **environment)
    if "OSS_HERE" in environment:
        assert any(words in line for line in process.stderr)
        process.terminate()
    _, err = process.communicate(timeout=60)

    assert process.returncode != 0
    assert words in err or "OSS_HERE" in environment
    assert len(cloud.jobs.instances) == 0


def test_credentials_are_in_no_file(cloud, folder):
    code, out, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert found
    hide = Redactor([Secret(KEY_ID), Secret(KEY_SECRET)])
    texts = [out, err, *(path.read_bytes().decode("latin-1") for path in found)]
    assert all(hide(text) == text for text in texts)


def test_an_edited_config_is_uploaded_under_the_trials_own_name(cloud, folder):
    text = INI.replace("  -Dedit_config_json='${tuner_params_json}'\"", '"').replace(
        "oss://bkt/pipeline.config", "${config}"
    )
    own = "oss://bkt/pipeline.config,oss://bkt/configs/${exp_id}_${trial_id}.config"
    (folder / "trial.ini").write_text(
        f"{text}[params_config]\nparams_src_dst_filepath={own}\nformat=prototext\n",
        encoding="utf-8",
    )
    cloud.oss.faults.add(RequestFault(Action.REFUSE, "PUT", status=503))

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    (stored,) = cloud.oss.objects("bkt", "configs/")
    assert instance.parameters["config"] == f"oss://bkt/{stored.key}"
    written = cloud.oss.read("bkt", stored.key).decode()
    assert written == CONFIG.replace("num_steps: 100 ", "num_steps: 60 ")
    assert len(cloud.scores(instance)) == 3


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("tables/train", "tables/trian", "ODPS-0130131"),
        ("algo_public", "algo_pubic", "xflow not found"),
        ("project_name=demo", "project_name=demmo", "is project_name right"),
        ("metric_source=oss://bkt", "metric_source=oss://bukt", "NoSuchBucket"),
    ],
)
def test_a_refusal_ends_the_trial_in_the_services_words(cloud, folder, before, after, words):
    (folder / "trial.ini").write_text(INI.replace(before, after), encoding="utf-8")

    code, _, err = cloud.run(folder, {})

    assert code == 1
    assert words in err
    assert not cloud.jobs.instances.running()
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        assert trial.state.value == "failed"
        assert words in trial.reason
        assert not ledger.live_jobs()


PRINTED = r"""
metric_type=stdout
metric_source=cmd1
metric_dict={'auc=([0-9.]+)': 1}
step_regex=eval step=(\d+)
"""


def test_a_trial_is_scored_by_what_its_job_prints(cloud, folder):
    text = re.sub(r"(?s)metric_type=summary.*?\{'auc': 1\}\n", lambda _: PRINTED, INI)
    (folder / "trial.ini").write_text(text, encoding="utf-8")

    code, _, err = cloud.run(folder, {"train_config.num_steps": 60})

    assert code == 0, err
    (instance,) = cloud.jobs.instances.submitted()
    written = cloud.scores(instance)
    with ledger_of(folder) as ledger:
        (trial,) = ledger.trials(ledger.experiments()[0].id)
        seen = {one.step: one.score for one in ledger.evaluations(trial.id)}
    assert list(seen) == [20, 40, 60]
    assert list(seen.values()) == pytest.approx(written, abs=1e-6)
    lines = (folder / LOCAL_FOLDER / trial.id / "cmd1.stdout").read_text().splitlines()
    assert sum(line.startswith("eval step=") for line in lines) == 3
